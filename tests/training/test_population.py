"""Runs that are trained together are what they would be alone."""

import dataclasses
import json
import os
import shutil
import signal

import jax
import numpy as np
import pytest
from tiny_run import digest_of_state, make_config, make_once, read_rows, write_songs

from drumjax.config.settings import make_settings
from drumjax.runs.run import load_run
from drumjax.system.devices import DeviceError, make_data_mesh, make_population_mesh
from drumjax.training import population
from drumjax.training.data import load_training_data
from drumjax.training.hyper import make_hyper, without_numbers
from drumjax.training.population import group_members, make_members, train_population
from drumjax.training.step import make_population_call, make_train_call
from drumjax.training.train import describe, shapes_of_state, train
from drumjax.training.trainer import Result, Trainer, TrainError

CHANGES = {"train.num_steps": 6, "train.eval_every_steps": 3, "train.log_every_steps": 1, "train.weight_decay": 0.01}
GRID = {
    "slow": {"train.learning_rate": 0.001, "train.seed": 0},
    "fast": {"train.learning_rate": 0.004, "train.seed": 0},
    "other": {"train.learning_rate": 0.001, "train.seed": 1, "train.dropout": 0.3},
    "heavy": {"train.learning_rate": 0.001, "train.seed": 1, "train.field_weights": {"hits": 2.0}},
}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder of the grid, trained undisturbed on one device."""
    return make_once(tmp_path_factory, "population", lambda folder: finish(config_of(folder), folder / "runs")) / "runs"


@pytest.fixture(scope="module")
def config(together):
    return config_of(together.parent)


def config_of(folder):
    songs = folder / "songs"
    return make_config(songs if songs.exists() else write_songs(songs), CHANGES)


def finish(config, folder, **options):
    (outcomes,) = train_population(make_members(config, folder, GRID), **{"num_devices": 1} | options)
    return outcomes


def losses(workdir):
    return [[row["loss"] for row in read_rows(workdir) if row["split"] == split] for split in ("train", "validation")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fast", "other"])
def test_each_is_the_run_that_it_would_be_alone(config, together, tmp_path, name):
    member = make_members(config, tmp_path, {name: GRID[name]})[0]
    result = train(member.config, tmp_path / name, num_devices=1)
    for alone, beside in zip(losses(tmp_path / name), losses(together / name), strict=True):
        np.testing.assert_allclose(beside, alone, rtol=1e-5)
    assert sorted(path.name for path in (together / name).iterdir()) == sorted(
        path.name for path in (tmp_path / name).iterdir()
    )
    assert (together / name / "config.json").read_bytes() == (tmp_path / name / "config.json").read_bytes()
    run = load_run(together / name, "latest")
    assert run.step == result.step == 6
    assert load_run(together / name).settings.train.seed == GRID[name]["train.seed"]


@pytest.mark.slow
def test_members_differ_by_what_they_are_given(together):
    ends = {name: losses(together / name)[0][-1] for name in GRID}
    assert len(set(ends.values())) == len(GRID)
    first = {name: losses(together / name)[0][0] for name in GRID}
    assert first["slow"] == first["fast"]  # the same seed, and no step taken yet
    for row in read_rows(together / "heavy"):
        if row["split"] == "train":
            assert row["loss"] == pytest.approx(2 * row["nll/hits"])


@pytest.mark.slow
def test_devices_share_members_and_batches(config, together, tmp_path, monkeypatch):
    """Four of them, two members: two devices for each."""
    monkeypatch.setattr(jax, "local_devices", jax.devices)
    members = make_members(config, tmp_path, dict(list(GRID.items())[:2]))
    (outcomes,) = train_population(members, num_devices=4)
    assert all(outcome.step == 6 for outcome in outcomes.values())
    for name in outcomes:
        for ours, expected in zip(losses(tmp_path / name), losses(together / name), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("num_members", "batch", "num_devices", "shape"),
    [
        (8, 32, 4, (4, 1)),
        (2, 32, 4, (2, 2)),
        (3, 32, 4, (1, 4)),
        (1, 6, 4, (1, 3)),
        (6, 5, 4, (2, 1)),
        (8, 32, 2, (2, 1)),
    ],
)
def test_as_many_shares_as_go(monkeypatch, num_members, batch, num_devices, shape):
    monkeypatch.setattr(jax, "local_devices", jax.devices)
    mesh = make_population_mesh(num_members, batch, num_devices)
    assert (mesh.shape["member"], mesh.shape["data"]) == shape


@pytest.mark.slow
def test_what_was_stopped_goes_on_bit_for_bit(config, together, tmp_path, monkeypatch):
    advance = Trainer.advance

    def interrupt(self, num_steps, metrics):
        advance(self, num_steps, metrics)
        if self.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Trainer, "advance", interrupt)
    stopped = finish(config, tmp_path)
    assert {(outcome.step, outcome.stopped_by) for outcome in stopped.values()} == {(2, "SIGTERM")}
    monkeypatch.undo()
    assert {outcome.step for outcome in finish(config, tmp_path).values()} == {6}
    for name in GRID:
        assert digest_of_state(tmp_path / name) == digest_of_state(together / name)
        assert read_rows(tmp_path / name) == read_rows(together / name)


@pytest.mark.slow
def test_those_that_a_kill_left_behind_catch_up(config, together, tmp_path):
    """It came between two saves: some have the checkpoint of step 6, some have not, one has none at all."""
    shutil.copytree(together, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "fast" / "checkpoints" / "6")
    shutil.rmtree(tmp_path / "other")
    outcomes = finish(config, tmp_path)
    assert {outcome.step for outcome in outcomes.values()} == {6}
    for name in GRID:
        assert digest_of_state(tmp_path / name) == digest_of_state(together / name)
        assert read_rows(tmp_path / name) == read_rows(together / name)


@pytest.mark.slow
def test_one_that_breaks_is_left_behind(config, together, tmp_path, monkeypatch, caplog):
    advance = Trainer.advance

    def break_fast(self, num_steps, metrics):
        if self.sinks.workdir.name == "fast" and self.step >= 3:
            metrics = metrics._replace(loss=np.full(len(np.asarray(metrics.loss)), np.nan))
        advance(self, num_steps, metrics)

    monkeypatch.setattr(Trainer, "advance", break_fast)
    outcomes = finish(config, tmp_path)
    broken = outcomes.pop("fast")
    assert isinstance(broken, TrainError)
    assert "not finite at step 4; the last good checkpoint is step 3" in str(broken)
    assert "fast: loss or gradient is not finite" in caplog.text
    assert digest_of_state(tmp_path / "fast")[0] == 3
    assert all(isinstance(outcome, Result) and outcome.step == 6 for outcome in outcomes.values())
    for name in outcomes:
        assert digest_of_state(tmp_path / name) == digest_of_state(together / name)


@pytest.mark.slow
def test_all_members_are_one_matrix_product(config):
    """Of each that one run has, not one for each member."""
    settings = make_settings(config)
    data = load_training_data(settings)
    run, recipe = describe(settings, data)
    hyper, step = make_hyper(run.settings, recipe.codec.fields), np.int32(0)
    state = shapes_of_state(recipe, make_data_mesh(1))
    one = make_train_call(recipe, make_data_mesh(1), 2).lower(state, data.corpus, hyper, step)
    states, hypers, steps = jax.tree.map(lambda x: jax.ShapeDtypeStruct((5, *x.shape), x.dtype), (state, hyper, step))
    many = make_population_call(recipe, make_population_mesh(5, 4), 2).lower(states, data.corpus, hypers, steps)
    counts = [lowered.as_text().count("stablehlo.dot_general") for lowered in (one, many)]
    assert counts[0] == counts[1] > 4


def test_runs_whose_compiled_step_is_the_same_are_one_group(config, tmp_path):
    grid = {
        "0": {"train.seed": 0},
        "1": {"train.seed": 1, "train.clip_norm": 0.5, "train.average_decay": 0.5, "sample.bpm": 99.0},
        "deep": {"model.num_layers": 2},
        "plain": {"train.dropout": 0.0},
        "2": {"train.seed": 2, "train.context_dropout": 0.4, "train.memory_dropout": 0.1},
        "tempo": {"augment.tempo": 0.1},
        "swing": {"augment.swing": 0.1, "train.weight_decay": 0.0},
        "long": {"train.num_steps": 7},
        "half": {"data.validation_share": 0.5} if "validation_share" in config["data"] else {"data.fill": "beat"},
    }
    members = make_members(config, tmp_path, grid)
    groups = [[member.name for member in group] for group in group_members(members)]
    assert groups == [["0", "1", "2"], ["deep"], ["plain"], ["tempo", "swing"], ["long"], ["half"]]
    assert [len(group) for group in group_members(members, at_once=2)] == [2, 1, 1, 1, 2, 1, 1]


def test_what_is_left_out_of_the_settings_is_what_the_step_is_given(config):
    """Every number of Hyper may differ, and the recipe is the same."""
    base = make_settings(config)
    data = load_training_data(base)
    _, recipe = describe(base, data)
    for name in ("weight_decay", "clip_norm", "context_dropout", "measured_dropout", "memory_dropout",
                 "coming_dropout", "average_decay", "learning_rate", "dropout"):  # fmt: skip
        changed = dataclasses.replace(base, train=dataclasses.replace(base.train, **{name: 0.125}))
        assert without_numbers(changed) == without_numbers(base), name
        assert describe(changed, data)[1] == recipe
        hypers = [make_hyper(settings, recipe.codec.fields) for settings in (base, changed)]
        assert getattr(hypers[0], name) != getattr(hypers[1], name)


def test_mistakes_name_the_member(config, tmp_path):
    with pytest.raises(Exception, match=r"bad: config\.train\.learning_rate is -1"):
        make_members(config, tmp_path, {"good": {}, "bad": {"train.learning_rate": -1.0}})
    with pytest.raises(Exception, match=r"no such setting: config\.train\.lr; did you mean"):
        make_members(config, tmp_path, {"bad": {"train.lr": 1.0}})
    (tmp_path / "mine").mkdir()
    other = json.loads(json.dumps(config))
    other["model"]["hidden_size"] += 1
    (tmp_path / "mine" / "config.json").write_text(json.dumps({"config": other}))
    with pytest.raises(Exception, match=r"hidden_size"):
        make_members(config, tmp_path, {"mine": {}})


def test_more_devices_than_there_are(config, tmp_path, monkeypatch):
    with pytest.raises(DeviceError, match="num_devices is 99"):
        list(train_population(make_members(config, tmp_path, GRID), num_devices=99))
    monkeypatch.setattr(population.jax, "process_count", lambda: 2)
    with pytest.raises(DeviceError, match="one process"):
        list(train_population(make_members(config, tmp_path, GRID)))
