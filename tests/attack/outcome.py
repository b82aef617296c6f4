"""What came of one try."""

import re
from collections.abc import Iterable
from typing import NamedTuple


class Outcome(NamedTuple):
    """what   was tried, in a few words
    broke     how a promise was broken; "" if all of them held
    """

    what: str
    broke: str = ""


def judge(what: str, problems: Iterable[str]) -> Outcome:
    """An outcome that held if there are no problems."""
    return Outcome(what, "; ".join(problem for problem in problems if problem))


def check_line(error: BaseException) -> str:
    """How an error fails to be one line for a user, "" if it is one."""
    from drumjax.system.errors import UserError

    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, UserError | OSError):
        return f"not an error for users: {text[:300]}"
    if isinstance(error, OSError) and not error.filename:
        return f"names no file: {text[:300]}"
    return ""  # line breaks in it are folded by who prints it


def check_output(status: int, output: str, allowed: Iterable[int]) -> list[str]:
    """How a program ended badly: with another status, a traceback, or a refusal that is not one line."""
    problems = []
    if status not in allowed:
        problems.append(f"exit status {status}: {output[-600:]}")
    if "Traceback" in output:
        problems.append(f"traceback: {output[output.index('Traceback') :][-600:]}")
    if status == 1:
        lines = [line for line in output.splitlines() if re.match("error: ", line)]
        if len(lines) != 1:
            problems.append(f"{len(lines)} error lines: {output[-600:]}")
    return problems
