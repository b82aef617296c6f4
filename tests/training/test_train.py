import json
import logging
import math
import os
import shutil
import signal
import socket

import jax
import numpy as np
import pytest
from tiny_run import digest_of_state, make_config, read_rows, tree_of, write_songs

from drumjax.config.checks import SettingsError
from drumjax.config.settings import make_settings
from drumjax.data import groove_midi
from drumjax.data.datasets import DatasetError
from drumjax.midi.reader import read_midi
from drumjax.runs.checkpoint import Checkpoints
from drumjax.runs.run import RunError, load_run
from drumjax.system.devices import DeviceError
from drumjax.system.lock import LockError, lock_workdir
from drumjax.training import train as train_module
from drumjax.training.data import load_training_data
from drumjax.training.loop import Result, TrainError
from drumjax.training.step import Metrics, make_train_call
from drumjax.training.train import train
from drumjax.training.validation import Validator

NUM_STEPS = 10


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("data") / "songs")


def run(songs, workdir, changes=None, num_devices=1):
    return train(make_config(songs, {"train.num_steps": NUM_STEPS} | (changes or {})), workdir, num_devices=num_devices)


@pytest.fixture(scope="module")
def finished(songs, tmp_path_factory):
    """(workdir, Result) of an undisturbed run; to be copied, not changed."""
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    return workdir, run(songs, workdir)


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "copied")


@pytest.fixture
def after_call(monkeypatch):
    """Sets what happens after each train call: a function (step, metrics) -> metrics."""

    def install(change):
        def make(*args):
            call = make_train_call(*args)

            def changed(state, *rest):
                state, metrics = call(state, *rest)
                return state, change(int(state.step), metrics)

            return changed

        monkeypatch.setattr(train_module, "make_train_call", make)

    return install


@pytest.fixture
def scores(monkeypatch):
    """Sets the validation loss at each evaluation; without computing any."""

    def install(losses):
        losses = iter(losses)
        monkeypatch.setattr(Validator, "score", lambda *args: {"loss": next(losses), "nll_each/hits": 1.0})
        monkeypatch.setattr(Validator, "play", lambda *args: "")

    return install


# ---- what a run leaves


def test_rows_of_metrics(finished):
    rows = read_rows(finished[0])
    # Logged every 3 steps, evaluated every 4, and both at the end.
    expected = [(3, "train"), (4, "validation"), (6, "train"), (8, "validation"), (9, "train")]
    assert [(row["step"], row["split"]) for row in rows] == [*expected, (10, "train"), (10, "validation")]
    for row in rows:
        assert row["loss"] == row["nll/hits"]  # the only field, of weight 1
        assert 1 < row["loss"] < 8
        assert ("grad_norm" in row) == (row["split"] == "train")
        assert ("nll_each/hits" in row) == (row["split"] == "validation")


def test_result_and_checkpoints(finished):
    workdir, result = finished
    losses = {row["step"]: row["loss"] for row in read_rows(workdir) if row["split"] == "validation"}
    best = min(losses, key=losses.get)
    assert result == Result(NUM_STEPS, best, losses[best], "")
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.steps() == sorted({8, 10, best})
        assert checkpoints.read_metadata("latest")["metric"] == losses[10]
    assert load_run(workdir, "best").step == best


def test_a_run_of_another_format_is_refused(finished, monkeypatch):
    monkeypatch.setattr("drumjax.runs.run.FORMAT", 0)
    with pytest.raises(RunError, match=r"has checkpoints of format \d+, and this drumjax reads 0: train again"):
        load_run(finished[0])


def test_config_is_kept_with_what_it_was_trained_on(finished, songs):
    saved = json.loads((finished[0] / "config.json").read_text())
    assert saved["config"] == make_config(songs, {"train.num_steps": NUM_STEPS})
    assert str(songs) in saved["data"]["source"]
    assert not saved["data"]["is_fallback"]
    assert saved["data"]["train_songs"] + saved["data"]["validation_songs"] == 12


def test_grooves_played_on_the_way(finished):
    names = sorted(path.name for path in (finished[0] / "samples").iterdir())
    assert names == ["step_000004.mid", "step_000008.mid", "step_000010.mid"]
    song = read_midi(finished[0] / "samples" / names[0])
    assert song.num_bars <= 4
    assert song.tempo_bpm == pytest.approx(120)


def test_tensorboard_has_the_same(finished):
    (path,) = (finished[0] / "tensorboard").iterdir()
    assert path.name.startswith("events.out.tfevents.")
    data = path.read_bytes()
    assert data.count(b"train/loss") == 4
    assert data.count(b"validation/nll/hits") == 3


