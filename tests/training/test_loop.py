"""The loop by itself: when it logs, evaluates, saves and stops. Its step, checkpoints and files are pretended."""

import dataclasses
import json
import math
import os
import signal
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from pretended import MAX_STEPS, fresh_state, train_steps

from configs import default
from drumjax.config.settings import make_settings
from drumjax.runs.checkpoint import Restored
from drumjax.training.loop import train_alone
from drumjax.training.start import Start, find_start
from drumjax.training.step import Metrics
from drumjax.training.trainer import Result, Sinks, Trainer, TrainError

CONFIG = default.get_config().to_dict()
SETTINGS = make_settings(CONFIG)
METADATA = {"config": CONFIG, "styles": [""], "data": {"fingerprint": "f", "source": "songs"}}
FIELDS = ["hits", "velocity"]


class Kept:
    """Checkpoints in memory: all that were saved."""

    def __init__(self):
        self.saved = {}

    def save(self, step, *, params, state, metadata, metric):
        self.saved[step] = Restored(step, params, state, metadata), metric

    def steps(self):
        return sorted(self.saved)

    def read_metadata(self):
        return self.saved[self.steps()[-1]][0].metadata

    def restore_latest(self, *, params, state):
        return self.saved[self.steps()[-1]][0] if self.saved else None


class Bench:
    """Trainers over one pretended workdir, one after another."""

    def __init__(self, workdir):
        self.workdir, self.checkpoints, self.rows, self.said, self.calls = workdir, Kept(), [], [], []
        self.losses, self.after = None, lambda step, metrics: metrics

    def train(self, **changes) -> Result:
        given = {"num_steps": 10, "steps_per_call": 3, "log_every_steps": 4, "eval_every_steps": 5, "patience_evals": 0}
        settings = dataclasses.replace(SETTINGS.train, **given | changes)
        start = find_start(fresh_state(), fresh_state, SETTINGS, METADATA, self.checkpoints, self.workdir)
        self.rows = [row for row in self.rows if row["step"] <= start.step]
        log = SimpleNamespace(
            write=lambda step, split, figures: self.rows.append({"step": step, "split": split, **figures})
        )
        progress = SimpleNamespace(advance=lambda *now: None, report=lambda *now: None, say=self.said.append)
        progress.preview = lambda path, text: self.said.append(text)
        sinks = Sinks(self.workdir, self.checkpoints, log, progress, METADATA)
        return train_alone(Trainer(settings, FIELDS, start, self, sinks), start.state, self.step)

    def step(self, state, num_steps):
        self.calls.append(num_steps)
        state, metrics = train_steps(state, num_steps, len(FIELDS))
        return state, self.after(int(state.step), metrics)

    def score(self, weights):
        loss = next(self.losses, None) if self.losses is not None else 1 / float(weights.params["w"][0])
        return {} if loss is None else {"loss": loss, "nll_each/hits": loss}

    def play(self, weights, key, path):
        return f"preview {path.relative_to(self.workdir)}"

    def rows_but_speed(self):
        return [{name: value for name, value in row.items() if name != "steps_per_second"} for row in self.rows]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a.params, b.params)
    jax.tree.map(np.testing.assert_array_equal, a.state | {"key": 0}, b.state | {"key": 0})


def test_calls_end_where_something_is_due(bench):
    assert bench.train() == Result(10, 10, pytest.approx(bench.rows[-1]["loss"]), "")
    assert bench.calls == [3, 1, 1, 3, 2]  # of 3 steps, cut at 4 (log), 5 (evaluate), 8 (log), 10 (evaluate, end)
    assert [(row["step"], row["split"]) for row in bench.rows] == [
        (4, "train"), (5, "validation"), (8, "train"), (10, "train"), (10, "validation")
    ]  # fmt: skip
    assert bench.checkpoints.steps() == [5, 10]


def test_a_row_is_the_mean_of_the_steps_since_the_last(bench):
    bench.train()
    _, metrics = train_steps(fresh_state(), MAX_STEPS, len(FIELDS))
    rows = [row for row in bench.rows if row["split"] == "train"]
    for row, steps in zip(rows[:2], [slice(0, 4), slice(4, 8)], strict=True):
        assert row["loss"] == pytest.approx(metrics.loss[steps].mean())
        assert row["grad_norm"] == pytest.approx(metrics.grad_norm[steps].mean())
        for i, field in enumerate(FIELDS):
            assert row[f"nll/{field}"] == pytest.approx(metrics.nll[steps, i].mean())
            assert row[f"accuracy/{field}"] == pytest.approx(metrics.accuracy[steps, i].mean())
        assert row["steps_per_second"] > 0


