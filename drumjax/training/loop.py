"""The loop around the compiled training call: look at metrics, log, evaluate, save, stop."""

import dataclasses
import logging
import math
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from drumjax.config.settings import Settings
from drumjax.runs.checkpoint import Checkpoints
from drumjax.runs.metrics import MetricsLog, Progress
from drumjax.runs.workdir import RunError, check_same_config
from drumjax.system.devices import agree, replicate, replicated, to_local
from drumjax.system.stop_signals import catch_stop_signals
from drumjax.training.init_from import load_transfer
from drumjax.training.optimizer import make_tx
from drumjax.training.recipe import make_augmentation, make_hyper, make_window_shape
from drumjax.training.schedule import make_learning_rate
from drumjax.training.step import Metrics, TrainState, init_state, make_train_call
from drumjax.training.validation import Evaluator

logger = logging.getLogger(__name__)


class TrainError(RuntimeError):
    """A run that cannot go on; the message says at which step, why, and what to do."""


@dataclasses.dataclass(frozen=True)
class Result:
    """How a call of train() ended. stopped_by is "" at num_steps, else a signal's name or "patience"."""

    step: int
    best_step: int
    best_loss: float
    stopped_by: str


class TrainLoop:
    """The running state of one call of train()."""

    log: MetricsLog
    progress: Progress

    def __init__(self, settings: Settings, metadata: dict[str, Any], workdir: Path, checkpoints: Checkpoints):
        self.settings, self.metadata = settings, metadata
        self.workdir, self.checkpoints = workdir, checkpoints
        self.step, self.saved_step = 0, -1
        self.best_step, self.best_loss, self.evals_since_best = 0, math.inf, 0
        self.pending: list[tuple[int, int, Metrics]] = []  # dispatched calls not looked at: last step, steps, metrics
        self.window: list[Metrics] = []  # looked at, not yet logged
        self.window_step, self.window_start = 0, time.perf_counter()  # where and when it began

    def build(self, model, codec, data, mesh) -> None:
        """Compiles nothing yet; puts corpus, numbers and a fresh state on every device."""
        t = self.settings.train
        tx, rate = make_tx(t.optimizer), make_learning_rate(t.schedule, t.warmup_steps, t.num_steps)
        shape = make_window_shape(self.settings, codec, data.corpus)
        self.field_names = [field.name for field in codec.fields]
        self.key_play = jax.random.fold_in(jax.random.key(t.seed), 1)
        self.train_call = make_train_call(
            model, codec, tx, rate, shape, mesh, t.steps_per_call,
            noisy=t.dropout > 0, augmentation=make_augmentation(self.settings), matmul_precision=t.matmul_precision,
        )  # fmt: skip
        self.mesh, self.corpus = mesh, replicate(data.corpus, mesh)
        self.hyper = replicate(make_hyper(self.settings, codec.fields), mesh)
        # The key goes in as numpy: several processes share no other input.
        key_data = np.asarray(jax.random.key_data(jax.random.key(t.seed)))
        init = jax.jit(
            lambda data: init_state(model, tx, jax.random.wrap_key_data(data)), out_shardings=replicated(mesh)
        )
        self.state: TrainState = init(key_data)
        self.evaluator = Evaluator(self.settings, model, codec, data)

    def restore(self) -> None:
        """Goes back to the newest good checkpoint, if there is one, else to the run that is to be started from."""
        if self.checkpoints.steps():  # settings and data first: they explain a difference better than shapes do
            self._check_metadata(self.checkpoints.read_metadata())
        params, rest = self.state.to_items()
        restored = self.checkpoints.restore_latest(params=params, state=rest)
        if restored is None:
            if self.settings.train.init_from:
                self._transfer()
            return
        self.state = TrainState.from_items(restored.params, restored.state)
        self.step = self.saved_step = self.window_step = restored.step
        progress = restored.metadata["progress"]
        self.best_step, self.evals_since_best = progress["best_step"], progress["evals_since_best"]
        self.best_loss = math.inf if progress["best_loss"] is None else progress["best_loss"]
        if progress["window"]:
            self.window = [Metrics(*(np.asarray(column, np.float32) for column in progress["window"]))]
        logger.info("resuming %s at step %d", self.workdir, self.step)

    def _transfer(self) -> None:
        params, stats = load_transfer(self.settings.train.init_from, self.settings, tuple(self.metadata["styles"]))
        params, average, stats = replicate((params, params, stats), self.mesh)
        self.state = self.state._replace(params=params, average=average, stats=stats)

    def _check_metadata(self, saved: dict[str, Any]) -> None:
        """Refuses a checkpoint of other settings or data, also where config.json is gone."""
        check_same_config(saved["config"], self.metadata["config"], f"the checkpoint in {self.workdir}")
        was, now = saved["data"]["fingerprint"], self.metadata["data"]["fingerprint"]
        if was != now:
            raise RunError(
                f"{self.workdir} was trained on other data (fingerprint {was}, now {now}: "
                f"{self.metadata['data']['source']}); use another --workdir"
            )

    def run(self) -> Result:
        """Trains to the last step, or until it is asked to stop."""
        t = self.settings.train
        stopped_by = ""
        with catch_stop_signals() as stop:
            while self.step < t.num_steps and not (stopped_by := self._why_stop(stop())):
                boundary = min(_next(self.step, t.log_every_steps), _next(self.step, t.eval_every_steps), t.num_steps)
                self._dispatch(min(t.steps_per_call, boundary - self.step))
                if self.step % t.log_every_steps == 0 or self.step == t.num_steps:
                    self._log_training()
                if self.step % t.eval_every_steps == 0 or self.step == t.num_steps:
                    self._evaluate()
            self._look(keep=0)
            if self.step != self.saved_step:
                self._save(metric=None)
        return Result(self.step, self.best_step, self.best_loss, stopped_by)

    def _why_stop(self, asked: str) -> str:
        """ "" to go on. Several processes decide together, at steps where the host waits for the device anyway."""
        t = self.settings.train
        if jax.process_count() > 1:
            asked = agree(asked) if self.step % t.log_every_steps == 0 else ""
        return asked or ("patience" if 0 < t.patience_evals <= self.evals_since_best else "")

    def _dispatch(self, num_steps: int) -> None:
        """Starts a call of num_steps steps, then looks at the one before it, so that the device never waits."""
        self.state, metrics = self.train_call(self.state, self.corpus, self.hyper, np.int32(num_steps))
        self.step += num_steps
        self.pending.append((self.step, num_steps, metrics))
        self._look(keep=1)

    def _look(self, keep: int) -> None:
        """Reads the metrics of all but the `keep` newest calls; raises TrainError at the first that is not finite."""
        while len(self.pending) > keep:
            last, count, device_metrics = self.pending.pop(0)
            metrics = Metrics(*(np.asarray(column)[:count] for column in device_metrics))
            finite = np.isfinite(metrics.loss) & np.isfinite(metrics.grad_norm)
            if not finite.all():
                self._fail("loss or gradient", [last - count + 1 + int(i) for i in np.flatnonzero(~finite)])
            self.window.append(metrics)
            self.progress.advance(last, float(metrics.loss[-1]))

    def _fail(self, what: str, steps: list[int]) -> None:
        kept = (
            f"the last good checkpoint is step {self.saved_step}" if self.saved_step >= 0 else "there is no checkpoint"
        )
        raise TrainError(
            f"{what} is not finite at step {', '.join(map(str, steps[:5]))}; {kept} in {self.workdir}, "
            "nothing was overwritten; try a smaller config.train.learning_rate or clip_norm"
        )

    def _log_training(self) -> None:
        self._look(keep=0)
        window = Metrics(*(np.concatenate(columns) for columns in zip(*self.window, strict=True)))
        seconds = time.perf_counter() - self.window_start
        rate = (self.step - self.window_step) / max(seconds, 1e-9)
        nll, accuracy = (
            {f"{kind}/{name}": float(v) for name, v in zip(self.field_names, column.mean(axis=0), strict=True)}
            for kind, column in (("nll", window.nll), ("accuracy", window.accuracy))
        )
        loss = float(window.loss.mean())
        figures = {
            "loss": loss,
            **nll,
            **accuracy,
            "grad_norm": float(window.grad_norm.mean()),
            "steps_per_second": rate,
        }
        self.log.write(self.step, "train", figures)
        self.progress.report(self.step, loss, rate)
        self.window, self.window_step, self.window_start = [], self.step, time.perf_counter()

    def _evaluate(self) -> None:
        """Scores the validation songs, plays a groove, and saves a checkpoint."""
        self._look(keep=0)
        start = time.perf_counter()
        params, stats = to_local((self.state.average, self.state.stats))
        figures = self.evaluator.score(params, stats)
        loss = figures.get("loss", math.nan)
        if figures and not math.isfinite(loss):  # the last update broke the weights: do not save them
            self._fail("validation loss", [self.step])
        self.evals_since_best += 1
        if loss < self.best_loss:
            self.best_step, self.best_loss, self.evals_since_best = self.step, loss, 0
        if figures:
            self.log.write(self.step, "validation", figures)
            self.progress.say(_describe(self.step, figures, self.best_step))
        if jax.process_index() == 0:
            path = self.workdir / "samples" / f"step_{self.step:06d}.mid"
            key = jax.random.fold_in(self.key_play, self.step)
            self.progress.say(self.evaluator.play(params, stats, key, path))
        self._save(metric=loss)
        self.window_start += time.perf_counter() - start  # so that steps/s speaks of training

    def _save(self, metric: float | None) -> None:
        params, rest = self.state.to_items()
        best_loss = self.best_loss if math.isfinite(self.best_loss) else None
        progress = {
            "best_step": self.best_step,
            "best_loss": best_loss,
            "evals_since_best": self.evals_since_best,
            # What is not logged yet, so that the next row is the same as without a stop.
            "window": [np.concatenate(columns).tolist() for columns in zip(*self.window, strict=True)],
        }
        metadata = {**self.metadata, "progress": progress}
        self.checkpoints.save(self.step, params=params, state=rest, metadata=metadata, metric=metric)
        self.saved_step = self.step


def _next(step: int, every: int) -> int:
    """The first multiple of `every` after `step`."""
    return (step // every + 1) * every


def _describe(step: int, figures: dict[str, float], best_step: int) -> str:
    fields = "  ".join(f"{name.split('/')[1]} {v:.3f}" for name, v in figures.items() if name.startswith("nll_each/"))
    return f"step {step}  validation loss {figures['loss']:.4f}{' (best)' if best_step == step else ''}  nats: {fields}"
