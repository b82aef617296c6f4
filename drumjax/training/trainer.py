"""One run as it is trained: look at its metrics, log, evaluate, save."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from drumjax.config.training import TrainSettings
from drumjax.models.interface import Weights
from drumjax.runs.checkpoint import Checkpoints
from drumjax.runs.leaves import find_not_finite, flatten, to_host
from drumjax.runs.metrics import MetricsLog
from drumjax.runs.progress import Progress
from drumjax.system.devices import to_local
from drumjax.system.errors import UserError
from drumjax.training.start import Start
from drumjax.training.state import TrainState
from drumjax.training.step import Metrics


class TrainError(UserError):
    """A run that cannot go on; the message says at which step, why, and what to do."""


class Validates(Protocol):
    """What the loop asks at each evaluation; see validation.Validator."""

    def score(self, weights: Weights) -> dict[str, float]: ...

    def play(self, weights: Weights, key: jax.Array, path: Path) -> str: ...


@dataclasses.dataclass(frozen=True)
class Sinks:
    """Where a run's checkpoints, figures and previews go.

    metadata  what every checkpoint says of itself
    """

    workdir: Path
    checkpoints: Checkpoints
    log: MetricsLog
    progress: Progress
    metadata: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Result:
    """How a call of train() ended. stopped_by is "" at num_steps, else a signal's name or "patience"."""

    step: int
    best_step: int
    best_loss: float
    stopped_by: str


