"""What programs print on the way."""

import logging
import re
import sys

import pytest

from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.errors import UserError


@pytest.fixture
def log():
    """drumjax's logger, put back afterwards."""
    package, root = logging.getLogger("drumjax"), logging.getLogger()
    before = package.handlers, package.propagate, package.level, root.handlers[:]
    yield package
    package.handlers, package.propagate = before[:2]
    package.setLevel(before[2])
    root.handlers[:] = before[3]


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_carry_the_time_where_nobody_sees_them_come(log, monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    set_up_logging()
    log.info("step %d", 3)
    log.info("\nHH|x-|\nSD|-o|\n")
    lines = capsys.readouterr().err.splitlines()
    if terminal:
        assert lines[0] == "step 3"
    else:
        assert re.fullmatch(r"\d\d:\d\d:\d\d \+\d+:\d\d:\d\d  step 3", lines[0])
    assert "HH|x-|" in lines  # rows of a tab stay one below the other
    assert "SD|-o|" in lines


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [(UserError("no\nsuch thing"), 1, "error: no such thing\n"), (OSError(28, "full", "x"), 1, "error: "),
     (KeyboardInterrupt(), 130, "interrupted\n")],
)  # fmt: skip
def test_what_a_user_can_mend_is_one_line(capsys, error, status, text):
    def run():
        raise error

    assert run_or_explain(run) == status
    assert capsys.readouterr().err.startswith(text)


def test_a_defect_keeps_its_traceback():
    with pytest.raises(KeyError):
        run_or_explain(lambda: {}["missing"])
