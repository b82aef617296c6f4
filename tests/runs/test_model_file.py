"""A model in one file: the same model, and one line for a file that is none."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from tiny_run import EXPRESSIVE, make_config, save_untrained, write_songs

import drumjax
from drumjax.config.load import load_config
from drumjax.config.settings import make_settings
from drumjax.export import export
from drumjax.models.interface import Weights
from drumjax.runs import pretrained
from drumjax.runs.model_file import read_model_file, write_model_file
from drumjax.runs.pretrained import ModelChoiceError, choose_model, find_model, model_name
from drumjax.runs.run import load_run, make_model
from drumjax.runs.workdir import RunError
from drumjax.system.files import ForeignFileError
from drumjax.training.init_from import load_initial

MOST_BYTES = 4_900_000


@pytest.fixture(scope="module")
def workdir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return save_untrained(folder / "mine", make_config(write_songs(folder / "songs"), EXPRESSIVE))


@pytest.fixture
def file(workdir, tmp_path) -> Path:
    path = tmp_path / "mine.safetensors"
    export(workdir, path)
    return path


def test_a_file_is_the_run_with_rounded_weights(workdir, file):
    run, read = load_run(workdir), load_run(file)
    for part in ("model", "codec", "sample", "validation", "augment"):
        assert getattr(read.settings, part) == getattr(run.settings, part)
    assert (read.codec, read.styles, read.players, read.step) == (run.codec, run.styles, run.players, run.step)
    for a, b in zip(jax.tree.leaves(read.weights), jax.tree.leaves(run.weights), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, np.asarray(b, np.float16).astype(np.float32))


def test_a_file_of_a_file_is_the_same(file, tmp_path):
    again = tmp_path / "again.safetensors"
    export(file, again)
    first, second = read_model_file(file), read_model_file(again)
    jax.tree.map(np.testing.assert_array_equal, first[0], second[0])
    assert first[1] == second[1]


def test_a_file_plays_and_is_started_from(file):
    (song,) = drumjax.load(file).sample(1, bars=1)
    assert song.num_bars == 1
    run = load_run(file)
    initial = load_initial(file, run.settings, run.styles, run.players)
    jax.tree.map(np.testing.assert_array_equal, initial.params, run.weights.params)


def test_what_is_played_by_default_can_be_that_of_a_config(workdir, tmp_path):
    export(workdir, tmp_path / "x.safetensors", sample_like="groove")
    assert read_model_file(tmp_path / "x.safetensors")[1]["config"]["sample"]["guidance"] == 2.0


def test_no_folder_of_this_machine_is_in_it(workdir, tmp_path):
    about = export(workdir, tmp_path / "x.safetensors", note="by nobody")
    assert str(workdir.parent) not in json.dumps(about)
    assert about["config"]["data"]["dir"] == "songs"
    assert about["card"]["note"] == "by nobody"


def test_weights_beyond_half_precision_are_refused(tmp_path):
    weights = Weights({"a": np.asarray([1.0, 1e6], np.float32)}, {})
    with pytest.raises(RunError, match=r"is not written: params/a is not finite \(1 of 2\) in half precision"):
        write_model_file(tmp_path / "x.safetensors", weights, {})
    assert not list(tmp_path.iterdir())


def test_a_file_of_somebody_else_is_not_replaced(workdir, file, tmp_path):
    export(workdir, file)
    other = tmp_path / "other.safetensors"
    other.write_bytes(safetensors.numpy.save({"a": np.zeros(3, np.float32)}))
    before = other.read_bytes()
    with pytest.raises(ForeignFileError, match="is a file that drumjax did not write"):
        export(workdir, other)
    assert other.read_bytes() == before


def rewrite(file: Path, **changes: str) -> None:
    """The file with other metadata, or without where they are empty."""
    with safetensors.safe_open(file, framework="numpy") as opened:
        metadata = {name: value for name, value in (opened.metadata() | changes).items() if value}
    file.write_bytes(safetensors.numpy.save(safetensors.numpy.load_file(file), metadata))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drumjax": ""}, "is no model of drumjax; python -m drumjax.export writes one"),
        ({"drumjax": "99"}, "is a model file of format 99, and this drumjax reads 1: .*update drumjax"),
        ({"about": "{}"}, "is damaged: its content is not that of its sha256"),
        ({"sha256": "0"}, "is damaged"),
    ],
)
def test_what_is_no_model_or_another_is_a_line(file, changes, message):
    rewrite(file, **changes)
    with pytest.raises(RunError, match=rf"^{file} {message}"):
        load_run(file)


@pytest.mark.parametrize("where", [0, 9, 400, -1])
def test_a_flipped_bit_is_found(file, where):
    data = bytearray(file.read_bytes())
    data[where] ^= 1
    file.write_bytes(data)
    with pytest.raises(RunError, match=rf"^{file}.*(damaged|no model)"):
        load_run(file)


@pytest.mark.parametrize("data", [b"", b"MThd", b"\xff" * 100])
def test_other_files_are_a_line(tmp_path, data):
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(RunError, match="is no model file of drumjax, or a damaged one"):
        load_run(tmp_path / "x.safetensors")


def test_a_part_of_a_file_is_a_line(file):
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(RunError, match="is no model file of drumjax, or a damaged one"):
        load_run(file)


def test_what_is_there_comes_before_what_comes_with_drumjax(tmp_path, monkeypatch, file):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "with")
    (tmp_path / "with").mkdir()
    shutil.copy(file, tmp_path / "with" / "rock.safetensors")
    assert find_model("rock") == tmp_path / "with" / "rock.safetensors"
    assert choose_model(None, None) == find_model("rock")
    assert model_name(find_model("rock")) == "rock"
    (tmp_path / "rock").mkdir()
    assert find_model("rock") == Path("rock")
    assert choose_model("runs/a", None) == Path("runs/a")
    with pytest.raises(ModelChoiceError, match=r"^--workdir is runs/a and --model is b"):
        choose_model("runs/a", "b.safetensors")
    with pytest.raises(RunError, match=r"there is no run or model b; .*drumjax comes with rock"):
        load_run("b")


@pytest.mark.parametrize("name", ["rock", "piano"])
def test_a_model_that_comes_with_drumjax_says_where_it_comes_from(name):
    path = find_model(name)
    assert path.stat().st_size <= MOST_BYTES
    _, about = read_model_file(path)
    assert about["card"]["note"].startswith("Trained on ")
    assert set(about["card"]["held_out"]) >= {"rock": {"hits"}, "piano": {"pitch"}}[name]


@pytest.mark.slow
def test_a_model_that_comes_with_drumjax_plays():
    (song,) = drumjax.load("rock").sample(1, bars=2)
    assert len(song.notes.pitch) > 8


@pytest.mark.parametrize("name", ["rock", "piano"])
def test_a_model_that_comes_with_drumjax_can_be_trained_on(name):
    """By its config as it is now: the same model, with the parameters that a run of it begins with."""
    found = load_run(find_model(name))
    settings = make_settings(load_config(name, {}))
    weights = load_initial(name, settings, found.styles, found.players)
    model = make_model(settings, found.codec, len(found.styles), num_players=len(found.players))
    fresh = jax.eval_shape(model.init, jax.random.key(0))
    assert jax.tree.map(np.shape, weights.params) == jax.tree.map(lambda p: p.shape, fresh.params)
