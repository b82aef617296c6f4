"""`~` is the home folder wherever a user gives a path: after the `=` of a flag, in a config, in Python."""

import argparse
import functools
import json
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from song_files import make_groove, write_song
from tiny import CODEC, make_model, make_run
from tiny_run import ROOT

import drumjax
from benchmarks import songs as benchmark_songs
from drumjax import compare
from drumjax.commands import sample as run_sample
from drumjax.commands import train as run_train
from drumjax.config.data import DataSettings
from drumjax.data.datasets import load_dataset
from drumjax.evaluate import __main__ as evaluate
from drumjax.explore import __main__ as explore
from drumjax.midi.reader import read_midi, read_parts, write_midi
from drumjax.music.drum_maps import read_map
from drumjax.music.notes import Song, make_notes
from drumjax.runs.run import load_run
from drumjax.runs.workdir import RunError
from drumjax.studies import ablation
from drumjax.studies import command as study
from drumjax.system.files import takes_user_path, user_path
from drumjax.training.init_from import load_initial


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home folder, and another one that programs are started in."""
    folder = tmp_path / "home"
    folder.mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "here")
    yield folder
    assert not list((tmp_path / "here").glob("~*"))


def test_what_a_user_gives_is_a_path(home, tmp_path):
    assert user_path("~/x") == home / "x"
    assert user_path(Path("~")) == home
    assert user_path("a/~/b") == Path("a/~/b")
    assert user_path("~nobody-has-this-name/x").is_absolute()  # a folder of that very name
    there = user_path("./~")
    assert user_path(there) == there == tmp_path / "here" / "~"

    @takes_user_path
    def read(path, *, more=1):
        return path, more

    assert read("~/x") == read(path="~/x", more=1) == (home / "x", 1)


def test_nobody_else_does_it():
    """A path of a user that is not given to user_path is easily forgotten."""
    programs = [ROOT / "run_train.py", ROOT / "run_sample.py", *(ROOT / "benchmarks").rglob("*.py")]
    for path in [*programs, *(ROOT / "drumjax").rglob("*.py")]:
        text = path.read_text("utf-8")
        assert "type=Path" not in text, path
        assert path.name == "files.py" or "expanduser" not in text, path


# ---- flags


class GivenError(Exception):
    """What a function was given."""


def given_to(*args, **kwargs):
    raise GivenError(args, kwargs)


def parsed_by(module, flags, monkeypatch):
    """What argparse makes of the flags of a module."""
    parse = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda self: given_to(parse(self)))
    monkeypatch.setattr(f"{module.__name__}.set_up_logging", lambda: None)
    monkeypatch.setattr(sys, "argv", ["program", *flags.split()])
    ask = functools.partial(study.ask, "study", "", study.Amount("n", 1, ""), lambda run, n: {}, str)
    with pytest.raises(GivenError) as caught:
        (ask if module is study else module.main)()
    return vars(caught.value.args[0][0])


@pytest.mark.parametrize(
    ("module", "flags"),
    [
        (evaluate, "--workdir=~/x --output=~/x --html=~/x"),
        (explore, "--out_dir=~/x"),
        (compare, "~/x ~/x --plot=~/x"),
        (study, "--workdir=~/x --output=~/x"),  # of all studies but
        (ablation, "--out_dir=~/x"),
    ],
)
def test_flags_of_modules(module, flags, monkeypatch, home):
    given = parsed_by(module, flags, monkeypatch)
    paths = [path for value in given.values() for path in (value if isinstance(value, list) else [value])]
    assert paths.count(home / "x") == flags.count("~")


def test_flags_of_benchmarks():
    text = (ROOT / "benchmarks" / "__main__.py").read_text("utf-8")
    assert "user_path(_OUTPUT.value)" in text
    assert "user_path(_PLOTS.value)" in text
    assert " Path(_" not in text


def write_map(path):
    path.write_text(json.dumps({"read": {"36": "kick"}, "write": {"kick": 35}}))


@pytest.mark.parametrize("flag", ["out_dir", "out_kit", "kit", "prompt", "humanize", "vary", "to"])
def test_flags_of_run_sample(flag, monkeypatch, home):
    write_song(home / "x.mid", 0)
    write_map(home / "x.json")
    name = {"out_dir": "~/x", "out_kit": "~/x.json", "kit": "~/x.json"}.get(flag, "~/x.mid")
    more = {"kit": ["--vary=~/x.mid"], "to": ["--infill=1"]}.get(flag, [])
    monkeypatch.setattr("drumjax.runs.run.load_run", lambda workdir, which: make_run(make_model(CODEC)))
    monkeypatch.setattr("drumjax.system.devices.use_compile_cache", lambda: None)
    monkeypatch.setattr("drumjax.jobs.job.write_samples", given_to)
    line = run_sample.make_command_line()
    line.parse(["run_sample.py", "--workdir=~/run", f"--{flag}={name}", *more])
    with pytest.raises(GivenError) as caught:
        run_sample.play(line.values)
    job, out_dir = caught.value.args[0]
    assert out_dir == (home / "x" if flag == "out_dir" else Path("samples/run-001"))
    assert (job.plan.edit is None) == (flag in ("out_dir", "out_kit"))
    assert (job.out_map is None) == (flag != "out_kit")


def test_flags_of_run_train(monkeypatch, home):
    (home / "mine.py").write_bytes((ROOT / "configs" / "tiny.py").read_bytes())
    monkeypatch.setattr(run_train, "set_up_logging", lambda: None)
    monkeypatch.setattr("drumjax.system.devices.use_compile_cache", lambda: None)
    monkeypatch.setattr("drumjax.system.devices.use_cores", lambda number: None)
    monkeypatch.setattr("drumjax.training.train.train", given_to)
    monkeypatch.setattr("sys.argv", ["run_train.py", "--config=~/mine.py", "--workdir=~/x"])
    with pytest.raises(GivenError) as caught:
        run_train.main()
    assert caught.value.args[0][1] == home / "x"


def test_a_command_to_copy_quotes_the_path(monkeypatch, home, caplog):
    monkeypatch.setattr(run_train, "set_up_logging", lambda: None)
    monkeypatch.setattr("drumjax.system.devices.use_compile_cache", lambda: None)
    monkeypatch.setattr("drumjax.system.devices.use_cores", lambda number: None)
    result = SimpleNamespace(step=1, stopped_by="", best_step=0)
    monkeypatch.setattr("drumjax.training.train.train", lambda *args, **kwargs: result)
    caplog.set_level("INFO", "drumjax")
    monkeypatch.setattr("sys.argv", ["run_train.py", "--config=tiny", "--workdir=~/Jo's run"])
    assert run_train.main() == 0
    (line,) = [line for line in caplog.messages if line.startswith("play it: ")]
    flags = shlex.split(line)[2:]
    assert flags == ["python", "run_sample.py", "--workdir", f"{home}/Jo's run", "--gallery"]


# ---- configs and the environment


def test_a_folder_of_songs(monkeypatch, home):
    for seed in range(2):
        write_song(home / "data" / "midi" / f"{seed}.mid", seed)
    assert load_dataset(DataSettings("folder", "~/data/midi")).source == f"MIDI files in {home}/data/midi"
    monkeypatch.setenv("DRUMJAX_DATA", "~/data")
    assert load_dataset(DataSettings("folder", "midi")).source == f"MIDI files in {home}/data/midi"
    assert drumjax.load_dataset(dataset="folder", dir="~/data/midi").source == f"MIDI files in {home}/data/midi"


def test_the_groove_dataset(monkeypatch, home):
    (home / "data").mkdir()
    make_groove(home / "data" / "groove", [{}])
    where = f" in {home}/data/groove"
    assert load_dataset(DataSettings(dir="~/data/groove")).source.endswith(where)
    monkeypatch.setenv("DRUMJAX_DATA", "~/data")
    assert load_dataset(DataSettings()).source.endswith(where)
    assert benchmark_songs.dataset_name() == "groove"


def test_a_run_to_start_from(home):
    """train.init_from is given to load_run as it is."""
    with pytest.raises(RunError, match=str(home / "none")):
        load_initial("~/none", None, ())


# ---- Python


def test_songs(home):
    assert drumjax.read_midi is read_midi
    write_midi(Song(make_notes([0, 1], [1, 1], [36, 38], [100, 90])), "~/x.mid")
    assert (home / "x.mid").is_file()
    assert read_midi("~/x.mid", instrument="all").num_bars == 1
    assert len(read_parts("~/x.mid", instrument="all")) == 1
    assert drumjax.read_midi(path="~/x.mid", instrument="all").name == "x.mid"
    write_map(home / "map.json")
    assert read_map("~/map.json", ("kick",)).write == {"kick": 35}


def test_runs_and_configs(home):
    for read in (drumjax.load, load_run):
        with pytest.raises(RunError, match=f"^there is no run or model {home}/none; train one"):
            read("~/none")
    (home / "mine.py").write_bytes((ROOT / "configs" / "tiny.py").read_bytes())
    assert drumjax.load_config("~/mine.py")["data"]["dataset"] == "starter"


def test_samples_are_written(monkeypatch, home):
    monkeypatch.setattr("drumjax.api.write_samples", given_to)
    with pytest.raises(GivenError) as caught:
        drumjax.TrainedModel(make_run(make_model(CODEC))).write("~/x", 1)
    assert caught.value.args[0][1] == home / "x"


def test_training(monkeypatch, home):
    monkeypatch.setattr("drumjax.training.train.check_same_run", given_to)
    with pytest.raises(GivenError) as caught:
        drumjax.train("default", "~/x")
    assert caught.value.args[0][0] == home / "x"
