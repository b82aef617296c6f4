"""The command line that the questions share: --workdir, how much to play, and --output for the figures as JSON."""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

from drumjax.report.figures import write_json
from drumjax.runs.run import Run, load_run
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.devices import use_compile_cache
from drumjax.system.errors import UserError
from drumjax.system.files import user_path


class StudyError(UserError):
    """A question that this model or its data cannot be asked; the message says why."""


class Amount(NamedTuple):
    """A flag that says how much is played: more takes longer and is surer."""

    flag: str
    default: int
    help: str


def ask(
    module: str, description: str, amount: Amount, answer: Callable[[Run, int], Any], show: Callable[[Any], str]
) -> int:
    """Parses the flags, answers, prints what `show` makes of it, and writes it. Returns the exit status."""
    set_up_logging()
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description.partition("\n")[0])
    parser.add_argument("--workdir", type=user_path, required=True, help="the run")
    parser.add_argument(f"--{amount.flag}", type=int, default=amount.default, help=amount.help)
    parser.add_argument("--output", type=user_path, help="write the figures to this file, as JSON")
    flags = parser.parse_args()
    if (number := getattr(flags, amount.flag)) < 1:
        parser.error(f"--{amount.flag} is {number}; it must be at least 1")

    def run() -> None:
        use_compile_cache()
        found = answer(load_run(flags.workdir), number)
        print(show(found))
        if flags.output:
            write_json(flags.output, found)

    return run_or_explain(run)


def make_table(rows: list[dict[str, float | str]]) -> str:
    """Markdown; numbers with three decimals."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    for row in rows:
        lines.append("| " + " | ".join(v if isinstance(v, str) else f"{v:.3f}" for v in row.values()) + " |")
    return "\n".join(lines) + "\n"