class Trainer:
    """One run as it is trained, alone or beside others: its figures, evaluations and checkpoints. Its state is kept by
    the loop below.

    settings  when to log, evaluate, save and stop
    fields    names of the codec's fields, for the log
    start     where it goes on
    """

    def __init__(
        self, settings: TrainSettings, fields: Sequence[str], start: Start, validator: Validates, sinks: Sinks
    ):
        self.settings, self.fields, self.validator, self.sinks = settings, fields, validator, sinks
        self.step, self.saved_step = start.step, start.saved_step
        self.best_step, self.best_loss = start.best_step, start.best_loss
        self.evals_since_best = start.evals_since_best
        self.key_play = jax.random.fold_in(jax.random.key(settings.seed), 1)
        self.pending: list[tuple[int, int, Metrics]] = []  # dispatched calls not looked at: last step, steps, metrics
        self.window = list(start.window)  # looked at, not yet logged
        self.window_step, self.window_start = start.step, time.perf_counter()  # where and when it began

    @property
    def is_over(self) -> bool:
        return self.step >= self.settings.num_steps or self._has_no_patience

    @property
    def _has_no_patience(self) -> bool:
        return 0 < self.settings.patience_evals <= self.evals_since_best

    def due(self) -> int:
        """How many steps the next call may take: up to where something is to be done."""
        t = self.settings
        boundary = min(_next(self.step, t.log_every_steps), _next(self.step, t.eval_every_steps), t.num_steps)
        return min(t.steps_per_call, boundary - self.step)

    def advance(self, num_steps: int, metrics: Metrics) -> None:
        """A call of num_steps steps was started. Looks at the one before it, so that the device never waits; raises
        TrainError if that was not finite."""
        self.step += num_steps
        self.pending.append((self.step, num_steps, metrics))
        self._look(keep=1)

    def keep_up(self, state: Callable[[], TrainState]) -> None:
        """Logs and evaluates where that is due. Raises TrainError."""
        t = self.settings
        if self.step % t.log_every_steps == 0 or self.step == t.num_steps:
            self._log_training()
        if self.step % t.eval_every_steps == 0 or self.step == t.num_steps:
            self._evaluate(state())

    def finish(self, state: Callable[[], TrainState], stopped_by: str) -> Result:
        """Saves what is not saved yet. Raises TrainError."""
        self._look(keep=0)
        if self.step != self.saved_step:
            last = state()
            self._check_state(last)
            self._save(last, metric=None)
        if self.step >= self.settings.num_steps:
            stopped_by = ""
        elif self._has_no_patience:
            stopped_by = "patience"
        return Result(self.step, self.best_step, self.best_loss, stopped_by)

    def _look(self, keep: int) -> None:
        """Reads the metrics of all but the `keep` newest calls; raises TrainError at the first that is not finite."""
        while len(self.pending) > keep:
            last, count, device_metrics = self.pending.pop(0)
            metrics = Metrics(*(np.asarray(column)[:count] for column in device_metrics))
            finite = np.isfinite(metrics.loss) & np.isfinite(metrics.grad_norm)
            if not finite.all():
                self._fail("loss or gradient", [last - count + 1 + int(i) for i in np.flatnonzero(~finite)])
            self.window.append(metrics)
            self.sinks.progress.advance(last, float(metrics.loss[-1]))

    def _fail(self, what: str, steps: list[int]) -> None:
        kept = (
            f"the last good checkpoint is step {self.saved_step}" if self.saved_step >= 0 else "there is no checkpoint"
        )
        raise TrainError(
            f"{what} is not finite at step {', '.join(map(str, steps[:5]))}; {kept} in {self.sinks.workdir}, "
            "nothing was overwritten; try a smaller config.train.learning_rate or clip_norm"
        )

    def _check_state(self, state: TrainState) -> None:
        """Raises TrainError if any number of the state is not finite: the last update may have broken the weights
        although its own loss and gradient were fine, and nothing else may look at them before they are saved."""
        params, rest = state.to_items()
        for tree in (params, rest):
            arrays = {name: to_host(name, leaf) for name, leaf in flatten(tree).items()}
            if broken := find_not_finite(arrays):
                self._fail(f"{broken.partition(' ')[0]} of the train state", [self.step])

    def _log_training(self) -> None:
        self._look(keep=0)
        window = Metrics(*(np.concatenate(columns) for columns in zip(*self.window, strict=True)))
        seconds = time.perf_counter() - self.window_start
        rate = (self.step - self.window_step) / max(seconds, 1e-9)
        loss = float(window.loss.mean())
        figures = {"loss": loss}
        for kind, column in (("nll", window.nll), ("accuracy", window.accuracy)):
            means = zip(self.fields, column.mean(axis=0), strict=True)
            figures |= {f"{kind}/{name}": float(mean) for name, mean in means}
        figures |= {"grad_norm": float(window.grad_norm.mean()), "steps_per_second": rate}
        self.sinks.log.write(self.step, "train", figures)
        self.sinks.progress.report(self.step, loss, rate)
        self.window, self.window_step, self.window_start = [], self.step, time.perf_counter()

    def _evaluate(self, state: TrainState) -> None:
        """Scores the validation songs, plays a preview, and saves a checkpoint."""
        self._look(keep=0)
        self._check_state(state)
        start = time.perf_counter()
        weights = to_local(state.averaged)
        figures = self.validator.score(weights)
        loss = figures.get("loss", math.nan)
        if figures and not math.isfinite(loss):  # the last update broke the weights: do not save them
            self._fail("validation loss", [self.step])
        self.evals_since_best += 1
        if loss < self.best_loss:
            self.best_step, self.best_loss, self.evals_since_best = self.step, loss, 0
        if figures:
            self.sinks.log.write(self.step, "validation", figures)
            self.sinks.progress.say(_describe(self.step, figures, self.best_step))
        if jax.process_index() == 0:
            path = self.sinks.workdir / "samples" / f"step_{self.step:06d}.mid"
            key = jax.random.fold_in(self.key_play, self.step)
            self.sinks.progress.preview(path, self.validator.play(weights, key, path))
        self._save(state, metric=loss)
        self.window_start += time.perf_counter() - start  # so that steps/s speaks of training

    def _save(self, state: TrainState, metric: float | None) -> None:
        params, rest = state.to_items()
        now = Start(
            state, self.step, self.step, self.best_step, self.best_loss, self.evals_since_best, tuple(self.window)
        )
        metadata = {**self.sinks.metadata, "progress": now.progress()}
        self.sinks.checkpoints.save(self.step, params=params, state=rest, metadata=metadata, metric=metric)
        self.saved_step = self.step


def _next(step: int, every: int) -> int:
    """The first multiple of `every` after `step`."""
    return (step // every + 1) * every


def _describe(step: int, figures: dict[str, float], best_step: int) -> str:
    fields = "  ".join(f"{name.split('/')[1]} {v:.3f}" for name, v in figures.items() if name.startswith("nll_each/"))
    return f"step {step}  validation loss {figures['loss']:.4f}{' (best)' if best_step == step else ''}  nats: {fields}"
