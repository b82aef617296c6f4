"""What a contender is to the process that runs it. Imports no library that competes."""

import os
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

# Runs some of the work and returns figures; `seconds` is what one unit of the contest's work took.
Figures = dict[str, float]
Repeat = Callable[[], Figures]


class Contender(NamedTuple):
    """One way, or several, to do the work of a contest.

    modes    by name, makes the function that runs it; of several modes the fastest here competes
    threads  the number of threads that the library says it uses, asked after the work has run
    """

    modes: Mapping[str, Callable[[], Repeat]]
    threads: Callable[[], str]


class Ready(NamedTuple):
    """A contender that has warmed up; start_seconds is what building and the first repeat took, compiling included."""

    repeat: Repeat
    mode: str
    start_seconds: float


def warm_up(contender: Contender) -> Ready:
    """Builds every mode, runs it until it is warm, and keeps the one whose best of two more repeats is the shortest.

    A mode that fails (a compiler that a library may do without) is left out; if all do, the last one's error is raised.
    """
    best, best_seconds, failure = None, float("inf"), None
    for mode, make in contender.modes.items():
        try:
            ready = _warm_up_mode(mode, make)
            seconds = min(ready.repeat()["seconds"] for _ in range(2)) if len(contender.modes) > 1 else 0.0
        except Exception as error:
            failure = error
            continue
        if seconds < best_seconds:
            best, best_seconds = ready, seconds
    if best is None:
        raise failure or ValueError("a contender without a mode")
    return best


def _warm_up_mode(mode: str, make: Callable[[], Repeat]) -> Ready:
    start = time.perf_counter()
    repeat = make()
    repeat()
    ready = Ready(repeat, mode, time.perf_counter() - start)
    repeat()  # some libraries compile again for what the first run returned
    return ready


def num_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
