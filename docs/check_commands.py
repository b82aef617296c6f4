"""Runs every command of README.md and docs/ in a fresh clone: `python docs/check_commands.py [--quick] [--install]`.

The bash and python blocks of each page as it is committed, in the order of the pages, in one folder, with the Python
that runs this. Files that pages speak of (mine.mid, mine.tab, ~/midi) are made from the starter grooves. A block after
`<!-- skip: why -->` is left out, and so is what only installs; with --install a virtual environment is made in the
clone, commands run in it, and those that install do so. --quick trains a few steps where a page trains on. The exit
status is 1 if a command failed.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", *(f"docs/{name}.md" for name in ("training", "models", "sampling", "jobs", "python", "evaluation",
         "results", "instruments", "speed", "reliability", "contributing"))]  # fmt: skip
QUICK_FLAGS = "--config.train.num_steps=4 --config.train.eval_every_steps=4"
SETS_UP = r"python3 -m venv|pip install|pre-commit"
TESTS = r"-m pytest"
SET_UP = "sets up"
TIMEOUT_SECONDS = 3600

PREPARE = """
import pathlib, drumjax
songs = drumjax.load_dataset("default", dataset="starter").songs
folder = pathlib.Path.home() / "midi"
folder.mkdir(parents=True)
for i, song in enumerate([song for song in songs if song.num_bars >= 16][:24]):
    drumjax.write_midi(song, folder / f"{i}.mid")
bars = "HH|x-x-x-x-x-x-x-x-|\\nSD|----o-------o---|\\nBD|o-------o-o-----|\\n\\n" * 8
short = drumjax.read_tab("tempo: 100\\n\\n" + bars)
drumjax.write_midi(short, "mine.mid")
pathlib.Path("mine.tab").write_text(drumjax.write_tab(short))
"""


class Command(NamedTuple):
    """page:line, the code, its language, and why it is skipped ("": it is not)."""

    where: str
    code: str
    language: str
    skip: str

    @property
    def title(self) -> str:
        """Where it is, and its first line."""
        return f"{self.where}  {self.code.strip().splitlines()[0]}"


def commands(page: str, text: str) -> Iterator[Command]:
    """Each logical line of the bash blocks of a page, and each python block whole."""
    pattern = r"(?:^<!-- skip: (?P<why>.*?) -->\n)?^```(?P<language>bash|python)\n(?P<body>.*?)^```"
    for match in re.finditer(pattern, text, re.S | re.M):
        line = text.count("\n", 0, match.start("body")) + 1
        why, body = match["why"] or "", match["body"]
        if match["language"] == "python":
            yield Command(f"{page}:{line}", textwrap.dedent(body), "python", why)
            continue
        for part in re.split(r"(?<!\\)\n", body.rstrip("\n")):
            yield Command(f"{page}:{line}", part, "bash", why or _why_not(part))
            line += part.count("\n") + 1


def _why_not(line: str) -> str:
    steps = [step for step in line.partition("  #")[0].split("&&") if not re.search(SETS_UP, step)]
    if not "".join(steps).strip(" \n.") or all("activate" in step for step in steps):
        return SET_UP
    return "the tests" if re.search(TESTS, line) else ""


def as_script(command: Command, quick: bool, install: bool = False) -> list[str]:
    """What is run: without what installs unless `install`, and with a short training if `quick`."""
    code = command.code
    if command.language == "python":
        if quick:
            code = re.sub(r'("train\.num_steps": )\d+', r"\g<1>4", code)
        return ["python", "-c", code]
    if not install:
        code = re.sub(r"pip install [^&]*&& ", "", code)
    if quick:
        code = re.sub(r"(run_train\.py(?: --config[ =]\S+))", rf"\1 {QUICK_FLAGS}", code)
        code = re.sub(r"(drumjax\.population --config \S+)", rf"\1 {QUICK_FLAGS.replace('config.', 'grid ')}", code)
    return ["bash", "-c", code]


def run(command: Command, script: list[str], clone: Path, env: dict[str, str]) -> bool:
    """Whether it succeeds; says so, and shows the end of what a failed one printed."""
    start = time.perf_counter()
    done = subprocess.run(
        script, cwd=clone, env=env, text=True, timeout=TIMEOUT_SECONDS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    seconds = time.perf_counter() - start
    print(f"{'FAILED' if done.returncode else 'ok':7}  {command.title}  ({seconds:.0f} s)", flush=True)
    if done.returncode:
        print(textwrap.indent(done.stdout[-2000:], "    "), flush=True)
    return not done.returncode


def prepare(folder: Path, install: bool) -> tuple[Path, dict[str, str]]:
    """A fresh clone, and the environment of commands: a home of its own, and the Python of this or of a new venv."""
    clone, home = folder / "drumjax", folder / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    programs = Path(sys.executable).parent
    env = {name: value for name, value in os.environ.items() if name not in ("XDG_CACHE_HOME", "PYTHONPATH")}
    if install:
        subprocess.run([sys.executable, "-m", "venv", clone / ".venv"], check=True)
        programs = clone / ".venv" / "bin"
        subprocess.run([programs / "pip", "install", "-q", "-r", clone / "requirements.txt"], check=True)
    env |= {"HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run(["python", "-c", PREPARE], cwd=clone, env=env, check=True)
    return clone, env


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--quick", action="store_true", help="a few steps of each training")
    parser.add_argument("--install", action="store_true", help="make an environment, and run what installs into it")
    parser.add_argument(
        "--only", default="", help="pages whose name holds this; README always runs, others build on it"
    )
    flags = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the folder is removed
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        clone, env = prepare(Path(folder), flags.install)
        pages = [page for page in PAGES if page == "README.md" or flags.only in page]
        for command in (found for page in pages for found in commands(page, (clone / page).read_text("utf-8"))):
            if command.skip and not (flags.install and command.skip == SET_UP):
                print(f"skipped  {command.title}  ({command.skip})", flush=True)
            else:
                failed += not run(command, as_script(command, flags.quick, flags.install), clone, env)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
