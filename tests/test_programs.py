"""What the two programs make of their flags, without starting them."""

import json
import shutil

import pytest
from tiny_run import ROOT

import drumjax
from drumjax import __main__ as drumjax_main
from drumjax.commands import sample as run_sample
from drumjax.commands import train as run_train
from drumjax.config.controls import CONTROLS
from drumjax.config.flags import given_controls
from drumjax.system.command_name import command_name


def says(parse, *argv):
    """The line that the program ends with."""
    with pytest.raises(SystemExit) as caught:
        parse(["program.py", *argv])
    assert isinstance(caught.value.code, str), "it ended well"
    assert caught.value.code.startswith("error: ")
    assert "\n" not in caught.value.code
    return caught.value.code


def parse_samples(argv):
    line = run_sample.make_command_line()
    line.parse(argv)
    return line.values


# ---- run_train.py


@pytest.mark.parametrize("name", ["tiny", "configs/tiny.py", str(ROOT / "configs" / "tiny.py")])
@pytest.mark.parametrize("joined", [True, False])
def test_a_config_has_a_name_or_a_path(name, joined, monkeypatch):
    monkeypatch.chdir(ROOT)
    argv = [f"--config={name}"] if joined else ["--config", name]
    config, given = run_train.parse(["run_train.py", *argv, "--config.train.num_steps=7", "--workdir", "x"])
    assert config["train"]["num_steps"] == 7
    assert config["data"]["dataset"] == "starter"
    assert (given.workdir, given.num_devices, given.distributed) == ("x", 0, False)


def test_a_config_of_ones_own_lies_anywhere(tmp_path):
    path = str(shutil.copy(ROOT / "configs" / "tiny.py", tmp_path / "mine.py"))
    config, _ = run_train.parse(["run_train.py", "--config", path])
    assert config["data"]["dataset"] == "starter"


def test_settings_of_every_kind():
    flags = [
        "--config.data.styles=('rock', 'funk')", "--config.model.skip=False", "--config.train.learning_rate", "0.5",
        "--config.train.history_dropout.offset=0.25", "--config.train.field_weights.hits=2",
        "--config.sample.temperature.pitch", "0.5",
    ]  # fmt: skip
    config, _ = run_train.parse(["run_train.py", "--config", "default", *flags])
    assert config["data"]["styles"] == ["rock", "funk"]
    assert config["model"]["skip"] is False
    assert config["train"]["learning_rate"] == 0.5
    assert config["train"]["history_dropout"] == {"offset": 0.25}
    assert config["train"]["field_weights"]["hits"] == 2
    assert config["sample"]["temperature"]["pitch"] == 0.5


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["--config is missing", "rock", "tiny"]),
        (["--config"], ["--config is missing", "tiny"]),
        (["--config.train.num_steps=3"], ["--config is missing"]),
        (["--config=rokc"], ["'rokc'", "rock"]),
        (["--config=missing.py"], ["missing.py"]),
        (["--config=tiny", "--config.train.lr=1"], ["config.train.lr;", "learning_rate"]),
        (["--config=tiny", "--config.train.steps=1"], ["config.train.steps;", "config.train.num_steps"]),
        (["--config=tiny", "--config.train.hidden_size=1"], ["config.train.hidden_size;", "config.model.hidden_size"]),
        (["--config=tiny", "--config.model.hiden_size=1"], ["config.model.hiden_size;", "config.model.hidden_size"]),
        (["--config=tiny", "--config.modle.x=1"], ["config.modle.x;", "config.model"]),
        (["--config=tiny", "--noconfig.model.skp"], ["config.model.skp;", "config.model.skip"]),
        (["--config=tiny", "--config.train.num_steps=abc"], ["num_steps=abc"]),
        (["--config=tiny", "--config.train.num_steps"], ["config.train.num_steps"]),
        (["--config=tiny", "--config.train=3"], ["config.train"]),
        (["--config=tiny", "--config.train.history_dropout.offset=much"], ["history_dropout.offset", "'much'"]),
        (["--config.train.num_steps=3", "--config=tiny"], ["num_steps=3", "before"]),
        (["--config=tiny", "--lr=1"], ["--lr;", "--config.train.learning_rate"]),
        (["--config=tiny", "--out_dir=x"], ["--out_dir;", "--workdir"]),
        (["--config=tiny", "--nonsense=1"], ["--nonsense;"]),
        (["--config=tiny", "--num_devices=-1"], ["num_devices=-1"]),
        (["--config=tiny", "surplus"], ["'surplus'"]),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_said_in_a_line(flags, words):
    message = says(run_train.parse, *flags)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("text", "words"), [("def get_config(:\n", ["SyntaxError"]), ("", ["get_config"]), ("1 / 0", ["ZeroDivision"])]
)
def test_a_config_that_cannot_be_read(tmp_path, text, words):
    (tmp_path / "mine.py").write_text(text)
    message = says(run_train.parse, f"--config={tmp_path / 'mine.py'}")
    for word in [*words, "mine.py"]:
        assert word in message


