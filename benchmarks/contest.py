"""A contest: contenders in processes of their own, pinned to the same cores, asked in turn for one timed repeat.

Taking turns, round after round, lets whatever else the machine does fall on all of them alike; a ratio is the median of
the ratios within each round. A process each keeps thread pools, spinning threads and allocators apart.
"""

import contextlib
import importlib.util
import os
import time
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contender import Figures
from benchmarks.worker_process import WorkerError, WorkerProcess

# Between turns, so that threads which spin for a while after their work have gone to sleep.
PAUSE_SECONDS = 0.1


class Entry(NamedTuple):
    """A contender of a contest.

    make   module:function that gives the Contender, called with `case` in the worker
    work   how much is done in the `seconds` of a repeat, in the contest's unit; 0 if only the time counts
    needs  modules that must be installed
    flops  of a standard LSTM for the same work, 0 if not counted
    x      where it stands on the x axis of a plot
    """

    name: str
    make: str
    case: dict[str, Any]
    work: float = 0.0
    needs: tuple[str, ...] = ()
    flops: float = 0.0
    env: dict[str, str] = {}  # noqa: RUF012 - never changed
    x: float = 0.0


class Target(NamedTuple):
    """What the fastest of `names` is held to.

    kind  "ratio": seconds over the baseline's, to be at least `bar`; "share": the same, at most; "seconds": at most
    aim   what we would like
    peak  the baseline's share of the contest's peak at which it is met, too: little is left to be had of the machine
    """

    names: tuple[str, ...]
    kind: str
    bar: float
    aim: float | None = None
    peak: float | None = None


class Contest(NamedTuple):
    """Entries that do the same work, and what is expected.

    baseline  the entry that ratios are over
    peaks     entries that show what the machine can do at best, in `flops` per second
    """

    row: str
    title: str
    unit: str
    entries: tuple[Entry, ...]
    baseline: str = "drumjax"
    targets: tuple[Target, ...] = ()
    peaks: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """Of one entry: figures per round, what the worker said when warm, or the problem that left it without."""

    entry: Entry
    rounds: list[Figures]
    threads: str = ""
    mode: str = ""
    start_seconds: float = 0.0
    problem: str = ""

    @property
    def seconds(self) -> np.ndarray:
        return np.asarray([figures["seconds"] for figures in self.rounds])

    @property
    def median(self) -> float:
        return float(np.median(self.seconds)) if self.rounds else float("nan")


def ratio(outcome: Outcome, baseline: Outcome) -> float:
    """How many times the baseline's seconds this one took: the median over rounds. NaN if either did not run."""
    if not outcome.rounds or not baseline.rounds:
        return float("nan")
    rounds = min(len(outcome.rounds), len(baseline.rounds))
    return float(np.median(outcome.seconds[:rounds] / baseline.seconds[:rounds]))


def hold(contest: Contest, num_rounds: int, env: dict[str, str]) -> list[Outcome]:
    """Runs the contest and returns an outcome per entry, in order. `env` is added to every worker's environment."""
    missing = {entry.name: _first_missing(entry.needs) for entry in contest.entries}
    problems = {name: f"not installed ({module})" for name, module in missing.items() if module}
    rounds: dict[str, list[Figures]] = {entry.name: [] for entry in contest.entries}
    with contextlib.ExitStack() as stack:
        workers: dict[str, WorkerProcess] = {}
        for entry in contest.entries:
            if entry.name not in problems:
                # One after another: what compiles at the same time compiles slowly.
                worker = stack.enter_context(WorkerProcess(entry.make, entry.case, {**env, **entry.env}))
                _try(worker.start, entry.name, problems)
                workers[entry.name] = worker
        for _ in range(num_rounds):
            for name, worker in workers.items():
                if name not in problems:
                    time.sleep(PAUSE_SECONDS)
                    figures = _try(worker.repeat, name, problems)
                    rounds[name] += [figures] if figures else []
    outcomes = []
    for entry in contest.entries:
        if entry.name in problems:
            outcomes.append(Outcome(entry, [], problem=problems[entry.name]))
        else:
            outcomes.append(Outcome(entry, rounds[entry.name], **workers[entry.name].said))
    return outcomes


def _try(call, name: str, problems: dict[str, str]) -> Figures | None:
    try:
        return call()
    except WorkerError as error:
        problems[name] = str(error)
        return None


def _first_missing(modules: tuple[str, ...]) -> str:
    return next((module for module in modules if importlib.util.find_spec(module) is None), "")


def pin(num_threads: int) -> None:
    """Binds this process, and so every worker, to the first `num_threads` cores it may use, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:num_threads])
