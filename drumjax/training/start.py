"""Where a run goes on: at its newest good checkpoint, at another run's weights, or at the beginning."""

import dataclasses
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from drumjax.config.settings import Settings
from drumjax.runs.checkpoint import Checkpoints
from drumjax.runs.workdir import RunError, check_same_config
from drumjax.training.init_from import load_initial
from drumjax.training.state import TrainState
from drumjax.training.step import Metrics

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Start:
    """The train state, and what the loop knew when it was saved.

    step              steps taken
    saved_step        of the newest checkpoint, -1 if there is none
    best_step         of the lowest validation loss, and that loss
    evals_since_best  evaluations since then
    window            metrics of the steps that are not logged yet
    """

    state: TrainState
    step: int = 0
    saved_step: int = -1
    best_step: int = 0
    best_loss: float = math.inf
    evals_since_best: int = 0
    window: tuple[Metrics, ...] = ()

    def progress(self) -> dict[str, Any]:
        """All but the state, as JSON for the checkpoint's metadata."""
        return {
            "best_step": self.best_step,
            "best_loss": self.best_loss if math.isfinite(self.best_loss) else None,
            "evals_since_best": self.evals_since_best,
            # What is not logged yet, so that the next row is the same as without a stop.
            "window": [np.concatenate(columns).tolist() for columns in zip(*self.window, strict=True)],
        }


def find_start(
    shapes: TrainState,
    fresh: Callable[[], TrainState],
    settings: Settings,
    metadata: dict[str, Any],
    checkpoints: Checkpoints,
    workdir: Path,
) -> Start:
    """The newest good checkpoint, if there is one, else the run that is to be started from, else the `fresh` state,
    whose `shapes` may be jax.ShapeDtypeStructs.

    Raises RunError for a checkpoint of other settings or data, CheckpointError if none is good.
    """
    if checkpoints.steps():  # settings and data first: they explain a difference better than shapes do
        _check_metadata(checkpoints.read_metadata(), metadata, workdir)
    params, rest = shapes.to_items()
    restored = checkpoints.restore_latest(params=params, state=rest)
    if restored is None:
        source = settings.train.init_from
        return Start(_transfer(fresh(), source, settings, metadata) if source else fresh())
    progress = restored.metadata["progress"]
    window = progress["window"]
    logger.info("resuming %s at step %d", workdir, restored.step)
    return Start(
        state=TrainState.from_items(restored.params, restored.state),
        step=restored.step,
        saved_step=restored.step,
        best_step=progress["best_step"],
        best_loss=math.inf if progress["best_loss"] is None else progress["best_loss"],
        evals_since_best=progress["evals_since_best"],
        window=(Metrics(*(np.asarray(column, np.float32) for column in window)),) if window else (),
    )


def _transfer(fresh: TrainState, source: str, settings: Settings, metadata: dict[str, Any]) -> TrainState:
    """The fresh state with another run's weights."""
    weights = load_initial(source, settings, tuple(metadata["styles"]), tuple(metadata["data"]["players"]))
    sharding = jax.tree.leaves(fresh.params)[0].sharding
    params, average, stats = jax.device_put((weights.params, weights.params, weights.stats), sharding)
    return fresh._replace(params=params, average=average, stats=stats)


def _check_metadata(saved: dict[str, Any], metadata: dict[str, Any], workdir: Path) -> None:
    """Refuses a checkpoint of other settings or data, also where config.json is gone."""
    check_same_config(saved["config"], metadata["config"], f"the checkpoint in {workdir}")
    was, now = saved["data"]["fingerprint"], metadata["data"]["fingerprint"]
    if was != now:
        raise RunError(
            f"{workdir} was trained on other data (fingerprint {was}, now {now}: "
            f"{metadata['data']['source']}); use another --workdir"
        )
