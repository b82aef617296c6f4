"""The process of one contender: `python -m benchmarks.worker`, driven over stdin and stdout, one JSON object a line.

The first line names the contender. The answer says how it was warmed up; then every line asks for one repeat, and the
answer is its figures. Standard output carries nothing else: what libraries print goes to standard error.
"""

import importlib
import json
import os
import sys

from benchmarks.contender import warm_up


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    order = json.loads(sys.stdin.readline())
    module, _, name = order["make"].partition(":")
    contender = getattr(importlib.import_module(module), name)(**order["case"])
    ready = warm_up(contender)
    _answer(
        answers,
        {"threads": contender.threads(), "mode": ready.mode, "start_seconds": ready.start_seconds},
    )
    while sys.stdin.readline():
        _answer(answers, ready.repeat())


def _answer(answers, figures: dict) -> None:
    answers.write(json.dumps(figures) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
