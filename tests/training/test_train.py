"""train(): what a run leaves, how it goes on, what it refuses. Most with its compiled parts pretended (pretended.py),
which takes no time; a run that really learns is at the end."""

import dataclasses
import json
import logging
import math
import os
import re
import shutil
import signal
import socket
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pretended import Pretended, fresh_state
from tiny_run import EXPRESSIVE, digest_of_state, make_config, read_rows, tree_of, write_songs

from configs import default
from drumjax.codecs.factory import make_codec
from drumjax.config.checks import SettingsError
from drumjax.config.settings import make_settings
from drumjax.data import groove_midi
from drumjax.data.datasets import DatasetError
from drumjax.midi.reader import read_midi, write_midi
from drumjax.runs.checkpoint import CheckpointError, Checkpoints
from drumjax.runs.run import RunError, load_run
from drumjax.system.devices import DeviceError, make_data_mesh
from drumjax.system.errors import UserError
from drumjax.system.lock import LockError, lock_folder
from drumjax.training import train as train_module
from drumjax.training.data import load_training_data
from drumjax.training.train import train
from drumjax.training.trainer import Result, TrainError

NUM_STEPS = 10


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("data") / "songs")


def run(songs, workdir, changes=None, num_devices=1):
    return train(make_config(songs, {"train.num_steps": NUM_STEPS} | (changes or {})), workdir, num_devices=num_devices)


@pytest.fixture
def pretended(monkeypatch) -> Pretended:
    return Pretended().install(monkeypatch)


@pytest.fixture(scope="module")
def undisturbed(songs, tmp_path_factory):
    """(workdir, Result) of an undisturbed, pretended run; to be copied, not changed."""
    workdir = tmp_path_factory.mktemp("runs") / "undisturbed"
    with pytest.MonkeyPatch.context() as patch:
        Pretended().install(patch)
        return workdir, run(songs, workdir)


@pytest.fixture
def copied(undisturbed, tmp_path):
    return shutil.copytree(undisturbed[0], tmp_path / "copied")


def interrupt(signals):
    """Sends each signal once its step is reached."""

    def after(step, metrics):
        if number := signals.pop(step, None):
            os.kill(os.getpid(), number)
        return metrics

    return after


# ---- stopping and going on


@pytest.mark.usefixtures("pretended")
def test_the_best_and_the_newest_checkpoints_are_kept(undisturbed):
    workdir, result = undisturbed
    losses = {row["step"]: row["loss"] for row in read_rows(workdir) if row["split"] == "validation"}
    best = min(losses, key=losses.get)
    assert result == Result(NUM_STEPS, best, losses[best], "")
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.steps() == sorted({8, 10, best})
        assert checkpoints.read_metadata("latest")["metric"] == losses[10]
    assert load_run(workdir, "best").step == best


def test_signals_stop_and_nothing_is_lost(undisturbed, songs, tmp_path, pretended):
    """The state is the same bit for bit, and so are the rows, also those whose steps lie before and after a stop."""
    workdir = tmp_path / "run"
    pretended.after = interrupt({2: signal.SIGTERM, 8: signal.SIGINT})  # 2 in mid air; at 8 it is saved anyway
    for step, name in ((2, "SIGTERM"), (8, "SIGINT"), (NUM_STEPS, "")):
        result = run(songs, workdir)
        assert (result.step, result.stopped_by) == (step, name)
    assert digest_of_state(workdir) == digest_of_state(undisturbed[0])
    assert read_rows(workdir) == read_rows(undisturbed[0])


def test_a_finished_run_is_left_as_it_is(copied, songs, undisturbed, pretended):
    before = tree_of(copied / "checkpoints")
    for num_steps in (NUM_STEPS, 8):
        assert run(songs, copied, {"train.num_steps": num_steps}) == undisturbed[1]
    assert tree_of(copied / "checkpoints") == before
    assert read_rows(copied) == read_rows(undisturbed[0])