def test_every_field_has_a_figure_and_a_weight(expressive_run):
    rows = read_rows(expressive_run)
    assert [row["split"] for row in rows] == ["train", "validation"]
    for row in rows:
        weighted = row["nll/hits"] + 0.5 * row["nll/velocity"] + 0.25 * row["nll/offset"]
        assert row["loss"] == pytest.approx(weighted, rel=1e-5)


# ---- stopping and going on


def test_signals_stop_and_nothing_is_lost(finished, songs, tmp_path, after_call, caplog):
    """The state is the same bit for bit, and so are the rows, also those whose steps lie before and after a stop."""
    workdir = tmp_path / "run"
    signals = {2: signal.SIGTERM, 8: signal.SIGINT}  # 2 in mid air; at 8 it is saved anyway

    def interrupt(step, metrics):
        if number := signals.pop(step, None):
            os.kill(os.getpid(), number)
        return metrics

    after_call(interrupt)
    for step, name in ((2, "SIGTERM"), (8, "SIGINT"), (NUM_STEPS, "")):
        result = run(songs, workdir)
        assert (result.step, result.stopped_by) == (step, name)
    assert digest_of_state(workdir) == digest_of_state(finished[0])
    assert read_rows(workdir) == read_rows(finished[0])


def test_a_finished_run_is_left_as_it_is(copied, songs, finished):
    before = tree_of(copied / "checkpoints")
    for num_steps in (NUM_STEPS, 8):
        assert run(songs, copied, {"train.num_steps": num_steps}) == finished[1]
    assert tree_of(copied / "checkpoints") == before
    assert read_rows(copied) == read_rows(finished[0])


def test_a_run_may_be_made_longer_and_its_songs_may_move(copied, songs, finished, tmp_path):
    moved = shutil.copytree(songs, tmp_path / "moved")
    result = run(moved, copied, {"train.num_steps": 12, "train.log_every_steps": 6, "sample.bpm": 90.0})
    assert result.step == 12
    rows = read_rows(copied)
    assert rows[:-2] == read_rows(finished[0])
    assert [(row["step"], row["split"]) for row in rows[-2:]] == [(12, "train"), (12, "validation")]
    assert json.loads((copied / "config.json").read_text())["config"]["sample"]["bpm"] == 90.0


