"""The command line that the questions share: --workdir, how much to play, and --output for the figures as JSON."""

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from drumjax.runs.run import Run, load_run
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.devices import use_compile_cache
from drumjax.system.files import write_atomically


class Amount(NamedTuple):
    """A flag that says how much is played: more takes longer and is surer."""

    flag: str
    default: int
    help: str


def ask(
    module: str, description: str, amount: Amount, answer: Callable[[Run, int], Any], show: Callable[[Any], str]
) -> int:
    """Parses the flags, answers, prints what `show` makes of it, and writes it. Returns the exit status."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description.partition("\n")[0])
    parser.add_argument("--workdir", required=True, help="the run")
    parser.add_argument(f"--{amount.flag}", type=int, default=amount.default, help=amount.help)
    parser.add_argument("--output", type=Path, help="write the figures to this file, as JSON")
    flags = parser.parse_args()
    if (number := getattr(flags, amount.flag)) < 1:
        parser.error(f"--{amount.flag} is {number}; it must be at least 1")

    def run() -> None:
        use_compile_cache()
        found = answer(load_run(flags.workdir), number)
        print(show(found))
        if flags.output:
            write_json(flags.output, found)

    set_up_logging()
    return run_or_explain(run)


def write_json(path: Path, found: Any) -> None:
    """Writes it with null for what is not a number, which JSON does not know. Raises OSError."""
    write_atomically(path, (json.dumps(_with_null(found), indent=1, allow_nan=False) + "\n").encode())


def _with_null(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _with_null(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_with_null(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found


def make_table(rows: list[dict[str, float | str]]) -> str:
    """Markdown; numbers with three decimals."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    for row in rows:
        lines.append("| " + " | ".join(v if isinstance(v, str) else f"{v:.3f}" for v in row.values()) + " |")
    return "\n".join(lines) + "\n"