def test_a_run_may_be_made_longer_and_its_songs_may_move(copied, songs, undisturbed, tmp_path, pretended):
    moved = shutil.copytree(songs, tmp_path / "moved")
    changes = {"train.num_steps": 12, "train.log_every_steps": 6, "sample.bpm": 90.0}
    result = run(moved, copied, changes | {"train.matmul_precision": "default"})  # as runs say that are older than auto
    assert result.step == 12
    rows = read_rows(copied)
    assert rows[:-2] == read_rows(undisturbed[0])
    assert [(row["step"], row["split"]) for row in rows[-2:]] == [(12, "train"), (12, "validation")]
    assert json.loads((copied / "config.json").read_text())["config"]["sample"]["bpm"] == 90.0


def test_patience_ends_a_run_and_goes_on_only_if_it_grows(songs, tmp_path, pretended):
    """Also: the best and the newest checkpoints are kept, and the best is what is played."""
    changes = {"train.eval_every_steps": 1, "train.patience_evals": 3}
    pretended.will_score([5.0, 1.0, 3.0, 4.0, 1.5])
    for _ in range(2):
        result = run(songs, tmp_path / "run", changes)
        assert result == Result(5, 2, 1.0, "patience")
    with Checkpoints(tmp_path / "run" / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.steps() == [2, 4, 5]
    assert load_run(tmp_path / "run", "best").step == 2
    assert load_run(tmp_path / "run", "latest").step == 5
    pretended.will_score([0.5, *[0.75] * 10])
    result = run(songs, tmp_path / "run", changes | {"train.patience_evals": 4, "train.num_steps": 12})
    assert result == Result(10, 6, 0.5, "patience")


@pytest.fixture
def unjudged(monkeypatch):
    """There are no validation songs."""

    def load_unjudged(settings):
        data = load_training_data(settings)
        data.validation.clear()
        return data

    monkeypatch.setattr(train_module, "load_training_data", load_unjudged)


def test_a_run_that_nothing_judges_keeps_its_newest(songs, tmp_path, unjudged, pretended):
    result = run(songs, tmp_path / "run", {"train.num_steps": 3})
    assert result == Result(3, 0, math.inf, "")
    assert {row["split"] for row in read_rows(tmp_path / "run")} == {"train"}
    assert load_run(tmp_path / "run", "best").step == 3


def test_a_damaged_checkpoint_costs_its_interval(copied, songs, undisturbed, caplog, pretended):
    with Checkpoints(copied / "checkpoints", read_only=True) as checkpoints:
        newest = checkpoints.steps()[-1]
    for path in (copied / "checkpoints" / str(newest) / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.INFO):
        run(songs, copied)
    assert "damaged checkpoint" in caplog.text
    assert "resuming" in caplog.text
    assert digest_of_state(copied) == digest_of_state(undisturbed[0])
    assert read_rows(copied) == read_rows(undisturbed[0])


def test_a_run_starts_from_another_and_resumes_as_itself(songs, undisturbed, tmp_path, pretended):
    seen = []

    def start(state):
        seen.append(jax.tree.map(np.asarray, state._replace(key=0)))

    pretended.before = start
    source = load_run(undisturbed[0]).weights.params
    run(songs, tmp_path, {"train.init_from": str(undisturbed[0]), "train.num_steps": 1})
    first = seen[0]
    for params in (first.params, first.average):
        jax.tree.map(np.testing.assert_array_equal, params, source)
    jax.tree.map(np.testing.assert_array_equal, (first.step, first.opt), (fresh_state().step, fresh_state().opt))
    assert (source["w"] != fresh_state().params["w"]).all()
    changes = {"train.init_from": str(undisturbed[0])}
    assert run(songs, tmp_path, changes).step == NUM_STEPS
    straight = tmp_path / "straight"
    run(songs, straight, changes)
    assert digest_of_state(straight) == digest_of_state(tmp_path)


# ---- what goes wrong


def test_a_loss_that_is_not_finite_stops_the_run(songs, tmp_path, pretended):
    workdir = tmp_path / "run"
    before = {}

    def poison(step, metrics):
        if step == 6:  # the call of steps 5 and 6
            before.update(tree_of(workdir / "checkpoints"))
            metrics.loss[1] = np.nan
        return metrics

    pretended.after = poison
    message = r"loss or gradient is not finite at step 6; .* checkpoint is step 4 in .*run, nothing was overwritten"
    with pytest.raises(TrainError, match=message) as caught:
        run(songs, workdir)
    assert "\n" not in str(caught.value)
    assert tree_of(workdir / "checkpoints") == before
    assert [row["step"] for row in read_rows(workdir)] == [3, 4]


def test_a_learning_rate_that_explodes_at_once_leaves_no_checkpoint(songs, tmp_path, pretended):
    def explode(step, metrics):
        metrics.grad_norm[:] = np.inf
        return metrics

    pretended.after = explode
    with pytest.raises(TrainError, match=r"not finite at step 1.*no checkpoint.*config\.train\.learning_rate"):
        run(songs, tmp_path / "run")
    assert os.listdir(tmp_path / "run" / "checkpoints") == []


def test_weights_that_the_last_step_broke_are_not_saved(songs, tmp_path, pretended):
    pretended.will_score([2.0, math.nan])
    with pytest.raises(TrainError, match=r"validation loss is not finite at step 8; .* checkpoint is step 4"):
        run(songs, tmp_path / "run")
    assert os.listdir(tmp_path / "run" / "checkpoints") == ["4"]
    assert [row["split"] for row in read_rows(tmp_path / "run")] == ["train", "validation", "train"]


def break_weights(pretended, step):
    """From that step on, all is NaN but for the metrics."""
    whole = pretended._train

    def train(state, num_steps, num_fields):
        state, metrics = whole(state, num_steps, num_fields)
        if int(state.step) >= step:
            w = jnp.full(2, jnp.nan)
            state = state._replace(params=state.params | {"w": w}, average=state.average | {"w": w}, opt={"w": w})
        return state, metrics

    pretended._train = train
    return whole


@pytest.mark.parametrize("case", ["signal", "evaluation", "end"])
def test_weights_that_are_not_finite_are_never_saved(undisturbed, songs, tmp_path, pretended, case):
    """Though loss, gradient and validation loss are fine; and the run goes on from the checkpoint before."""
    step, changes = {"signal": (6, {}), "evaluation": (8, {}), "end": (6, {"train.num_steps": 6})}[case]
    workdir = tmp_path / "run"
    if case == "signal":
        pretended.after = interrupt({step: signal.SIGTERM})
    pretended.will_score([2.0] * 9)
    whole = break_weights(pretended, step)
    message = rf"w of the train state is not finite at step {step}; the last good checkpoint is step 4"
    with pytest.raises(TrainError, match=message) as caught:
        run(songs, workdir, changes)
    assert "\n" not in str(caught.value)
    assert os.listdir(workdir / "checkpoints") == ["4"]
    assert os.listdir(workdir / "samples") == ["step_000004.mid"]  # nor played
    pretended._train, pretended.losses, pretended.after = whole, None, None
    assert run(songs, workdir).step == NUM_STEPS
    assert digest_of_state(workdir) == digest_of_state(undisturbed[0])


def test_weights_that_are_not_finite_are_found_where_nothing_judges(songs, tmp_path, unjudged, pretended):
    break_weights(pretended, 1)
    with pytest.raises(TrainError, match="is not finite at step 1; there is no checkpoint"):
        run(songs, tmp_path, {"train.num_steps": 1})
    assert os.listdir(tmp_path / "checkpoints") == []
    assert not (tmp_path / "samples").exists()


@pytest.mark.slow
def test_a_learning_rate_that_no_weight_survives(songs, tmp_path):
    """A real step, whose loss and gradient are those before it: fine."""
    single = tmp_path / "single"
    single.mkdir()
    shutil.copy(songs / "0.mid", single)
    changes = {"train.learning_rate": 1e39, "train.num_steps": 1, "train.warmup_steps": 0}
    with pytest.raises(TrainError, match="is not finite at step 1; there is no checkpoint"):
        run(single, tmp_path / "run", changes)


def test_checkpoints_that_were_all_set_aside_are_not_forgotten(copied, songs, pretended):
    folder = copied / "checkpoints"
    (folder / "damaged").mkdir()
    for path in list(folder.iterdir()):
        if path.name.isdecimal():
            path.rename(folder / "damaged" / f"{path.name}-1")
    before = tree_of(copied / "checkpoints"), read_rows(copied)
    with pytest.raises(CheckpointError, match=r"all set aside as damaged \(10-1, .*\); move .*damaged elsewhere"):
        run(songs, copied)
    assert (tree_of(copied / "checkpoints"), read_rows(copied)) == before


OTHER_SETTINGS = [
    ({"model.hidden_size": 16}, "model.hidden_size: saved 8, wanted 16"),
    ({"codec.kit": "general_midi"}, "codec.kit: saved 'roland_td11', wanted 'general_midi'"),
    ({"codec.steps_per_beat": 4}, "codec.steps_per_beat: saved 2, wanted 4"),
    ({"train.seed": 1}, "train.seed: saved 0, wanted 1"),
    ({"train.batch_size": 8}, "train.batch_size: saved 4, wanted 8"),
    ({"data.styles": ["rock"]}, "data.styles: saved [], wanted ['rock']"),
]


@pytest.mark.parametrize(("changes", "message"), OTHER_SETTINGS)
def test_a_run_of_other_settings_is_refused(undisturbed, songs, changes, message):
    before = tree_of(undisturbed[0])
    with pytest.raises(RunError) as caught:
        run(songs, undisturbed[0], {"train.num_steps": 20, "train.learning_rate": 0.5} | changes)
    assert str(caught.value).startswith(f"the run in {undisturbed[0]} has other settings: ")
    assert message in str(caught.value)
    assert "train.learning_rate: saved 0.002, wanted 0.5" in str(caught.value)
    assert "num_steps" not in str(caught.value)
    assert tree_of(undisturbed[0]) == before


@pytest.mark.parametrize(("changes", "message"), [OTHER_SETTINGS[1], OTHER_SETTINGS[3]])
def test_the_checkpoint_itself_knows_its_settings(copied, songs, changes, message, pretended):
    (copied / "config.json").unlink()
    with pytest.raises(RunError, match="has other settings") as caught:
        run(songs, copied, changes)
    assert message in str(caught.value)
    assert not (copied / "config.json").exists()


def test_other_songs_are_refused(copied, tmp_path, pretended):
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


def test_a_run_in_use_is_refused(undisturbed, songs, pretended):
    with (
        lock_folder(undisturbed[0], "--workdir"),
        pytest.raises(LockError, match=f"pid {os.getpid()} on {socket.gethostname()}"),
    ):
        run(songs, undisturbed[0])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data.time_signatures": ["9/8"]}, DatasetError, "unknown time signature '9/8'"),
        (
            {"data.dataset": "starter", "validation.time_signatures": ["9/8"]},
            DatasetError,
            "config.validation: unknown time signature '9/8'",
        ),
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
    assert not (tmp_path / "run" / "checkpoints").exists() or not os.listdir(tmp_path / "run" / "checkpoints")


def test_a_folder_in_another_metre_is_judged_by_what_is_held_out(songs, tmp_path, caplog, pretended):
    """Every config judges by 4/4, and a folder may have none."""
    run(songs, tmp_path / "run", {"validation.time_signatures": ["9/8"], "train.num_steps": 1})
    assert "no held-out song passes the filters of config.validation: all of them judge this run" in caplog.text


def test_it_plays_in_a_metre_that_it_knows(songs, tmp_path, caplog, pretended):
    other = tmp_path / "songs"
    other.mkdir()
    for path in songs.iterdir():
        write_midi(dataclasses.replace(read_midi(path), time_signature=(3, 4)), other / path.name)
    run(other, tmp_path / "run", {"train.num_steps": 1})
    assert "time_signature is 4/4, which no training song has; it plays 3/4 unless told otherwise" in caplog.text
    assert load_run(tmp_path / "run").settings.sample.time_signature == "3/4"


def test_windows_longer_than_every_song_are_said(songs, tmp_path, caplog, pretended):
    run(songs, tmp_path / "run", {"train.window_beats": 17, "train.num_steps": 1})
    assert "window_beats is 17 and the longest training song has 16 beats" in caplog.text


def test_a_style_that_no_song_has_is_left_open_and_said(songs, tmp_path, caplog, pretended):
    run(songs, tmp_path / "run", {"sample.style": "rock", "train.num_steps": 1})
    assert "config.sample.style is 'rock', which no training song has (there are: none)" in caplog.text
    assert load_run(tmp_path / "run").settings.sample.style == ""


@pytest.mark.parametrize("name", ["workdir", "workdir/metrics.jsonl", "workdir/samples", "workdir/tensorboard"])
def test_a_workdir_that_cannot_be_written(songs, tmp_path, name, pretended):
    """A file in place of a folder, and the other way round; permissions do not stop root."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).mkdir() if name.endswith("jsonl") else (tmp_path / name).write_text("")
    with pytest.raises((OSError, RunError), match=name):
        run(songs, tmp_path / "workdir", {"train.num_steps": 1})


@pytest.mark.parametrize("folder", ["{}/file/run", "/proc/run"])
def test_a_workdir_that_cannot_be_made(songs, tmp_path, folder):
    (tmp_path / "file").write_text("")
    workdir = folder.format(tmp_path)
    with pytest.raises(RunError, match=f"cannot make {workdir}"):
        run(songs, workdir)


@pytest.mark.parametrize(("kilobytes", "file"), [(4, "config.json"), (60, "checkpoints/4"), (90, "checkpoints/4")])
def test_a_full_disk_is_named_and_nothing_half_written_stays(songs, pretended, small_disk, kilobytes, file):
    workdir = small_disk(kilobytes) / "run"
    with pytest.raises((OSError, UserError), match=f"{workdir}/{file}") as caught:
        run(songs, workdir)
    assert re.search("No space left|RESOURCE_EXHAUSTED", str(caught.value))
    assert not [path for path in workdir.rglob("*") if "tmp" in path.name]


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


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model.hidden_size": 9}, r"init_from=.*model\.hidden_size"),
        ({"codec.steps_per_beat": 4}, r"init_from=.*codec\.steps_per_beat"),
        ({"train.init_from": "nowhere"}, "there is no run or model nowhere"),
    ],
)
def test_a_run_that_cannot_be_started_from(songs, undisturbed, tmp_path, changes, reason, pretended):
    with pytest.raises(RunError, match=reason):
        run(songs, tmp_path, {"train.init_from": str(undisturbed[0])} | changes)


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
    with pytest.raises(DatasetError, match=r"cannot download http://127.0.0.1:.*config\.data\.dir"):
        load_training_data(make_settings(config))


# ---- a run that really learns


def test_rows_of_metrics(expressive_run):
    """Of every field, and the loss as it is weighted."""
    rows = read_rows(expressive_run)
    assert [(row["step"], row["split"]) for row in rows] == [(2, "train"), (2, "validation")]
    for row in rows:
        assert row["loss"] == pytest.approx(row["nll/hits"] + 0.5 * row["nll/velocity"] + 0.25 * row["nll/offset"])
        assert 1 < row["nll/hits"] < 8
        assert ("grad_norm" in row) == (row["split"] == "train")
        assert ("nll_each/hits" in row) == (row["split"] == "validation")


def test_its_best_can_be_loaded(expressive_run):
    assert load_run(expressive_run, "best").step == 2


def test_a_run_of_another_format_is_refused(expressive_run, monkeypatch):
    monkeypatch.setattr("drumjax.runs.run.FORMAT", 0)
    with pytest.raises(RunError, match=r"has checkpoints of format \d+, and this drumjax reads 0: train again"):
        load_run(expressive_run)


def test_config_is_kept_with_what_it_was_trained_on(expressive_run):
    saved = json.loads((expressive_run / "config.json").read_text())
    folder = saved["config"]["data"]["dir"]
    assert saved["config"] == make_config(folder, EXPRESSIVE)
    assert folder in saved["data"]["source"]
    assert not saved["data"]["is_fallback"]
    assert saved["data"]["train_songs"] + saved["data"]["validation_songs"] == 12


def test_a_groove_is_played_on_the_way(expressive_run):
    (path,) = (expressive_run / "samples").iterdir()
    song = read_midi(path)
    assert path.name == "step_000002.mid"
    assert song.num_bars <= 4
    assert song.tempo_bpm == pytest.approx(120)


def test_tensorboard_has_the_same(expressive_run):
    (path,) = (expressive_run / "tensorboard").iterdir()
    assert path.name.startswith("events.out.tfevents.")
    data = path.read_bytes()
    assert data.count(b"train/loss") == 1
    assert data.count(b"validation/nll/hits") == 1


@pytest.mark.slow
def test_what_was_stopped_in_mid_air_ends_the_same_bit_for_bit(songs, tmp_path, monkeypatch):
    run(songs, tmp_path / "undisturbed")
    make_step = train_module.make_step

    def make_interrupted(*args):
        call, after = make_step(*args), interrupt({2: signal.SIGTERM})

        def step(state, num_steps):
            state, metrics = call(state, num_steps)
            return state, after(int(state.step), metrics)

        return step

    monkeypatch.setattr(train_module, "make_step", make_interrupted)
    assert (run(songs, tmp_path / "run").step, run(songs, tmp_path / "run").step) == (2, NUM_STEPS)
    assert digest_of_state(tmp_path / "run") == digest_of_state(tmp_path / "undisturbed")
    assert read_rows(tmp_path / "run") == read_rows(tmp_path / "undisturbed")


@pytest.mark.slow
def test_another_number_of_devices_goes_on_with_a_run(songs, tmp_path, monkeypatch):
    """Sums over the batch are rounded in another order, so the loss is nearly the same."""
    Pretended().install_validation(monkeypatch)
    changes = {"train.num_steps": 9, "train.eval_every_steps": 9}
    run(songs, tmp_path / "one", changes)
    for num_devices, num_steps in ((4, 3), (1, 9)):
        result = run(songs, tmp_path / "run", changes | {"train.num_steps": num_steps}, num_devices)
        assert result.step == num_steps
    losses, expected = (
        [row["loss"] for row in read_rows(tmp_path / name) if row["split"] == "train"] for name in ("run", "one")
    )
    assert len(losses) == 3
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    weights = [load_run(tmp_path / name, "latest").weights for name in ("run", "one")]
    for a, b in zip(*map(jax.tree.leaves, weights), strict=True):
        # Adam divides tiny gradients by their own size, so the last bits of a sum may show in a step of 0.002.
        np.testing.assert_allclose(a, b, atol=2e-4)


@pytest.mark.parametrize(("chosen", "is_said"), [("bfloat16", True), ("BF16_BF16_F32", True), (None, False)])
def test_products_in_bfloat16_are_said(monkeypatch, caplog, chosen, is_said):
    monkeypatch.setattr(train_module, "choose_precision", lambda name, device: chosen)
    monkeypatch.setattr(train_module, "_find_step", lambda *args: None)
    monkeypatch.setattr(train_module, "place_corpus", lambda *args: None)
    settings = make_settings(default.get_config().to_dict())
    recipe = types.SimpleNamespace(matmul_precision=settings.train.matmul_precision, codec=make_codec(settings.codec))
    with caplog.at_level(logging.INFO):
        train_module.make_step(recipe, settings, types.SimpleNamespace(corpus=np.zeros(1)), make_data_mesh(1))
    assert (
        "products take bfloat16 and add up in float32 (config.train.matmul_precision=auto)" in caplog.text
    ) == is_said