def test_settings_from_a_file_come_before_those_of_the_command_line(tmp_path, capsys):
    """And what --print_config prints is such a file."""
    path = tmp_path / "changes.json"
    changes = {"train": {"num_steps": 7, "learning_rate": 0.5, "field_weights": {"hits": 3}}, "model.hidden_size": 12,
               "data": {"styles": ["rock", "funk"]}}  # fmt: skip
    path.write_text(json.dumps(changes))
    flags = ["--config=default", f"--config_overrides={path}", "--config.train.learning_rate=0.25"]
    config, _ = run_train.parse(["run_train.py", *flags, "--config.train.field_weights.velocity=2"])
    assert (config["train"]["num_steps"], config["train"]["learning_rate"]) == (7, 0.25)
    assert config["train"]["field_weights"] == {"hits": 3, "velocity": 2}
    assert config["model"]["hidden_size"] == 12
    assert config["data"]["styles"] == ["rock", "funk"]

    with pytest.raises(SystemExit) as ended:
        run_train.parse(["run_train.py", *flags, "--config.train.field_weights.velocity=2", "--print_config"])
    assert ended.value.code == 0
    path.write_text(capsys.readouterr().out)
    assert run_train.parse(["run_train.py", "--config=tiny", f"--config_overrides={path}"])[0] == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot read"),
        ("[1]", 'must be an object such as {"train"'),
        ('{"train": 3}', "'train' is neither a group nor a dotted name"),
        ('{"train": {"lr": 1}}', "no such setting: config.train.lr; did you mean config.train.learning_rate?"),
        ('{"train.num_steps": "3"}', "config.train.num_steps is '3'; it must be of type int"),
        (None, "No such file"),
    ],
)
def test_a_file_of_settings_that_is_none(tmp_path, text, words):
    path = tmp_path / "changes.json"
    if text is not None:
        path.write_text(text)
    assert words in says(run_train.parse, "--config=tiny", "--print_config", f"--config_overrides={path}")


# ---- run_sample.py


def test_every_control_is_a_flag_and_none_is_given_unless_asked():
    values = parse_samples(["run_sample.py"])
    assert given_controls(values) == {}
    assert {name for names in run_sample.make_command_line().sections.values() for name in names} >= set(CONTROLS)
    values = parse_samples(["run_sample.py", "--bpm=90", "--fill", "4", "--temperature=hits=0.9", "--lean=-3"])
    assert given_controls(values) == {"bpm": 90.0, "fill": 4, "temperature": "hits=0.9", "lean": -3.0}


@pytest.mark.parametrize(
    ("flags", "number"),
    [
        ([], 16),
        (["--num_samples=3"], 3),
        (["--humanize=a.mid"], 1),
        (["--prompt=random"], 1),
        (["--add=ride", "--to=a.mid", "--num_samples=5"], 5),
    ],
)
def test_ones_own_music_gives_one_file_unless_more_are_asked_for(flags, number):
    assert run_sample.count_samples(parse_samples(["run_sample.py", *flags])) == number


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--tempo=90", ["--tempo;", "--bpm"]),
        ("--styel=rock", ["--styel;", "--style"]),
        ("--output_dir=x", ["--output_dir;", "--out_dir"]),
        ("--bars=many", ["bars=many"]),
        ("--checkpoint=newest", ["newest", "best|latest"]),
        ("--draws=0", ["draws=0"]),
        ("surplus", ["'surplus'"]),
    ],
)
def test_what_cannot_be_played_is_said_in_a_line(flag, words):
    message = says(parse_samples, "--workdir=x", flag)
    for word in words:
        assert word in message


@pytest.mark.parametrize("program", [run_sample, run_train])
def test_what_other_programs_call_it_exists_here(program):
    line = run_sample.make_command_line() if program is run_sample else run_train.make_command_line([])
    config, _ = run_train.parse(["run_train.py", "--config=default"])
    for name, meant in program.ALIASES.items():
        assert name not in line.values
        if meant.startswith("config."):
            _, group, field = meant.split(".")
            assert field in config[group]
        else:
            assert meant in line.values


@pytest.mark.parametrize("program", [run_sample, run_train])
def test_help_ends_well(program, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["program.py", "--help"])
    with pytest.raises(SystemExit) as caught:
        program.main()
    assert caught.value.code == 0
    assert "--workdir=WORKDIR" in capsys.readouterr().out


# ---- drumjax, which has them all by name


def run_drumjax(monkeypatch, *argv):
    monkeypatch.setattr("sys.argv", ["/usr/bin/drumjax", *argv])
    return drumjax_main.main()


def test_drumjax_lists_its_commands(monkeypatch, capsys):
    for argv in ([], ["--help"]):
        assert run_drumjax(monkeypatch, *argv) == 0
        out = capsys.readouterr().out
        assert all(f"  {name} " in out for name in ("sample", "train", "evaluate", "explore", "export"))
    assert run_drumjax(monkeypatch, "--version") == 0
    assert drumjax.__version__ in capsys.readouterr().out


@pytest.mark.parametrize("name", drumjax_main.COMMANDS)
def test_a_command_of_drumjax_has_its_parser_and_its_own_name(name, monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        run_drumjax(monkeypatch, name, "--help")
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"drumjax {name} " in out.splitlines()[0]
    assert "python " not in out.splitlines()[0]


@pytest.mark.parametrize(
    ("command", "hint"), [("sampel", "did you mean sample?"), ("xyz", "there are sample, jobs, train")]
)
def test_a_command_that_is_none(command, hint, monkeypatch, capsys):
    assert run_drumjax(monkeypatch, command) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert hint in said


def test_commands_have_the_name_that_they_were_started_by(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["run_train.py"])
    assert command_name("sample") == "python run_sample.py"
    assert command_name("explore") == "python -m drumjax.explore"
    monkeypatch.setattr("drumjax.system.command_name._CHECKOUT", tmp_path)  # installed: there are no scripts
    assert command_name("sample") == "drumjax sample"
