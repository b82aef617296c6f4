"""The command line that the questions share: --workdir, how much to play, and --output for the figures as JSON."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from drumjax.report.figures import write_json
from drumjax.runs.pretrained import find_model
from drumjax.runs.run import load_run
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
    module: str,
    description: str,
    amount: Amount,
    answer: Callable[..., Any],
    show: Callable[[Any], str],
    switches: Mapping[str, str] | None = None,
    **paths: str,
) -> int:
    """Parses the flags, answers, prints what `show` makes of it, and writes it. Returns the exit status.

    answer is called with the run, the number, and as keywords the `paths` and `switches`: optional flags that take a
    path, and flags that are True where they are given, each with its help.
    """
    set_up_logging()
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description.partition("\n")[0])
    parser.add_argument("--workdir", "--model", type=find_model, required=True, help="the run, or a model file or name")
    parser.add_argument(f"--{amount.flag}", type=int, default=amount.default, help=amount.help)
    for name, text in paths.items():
        parser.add_argument(f"--{name}", type=user_path, help=text)
    for name, text in (switches or {}).items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    parser.add_argument("--output", type=user_path, help="write the figures to this file, as JSON")
    flags = parser.parse_args()
    if (number := getattr(flags, amount.flag)) < 1:
        parser.error(f"--{amount.flag} is {number}; it must be at least 1")

    def run() -> None:
        use_compile_cache()
        asked = {name: getattr(flags, name) for name in (*paths, *(switches or {}))}
        found = answer(load_run(flags.workdir), number, **asked)
        print(show(found))
        if flags.output:
            write_json(flags.output, found)

    return run_or_explain(run)


def make_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown; numbers with three decimals."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for row in rows:
        cells = (row.get(name, "-") for name in names)
        lines.append("| " + " | ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in cells) + " |")
    return "\n".join(lines) + "\n"
