"""What programs print on the way."""

import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tiny_run import heed_interrupts

from drumjax.system.console import printable, run_or_explain, set_up_logging
from drumjax.system.errors import UserError

ROOT = Path(__file__).parents[2]


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
     (OSError(28, "full", "x"), 1, "error: [Errno 28] full: 'x'; make room there, or write elsewhere, and start the "),
     (KeyboardInterrupt(), 75, "interrupted: ")],
)  # fmt: skip
def test_what_a_user_can_mend_is_one_line(capsys, error, status, text):
    def run():
        raise error

    assert run_or_explain(run) == status
    assert capsys.readouterr().err.startswith(text)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_status_of_its_own(capsys, number):
    """75: try again. Schedulers send SIGTERM, which would end a program without a word."""
    before = signal.getsignal(signal.SIGTERM)

    def run():
        os.kill(os.getpid(), number)
        time.sleep(5)

    assert run_or_explain(run) == 75
    assert capsys.readouterr().err.startswith("interrupted: ")
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_runs_may_say_how_it_ended():
    assert [run_or_explain(lambda: None), run_or_explain(lambda: 75)] == [0, 75]


def test_a_defect_keeps_its_traceback():
    with pytest.raises(KeyError):
        run_or_explain(lambda: {}["missing"])


# ---- output that ends, and terminals that know few characters

PROGRAM = textwrap.dedent("""
    import logging, pathlib, sys
    from drumjax.system.console import run_or_explain, set_up_logging
    from drumjax.system.errors import UserError

    def work():
        for number in range(40_000):
            print("line", number)
            if number % 1000 == 0:
                logging.getLogger("drumjax").info("at %d", number)
        pathlib.Path(sys.argv[1]).write_text("done")
        if len(sys.argv) > 2:
            raise UserError("a mistake")

    if sys.argv[-1] != "bare":
        set_up_logging()
    sys.exit(run_or_explain(work))
""")


def pipe_into(reader: str, *args, both=False) -> tuple[int, str, str]:
    """(exit status, what the reader says, what the program says to standard error) of the program in a pipe."""
    command = shlex.join([sys.executable, "-c", PROGRAM, *map(str, args)])
    script = f"set -o pipefail; {command} {'2>&1' if both else ''} | {reader}"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_work_goes_on_when_nobody_reads_what_it_prints(tmp_path, reader, both):
    status, output, errors = pipe_into(reader, tmp_path / "file", both=both)
    assert status == 0, errors
    assert (tmp_path / "file").read_text() == "done"
    assert len(output.splitlines()) == (reader == "head -1")
    assert "Traceback" not in errors
    assert "Exception" not in errors
    assert both or "at 39000" in errors  # the other stream is as it was


@pytest.mark.slow
@pytest.mark.parametrize("where", ["> /dev/full", "2> /dev/full", "> /dev/full 2>&1"])
def test_output_that_cannot_be_written_is_a_line_too(tmp_path, where):
    command = shlex.join([sys.executable, "-c", PROGRAM, str(tmp_path / "file")])
    done = subprocess.run(["bash", "-c", f"{command} {where}"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    if where == "> /dev/full":
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("error: [Errno 28] No space left on device: 'standard output'; ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    ["run_train.py", "run_sample.py", *(f"-m drumjax.{name}" for name in ("convert", "explore", "evaluate", "compare")),
     "-m drumjax.studies.ablation", "-m drumjax.studies.humanization"],
)  # fmt: skip
def test_no_program_minds_that_nobody_reads_its_help(program):
    script = f"set -o pipefail; {shlex.quote(sys.executable)} {program} --help | true"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_mistake_is_one_beside_a_closed_pipe_too(tmp_path):
    status, _, errors = pipe_into("head -1", tmp_path / "file", "mistake")
    assert status == 1
    assert errors.splitlines()[-1] == "error: a mistake"
    status, _, errors = pipe_into("head -1", tmp_path / "file", "mistake", "bare")
    assert (status, errors) == (1, "error: a mistake\n")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", None])
def test_any_terminal_shows_what_it_can(encoding):
    code = textwrap.dedent("""
        import logging
        from drumjax.system.console import run_or_explain, set_up_logging
        set_up_logging()
        logging.getLogger("drumjax").info("\\u30c9")
        run_or_explain(lambda: print("rock \\xb7 3 \\udcff \\u30c9"))
    """)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    env |= (
        {"PYTHONIOENCODING": encoding} if encoding else {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"rock ")
    assert rb"\udcff" in done.stdout
    assert (rb"\u30c9" in done.stdout) == (encoding != "utf-8")


def test_names_are_one_line():
    assert printable("a\nb\x1b[31m\u2028\udcff") == r"a\nb\x1b[31m\u2028\udcff"
    assert printable("ドラム　— ½ 👩‍🎤.mid") == "ドラム　— ½ 👩‍🎤.mid"


@pytest.mark.slow
@pytest.mark.parametrize("raised", ["signal.raise_signal(signal.SIGINT)", "swallow()", "swallow(); swallow()"])
def test_ctrl_c_is_heard_wherever_it_comes(raised):
    """Also inside of a callback of the garbage collector, from which Python lets nothing be raised."""
    code = textwrap.dedent(f"""
        import gc, signal, sys, time
        from drumjax.system.console import run_or_explain
        def swallow():
            def callback(phase, info):
                gc.callbacks.remove(callback)
                signal.raise_signal(signal.SIGINT)
            gc.callbacks.append(callback)
            gc.collect()
        def work():
            {raised}
            for _ in range(1000):
                time.sleep(0.01)
            print("it went on")
        sys.exit(run_or_explain(work))
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, preexec_fn=heed_interrupts
    )
    assert (done.returncode, done.stdout) == (75, "")
    assert done.stderr == "interrupted: the same command begins again, or goes on\n"


def test_what_an_import_makes_of_ctrl_c_is_an_interruption(capsys):
    def work():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error

    assert run_or_explain(work) == 75
    assert capsys.readouterr().err.startswith("interrupted: ")
    with pytest.raises(RuntimeError):
        run_or_explain(lambda: (_ for _ in ()).throw(RuntimeError("a defect")))
