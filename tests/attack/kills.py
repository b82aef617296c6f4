"""kill -9 at random times: of training, and of sampling."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

from tiny_run import digest_of_state, read_rows

from attack.outcome import Outcome, check_output, judge
from attack.program import Program
from attack.target import Target, half_written


def kill_training(target: Target, chance: random.Random) -> Iterator[Outcome]:
    """Killed a few times, the same command ends with the parameters and the metrics of an undisturbed run."""
    workdir = target.fresh("killed")
    for number in range(1, 1 + chance.randint(1, 3)):
        program = target.launcher.start(*target.train(workdir))
        if chance.random() < 0.8:  # in training; else in its start
            wait_for_a_row(program, workdir)
        program.runs_for(chance.uniform(0, 2))
        program.send(signal.SIGKILL)
        end = program.wait()
        what = f"kill {number}, exit {end.status}"
        problems = check_output(end.status, end.output, (0, -signal.SIGKILL)) + half_written(workdir)
        if "damaged" in end.output:
            problems.append(f"damage: {end.output[-300:]}")
        yield judge(what, problems + rows_that_differ(target, workdir))
        if end.status == 0:
            break
    end = target.launcher.run(*target.train(workdir))
    yield judge("resumed to the end", [*check_output(end.status, end.output, (0,)), *check_end(target, workdir)])


def kill_sampling(target: Target, chance: random.Random) -> Iterator[Outcome]:
    """Killed a few times, the same command leaves the folder of an undisturbed job."""
    out_dir, seed = target.fresh("killed_samples"), chance.randrange(2)
    expected = target.expected_samples(seed)
    for number in range(1, 1 + chance.randint(1, 3)):
        program = target.launcher.start(*target.sample(out_dir, seed))
        if chance.random() < 0.8:
            before = len(list(out_dir.glob("*.mid")))
            while program.runs_for(0.001) and len(list(out_dir.glob("*.mid"))) == before:
                pass
        program.runs_for(chance.uniform(0, 0.1))
        program.send(signal.SIGKILL)
        end = program.wait()
        problems = check_output(end.status, end.output, (0, -signal.SIGKILL)) + half_written(out_dir)
        surplus = {path.name for path in out_dir.glob("*.mid")} - set(expected)
        problems += [f"nobody asked for {sorted(surplus)[:5]}"] if surplus else []
        yield judge(f"kill {number}, seed {seed}", problems)
        if end.status == 0:
            break
    end = target.launcher.run(*target.sample(out_dir, seed))
    yield judge(
        "restarted to the end", check_output(end.status, end.output, (0,)) + target.check_samples(out_dir, seed)
    )


def wait_for_a_row(program: Program, workdir: Path) -> None:
    """Until a step is logged, or the program has ended."""
    path = workdir / "metrics.jsonl"
    before = path.stat().st_size if path.exists() else 0
    while program.runs_for(0.01) and not (path.exists() and path.stat().st_size > before):
        pass


def rows_that_differ(target: Target, workdir: Path) -> list[str]:
    """Rows on disk that the undisturbed run does not have; a last line may be cut off."""
    path = workdir / "metrics.jsonl"
    if not path.exists() or not path.read_bytes().endswith(b"\n"):
        return []
    other = [row for row in read_rows(workdir) if row not in target.rows]
    return [f"rows of no undisturbed run: {other[:2]}"] if other else []


def check_end(target: Target, workdir: Path) -> list[str]:
    """As Target.check_run, where there may be no run at all."""
    try:
        digest_of_state(workdir)
    except Exception as error:
        return [f"no run: {type(error).__name__}: {error}"]
    return target.check_run(workdir)
