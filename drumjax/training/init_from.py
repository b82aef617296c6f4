"""Training that starts from another run: its weights, with styles and players remapped by name."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np

from drumjax.codecs.events import EventCodec
from drumjax.codecs.vocabulary import Vocabulary
from drumjax.config.settings import Settings
from drumjax.models.interface import Weights
from drumjax.runs.checkpoint import CheckpointError, Checkpoints
from drumjax.runs.compatibility import check_compatible
from drumjax.runs.run import Run, load_run
from drumjax.runs.workdir import RunError

logger = logging.getLogger(__name__)


def load_initial(
    source: str | Path, settings: Settings, styles: tuple[str, ...], players: tuple[str, ...] = ("",)
) -> Weights:
    """The weights of the best checkpoint in `source`, for a run of these settings, styles and players.

    A style or a player that the source lacks starts as its unknown one. Raises RunError or CheckpointError, naming
    what differs, if model or codec are not the same.
    """
    run = load_run(source)
    _check_same(run, settings, source)
    params, stats = jax.tree.map(np.asarray, run.weights)
    for name, known, names in (("style", run.styles, styles), ("player", run.players, players)):
        if name not in settings.model.conditions:
            continue
        rows = [known.index(one) if one in known else 0 for one in names]
        params["context"][name]["embedding"] = params["context"][name]["embedding"][rows]
        beginning = "beginning" if name == "style" else f"{name}_beginning"
        if beginning in params:
            params[beginning] = params[beginning][rows]
        if new := [one for one in names if one not in known]:
            logger.info("%s does not know %s: they start as its unknown %s", source, ", ".join(new), name)
    logger.info("starting from %s, step %d", source, run.step)
    return Weights(params, stats)


def inherited_vocabulary(checkpoints: Checkpoints, source: str) -> Vocabulary | None:
    """The vocabulary of the run that goes on, or else of the one that it starts from, so that its tokens mean the same;
    None if there is neither, or the codec has none.

    Raises RunError or CheckpointError if `source`, "" for none, is no run.
    """
    if checkpoints.steps():
        values = checkpoints.read_metadata().get("vocabulary")
        return Vocabulary.from_json(values) if values else None
    codec = load_run(source).codec if source else None
    return codec.vocabulary if isinstance(codec, EventCodec) else None


def _check_same(run: Run, settings: Settings, source: str | Path) -> None:
    """RunError, showing the difference, unless model and codec are the same."""

    def kept(some: Settings) -> dict[str, Any]:
        return {"model": dataclasses.asdict(some.model), "codec": dataclasses.asdict(some.codec)}

    try:
        check_compatible(kept(run.settings), kept(settings), where=f"config.train.init_from={source}")
    except CheckpointError as error:
        raise RunError(str(error)) from None