def test_patience_ends_a_run_and_goes_on_only_if_it_grows(songs, tmp_path, scores):
    """Also: the best and the newest checkpoints are kept, and the best is what is played."""
    changes = {"train.eval_every_steps": 1, "train.patience_evals": 3}
    scores([5.0, 1.0, 3.0, 4.0, 1.5])
    for _ in range(2):
        result = run(songs, tmp_path / "run", changes)
        assert result == Result(5, 2, 1.0, "patience")
    with Checkpoints(tmp_path / "run" / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.steps() == [2, 4, 5]
    assert load_run(tmp_path / "run", "best").step == 2
    assert load_run(tmp_path / "run", "latest").step == 5
    scores([0.5, *[0.7] * 10])
    result = run(songs, tmp_path / "run", changes | {"train.patience_evals": 4, "train.num_steps": 12})
    assert result == Result(10, 6, 0.5, "patience")


def test_a_run_that_nothing_judges_keeps_its_newest(songs, tmp_path, monkeypatch):
    def load_unjudged(settings):
        data = load_training_data(settings)
        data.validation.clear()
        return data

    monkeypatch.setattr(train_module, "load_training_data", load_unjudged)
    result = run(songs, tmp_path / "run", {"train.num_steps": 3})
    assert result == Result(3, 0, math.inf, "")
    assert {row["split"] for row in read_rows(tmp_path / "run")} == {"train"}
    assert load_run(tmp_path / "run", "best").step == 3


# ---- what goes wrong


def test_a_loss_that_is_not_finite_stops_the_run(songs, tmp_path, after_call, caplog):
    workdir = tmp_path / "run"
    before = {}

    def poison(step, metrics):
        if step == 6:  # the call of steps 5 and 6
            before.update(tree_of(workdir / "checkpoints"))
            loss, nll, accuracy, norm = (np.array(column) for column in metrics)
            loss[1] = np.nan
            return Metrics(loss, nll, accuracy, norm)
        return metrics

    after_call(poison)
    message = r"loss or gradient is not finite at step 6; the last good checkpoint is step 4 in .*run, nothing was over"
    with pytest.raises(TrainError, match=message) as caught:
        run(songs, workdir)
    assert "\n" not in str(caught.value)
    assert tree_of(workdir / "checkpoints") == before
    assert [row["step"] for row in read_rows(workdir)] == [3, 4]


def test_a_learning_rate_that_explodes_is_caught(songs, tmp_path):
    with pytest.raises(
        TrainError, match=r"is not finite at step \d.*no checkpoint.*smaller config.train.learning_rate"
    ):
        run(songs, tmp_path / "run", {"train.learning_rate": 1e30, "train.clip_norm": 0.0})
    assert os.listdir(tmp_path / "run" / "checkpoints") == []


def test_weights_that_the_last_step_broke_are_not_saved(songs, tmp_path, scores):
    scores([2.0, math.nan])
    with pytest.raises(
        TrainError, match=r"validation loss is not finite at step 8; the last good checkpoint is step 4"
    ):
        run(songs, tmp_path / "run")
    assert os.listdir(tmp_path / "run" / "checkpoints") == ["4"]
    assert [row["split"] for row in read_rows(tmp_path / "run")] == ["train", "validation", "train"]


OTHER_SETTINGS = [
    ({"model.hidden_size": 16}, "model.hidden_size: saved 8, wanted 16"),
    ({"codec.kit": "general_midi"}, "codec.kit: saved 'roland_td11', wanted 'general_midi'"),
    ({"codec.steps_per_beat": 4}, "codec.steps_per_beat: saved 2, wanted 4"),
    ({"train.seed": 1}, "train.seed: saved 0, wanted 1"),
    ({"train.batch_size": 8}, "train.batch_size: saved 4, wanted 8"),
    ({"data.styles": ["rock"]}, "data.styles: saved [], wanted ['rock']"),
]


@pytest.mark.parametrize(("changes", "message"), OTHER_SETTINGS)
def test_a_run_of_other_settings_is_refused(finished, songs, changes, message):
    before = tree_of(finished[0])
    with pytest.raises(RunError) as caught:
        run(songs, finished[0], {"train.num_steps": 20, "train.learning_rate": 0.5} | changes)
    assert str(caught.value).startswith(f"the run in {finished[0]} has other settings: ")
    assert message in str(caught.value)
    assert "train.learning_rate: saved 0.002, wanted 0.5" in str(caught.value)
    assert "num_steps" not in str(caught.value)
    assert tree_of(finished[0]) == before


@pytest.mark.parametrize(("changes", "message"), [OTHER_SETTINGS[1], OTHER_SETTINGS[3]])
def test_the_checkpoint_itself_knows_its_settings(copied, songs, changes, message):
    (copied / "config.json").unlink()
    with pytest.raises(RunError, match="has other settings") as caught:
        run(songs, copied, changes)
    assert message in str(caught.value)
    assert not (copied / "config.json").exists()


def test_other_songs_are_refused(copied, tmp_path):
    before = tree_of(copied / "checkpoints")
    other = write_songs(tmp_path / "other", num_songs=11)
    with pytest.raises(RunError, match=r"copied was trained on other data \(fingerprint \w+, now \w+: .*other"):
        run(other, copied)
    assert tree_of(copied / "checkpoints") == before


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"config": 3}', '{"config": {"train": 3}}'])
def test_a_config_json_that_is_not_ours_is_named(songs, tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(RunError, match=r"config.json: .*; repair it or use another --workdir"):
        run(songs, tmp_path)


def test_a_run_in_use_is_refused(finished, songs):
    with lock_workdir(finished[0]), pytest.raises(LockError, match=f"pid {os.getpid()} on {socket.gethostname()}"):
        run(songs, finished[0])


def test_a_damaged_checkpoint_costs_its_interval(copied, songs, finished, caplog):
    with Checkpoints(copied / "checkpoints", read_only=True) as checkpoints:
        newest = checkpoints.steps()[-1]
    for path in (copied / "checkpoints" / str(newest) / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.INFO):
        run(songs, copied)
    assert "damaged checkpoint" in caplog.text
    assert "resuming" in caplog.text
    assert digest_of_state(copied) == digest_of_state(finished[0])
    assert read_rows(copied) == read_rows(finished[0])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"train.window_beats": 17}, SettingsError, "window_beats is 17, but the longest training song has 16 beats"),
        ({"data.styles": ["polka"]}, DatasetError, "unknown style 'polka'"),
        ({"validation.styles": ["polka"]}, DatasetError, "config.validation: unknown style 'polka'"),
        ({"sample.temperature": {"hits": 11.0}}, SettingsError, "temperature"),
        ({"sample.top_p": 0.0}, SettingsError, "top_p"),
        ({"sample.bpm": 5.0}, SettingsError, "bpm is 5; it must be in 20..400"),
        ({"sample.bars": 0}, SettingsError, "bars is 0"),
        ({"sample.time_signature": "4:4"}, SettingsError, "time_signature is '4:4'"),
        ({"train.field_weights": {}}, SettingsError, "field_weights"),
        ({"data.dir": "/nowhere"}, DatasetError, "/nowhere is not a folder"),
    ],
)
def test_settings_that_cannot_be_run(songs, tmp_path, changes, error, message):
    with pytest.raises(error) as caught:
        run(songs, tmp_path / "run", changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_style_that_no_song_has_is_left_open_and_said(songs, tmp_path, caplog, scores):
    scores([1.0] * 9)
    run(songs, tmp_path / "run", {"sample.style": "rock", "train.num_steps": 1})
    assert "config.sample.style is 'rock', which no training song has (there are: none)" in caplog.text
    assert load_run(tmp_path / "run").settings.sample.style == ""


@pytest.mark.parametrize("name", ["workdir", "workdir/metrics.jsonl", "workdir/samples", "workdir/tensorboard"])
def test_a_workdir_that_cannot_be_written(songs, tmp_path, name):
    """A file in place of a folder, and the other way round; permissions do not stop root."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).mkdir() if name.endswith("jsonl") else (tmp_path / name).write_text("")
    with pytest.raises((OSError, RunError), match=name):
        run(songs, tmp_path / "workdir", {"train.num_steps": 1})


# ---- devices


@pytest.mark.slow
def test_any_number_of_devices_goes_on_with_a_run(songs, tmp_path, finished, scores):
    """Sums over the batch are rounded in another order, so the loss is nearly the same."""
    expected = [row["loss"] for row in read_rows(finished[0]) if row["split"] == "train"]
    scores([1.0] * 9)
    workdir = tmp_path / "run"
    for num_devices, num_steps in ((4, 3), (2, 6), (1, 9)):
        result = run(songs, workdir, {"train.num_steps": num_steps, "train.eval_every_steps": 9}, num_devices)
        assert result.step == num_steps
    losses = [row["loss"] for row in read_rows(workdir) if row["split"] == "train"]
    np.testing.assert_allclose(losses, expected[:3], rtol=1e-4)


@pytest.mark.parametrize(
    ("num_devices", "error", "message"),
    [
        (3, SettingsError, "batch_size is 4; it must be a multiple of the 3 devices"),
        (99, DeviceError, f"num_devices is 99; there are {len(jax.devices())}"),
    ],
)
def test_numbers_of_devices_that_cannot_be(songs, tmp_path, num_devices, error, message):
    with pytest.raises(error, match=message):
        run(songs, tmp_path / "run", num_devices=num_devices)
    assert not (tmp_path / "run").exists()


# ---- without a network


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    with socket.socket() as free:  # bound, then closed: nobody listens there
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(groove_midi, "GROOVE_URL", f"http://127.0.0.1:{free.getsockname()[1]}/groove.zip")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DRUMJAX_DATA", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("styles", [["rock"], ["polka"]])
def test_falls_back_to_the_starter_grooves_loudly(caplog, styles):
    changes = {"data.dataset": "groove", "data.styles": styles, "validation.styles": styles, "validation.fill": "beat"}
    data = load_training_data(make_settings(make_config("", changes))).description
    assert "NOT THE Groove MIDI Dataset" in caplog.text
    assert data["is_fallback"]
    assert data["source"].startswith("starter grooves (synthetic), because")
    assert data["validation_songs"] > 0


@pytest.mark.usefixtures("no_network")
def test_fails_without_the_dataset_if_told_to():
    config = make_config("", {"data.dataset": "groove", "data.fallback": False})
    with pytest.raises(DatasetError, match=r"cannot download http://127.0.0.1:.*set config.data.dir"):
        load_training_data(make_settings(config))


def test_a_run_starts_from_another_and_resumes_as_itself(songs, finished, tmp_path):
    source, changes = load_run(finished[0]), {"train.init_from": str(finished[0]), "train.num_steps": 1}
    run(songs, tmp_path, changes)  # the first step has a learning rate of 0
    for a, b in zip(jax.tree.leaves(load_run(tmp_path).weights), jax.tree.leaves(source.weights), strict=True):
        np.testing.assert_array_equal(a, b)
    resumed = run(songs, tmp_path, changes | {"train.num_steps": NUM_STEPS})
    assert resumed.step == NUM_STEPS
    straight = tmp_path / "straight"
    run(songs, straight, changes | {"train.num_steps": NUM_STEPS})
    assert digest_of_state(straight) == digest_of_state(tmp_path)


def test_a_run_that_cannot_be_started_from(songs, tmp_path):
    with pytest.raises(RunError, match="nowhere is not a directory"):
        run(songs, tmp_path, {"train.init_from": "nowhere"})
