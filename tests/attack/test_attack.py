"""The attack itself, a round of each: that it runs, that what it does holds, and that it would say if it did not."""

import re

import pytest

from attack.command import ATTACKS, main, make_table, run_round
from attack.outcome import Outcome, check_line, check_output
from attack.target import half_written, make_target
from drumjax.system.errors import UserError


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    with make_target(tmp_path_factory.mktemp("attack") / "target") as made:
        yield made


# Of rounds, those that are held here where it is not the first: two jobs of different seeds in one folder.
ROUNDS = {"pairs": 1}
# What a round must have come to.
CAME_TO = {"kills": "kill 1, exit -9", "pairs": "seeds, exit "}


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_a_round_of_each_holds(name, target):
    outcomes = list(run_round(target, name, seed=0, number=ROUNDS.get(name, 0)))
    assert outcomes
    assert [outcome for outcome in outcomes if outcome.broke] == []
    assert outcomes[0].what.startswith(CAME_TO.get(name, ""))


@pytest.mark.slow
def test_a_wrong_value_is_noticed(target, monkeypatch):
    """Of a reader that changes a little of what it reads."""
    from drumjax.runs import checkpoint

    list(run_round(target, "flips", seed=0, number=0))  # what is right is read first
    read = checkpoint.from_host

    def read_wrong(kind, array):
        return array * 1.001 if kind.startswith("float") else read(kind, array)

    monkeypatch.setattr(checkpoint, "from_host", read_wrong)
    (outcome,) = run_round(target, "flips", seed=0, number=0)
    assert "best: wrong parameters of step" in outcome.broke
    assert "wrong state of step" in outcome.broke


def test_what_is_no_line_for_users_is_noticed():
    assert check_line(UserError("x.mid: damaged; take another")) == ""
    assert check_line(FileNotFoundError(2, "No such file", "x.mid")) == ""
    assert "names no file" in check_line(OSError(28, "No space left"))
    assert "KeyError" in check_line(KeyError("x"))
    assert check_output(0, "fine", (0,)) == []
    assert check_output(1, "a\nerror: no room: '/x'\n", (0, 1)) == []
    assert "exit status 1" in check_output(1, "error: no", (0,))[0]
    assert "traceback" in check_output(0, "Traceback (most recent call last)", (0,))[0]
    assert "0 error lines" in check_output(1, "oh", (1,))[0]


def test_what_is_half_written_is_noticed(tmp_path):
    (tmp_path / "whole.mid").write_bytes(b"MThd...\xff\x2f\x00")
    (tmp_path / "whole.json").write_text("{}")
    (tmp_path / "cut_off.jsonl").write_text('{"a": 1}\n{"a"')  # as a kill may leave it
    assert half_written(tmp_path) == []
    (tmp_path / "a.mid").write_bytes(b"MThd...")
    (tmp_path / "b.json").write_text('{"a": NaN}')
    (tmp_path / "c.jsonl").write_text('{"a\n{}\n')
    (tmp_path / "d.html").write_text("<html>")
    assert sorted(re.findall(r"\w\.\w+$", line)[0] for line in half_written(tmp_path)) == [
        "a.mid", "b.json", "c.jsonl", "d.html",
    ]  # fmt: skip


def test_the_table_counts():
    table = make_table({"flips": [Outcome("x"), Outcome("y", "wrong"), Outcome("z")]})
    assert table.splitlines()[-1].endswith("| 3 | 2 | 1 |")


@pytest.mark.parametrize("flags", [["--only=flops"], ["--workdir=."]])
def test_a_mistake_in_its_flags_ends_it(flags, tmp_path):
    with pytest.raises(SystemExit):
        main([f"--workdir={tmp_path / 'new'}", *flags])
