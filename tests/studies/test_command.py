"""The flags that the questions share."""

import json

import pytest

from drumjax.studies import command
from drumjax.studies.command import Amount, ask

AMOUNT = Amount("draws", 3, "how many")


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """(flags) -> what the answer was called with, and the exit status."""
    calls = []

    def answer(run, number, **options):
        calls.append((run, number, options))
        return {"rows": [number]}

    def start(*flags):
        monkeypatch.setattr("sys.argv", ["study", "--workdir", str(tmp_path), *flags])
        switches = {"all_styles": "of all styles"}
        return ask("a.study", "A question.", AMOUNT, answer, str, switches=switches, files="a folder"), calls

    monkeypatch.setattr(command, "find_model", lambda text: text)
    monkeypatch.setattr(command, "load_run", lambda workdir: "the run")
    return start


def test_switches_and_paths_reach_the_answer(asked, tmp_path):
    assert asked() == (0, [("the run", 3, {"files": None, "all_styles": False})])
    status, calls = asked("--draws=5", "--all_styles", f"--files={tmp_path}", f"--output={tmp_path / 'o.json'}")
    assert status == 0
    assert calls[-1] == ("the run", 5, {"files": tmp_path, "all_styles": True})
    assert json.loads((tmp_path / "o.json").read_text()) == {"rows": [5]}


def test_less_than_one_is_refused(asked, capsys):
    with pytest.raises(SystemExit):
        asked("--draws=0")
    assert "--draws is 0" in capsys.readouterr().err