def test_what_is_evaluated_and_played_is_the_average(bench, monkeypatch):
    seen = []
    monkeypatch.setattr(bench, "score", lambda weights: seen.append(weights) or {"loss": 1.0})
    monkeypatch.setattr(bench, "play", lambda weights, key, path: seen.append(weights) or path.name)
    bench.train(num_steps=5)
    (restored, metric), (scored, played) = bench.checkpoints.saved[5], seen
    for weights in (scored, played):
        np.testing.assert_array_equal(weights.params["w"], restored.params["params"]["w"])
    assert (restored.params["params"]["w"] != restored.state["params"]["w"]).all()
    assert metric == 1.0
    assert "step_000005.mid" in bench.said


@pytest.mark.parametrize("stop", range(1, 10))
def test_a_run_that_was_stopped_anywhere_ends_the_same(bench, tmp_path, stop):
    other = Bench(tmp_path)
    other.train()

    def interrupt(step, metrics):
        if step == stop:
            os.kill(os.getpid(), signal.SIGTERM)
        return metrics

    bench.after = interrupt
    result = bench.train(steps_per_call=1)
    assert (result.step, result.stopped_by, bench.checkpoints.steps()[-1]) == (stop, "SIGTERM", stop)
    assert bench.checkpoints.saved[stop][1] is None or stop == 5  # only what was judged has a figure
    bench.after = lambda step, metrics: metrics
    assert bench.train().step == 10
    assert bench.rows_but_speed() == other.rows_but_speed()
    same(bench.checkpoints.saved[10][0], other.checkpoints.saved[10][0])


def test_patience_is_counted_across_a_stop(bench):
    bench.losses = iter([2.0, 3.0])
    assert bench.train(eval_every_steps=1, num_steps=2).stopped_by == ""
    bench.losses = iter([3.0, 1.0])
    assert bench.train(eval_every_steps=1, patience_evals=2) == Result(3, 1, 2.0, "patience")
    assert bench.train(eval_every_steps=1, patience_evals=3, num_steps=4) == Result(4, 4, 1.0, "")


def test_where_nothing_judges_there_is_no_row_no_best_and_no_figure(bench):
    bench.losses = iter([])
    assert bench.train() == Result(10, 0, math.inf, "")
    assert {row["split"] for row in bench.rows} == {"train"}
    assert [metric is None or math.isnan(metric) for _, metric in bench.checkpoints.saved.values()] == [True, True]


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("step", [1, 3, 4, 7, 10])
def test_the_first_step_that_is_not_finite_ends_it_before_anything_is_saved(bench, name, value, step):
    def poison(last, metrics):
        column = getattr(metrics, name)
        first = last - int(np.isfinite(metrics.loss).sum()) + 1
        if first <= step <= last:
            column[step - first] = value
        return metrics

    bench.after = poison
    kept = "the last good checkpoint is step 5" if step > 5 else "there is no checkpoint"
    with pytest.raises(TrainError, match=rf"not finite at step {step}[,;].*{kept} in {bench.workdir}"):
        bench.train()
    assert bench.checkpoints.steps() == ([5] if step > 5 else [])
    assert all(row["step"] < step for row in bench.rows)


def test_weights_that_score_no_number_are_not_saved(bench):
    bench.losses = iter([2.0, math.nan])
    with pytest.raises(TrainError, match=r"validation loss is not finite at step 10; .* checkpoint is step 5"):
        bench.train()
    assert bench.checkpoints.steps() == [5]
    assert [row["split"] for row in bench.rows] == ["train", "validation", "train", "train"]


def test_progress_is_json(bench):
    _, metrics = train_steps(fresh_state(), 3, 2)
    metrics = Metrics(*(column[:3] for column in metrics))
    start = Start(fresh_state(), 3, 3, 2, 1.5, 1, (metrics,))
    progress = json.loads(json.dumps(start.progress()))
    assert (progress["best_step"], progress["best_loss"], progress["evals_since_best"]) == (2, 1.5, 1)
    np.testing.assert_array_equal(np.float32(progress["window"][0]), metrics.loss)
    assert Start(fresh_state()).progress() == {"best_step": 0, "best_loss": None, "evals_since_best": 0, "window": []}
