"""Damaged checkpoints: found, named and passed over, or of no consequence; never a wrong value."""

import contextlib
import logging
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tiny_run import digest_of, digest_of_state, examples_of, tree_of

from attack.damage import DAMAGE
from attack.outcome import Outcome, check_line, judge
from attack.target import Target


def damage_checkpoints(target: Target, chance: random.Random) -> Iterator[Outcome]:
    """A file or a few of the newest checkpoint, or of any, damaged; then read as a resuming run and as a player do."""
    workdir = target.copy("damaged")
    paths = [path for path in sorted((workdir / "checkpoints").rglob("*")) if path.is_file()]
    if chance.random() < 0.7:  # the newest alone
        paths = [path for path in paths if str(target.digest[0]) in path.parts]
    harmed = chance.sample(paths, min(len(paths), chance.choice((1, 1, 1, 2, 5))))
    words = []
    for path in harmed:
        how = chance.choice([*DAMAGE, "deleted"])
        words.append(f"{path.relative_to(workdir)} {how}")
        if how == "deleted":
            path.unlink()
        else:
            path.write_bytes(DAMAGE[how](path.read_bytes(), chance))
    with tracebacks() as problems:
        problems += _read(target, workdir)
    yield judge(", ".join(words), problems)


def _read(target: Target, workdir: Path) -> list[str]:
    """What comes of it that should not."""
    from drumjax.runs.checkpoint import Checkpoints
    from drumjax.runs.run import load_run

    examples, good = examples_of(target.finished / "checkpoints", target.digest[0]), _good_digests(target)
    before, problems = tree_of(workdir), []
    for which in ("best", "latest"):
        try:
            run = load_run(workdir, which)
            if digest_of(run.weights.params) != good[run.step][1]:
                problems.append(f"{which}: wrong parameters of step {run.step}")
        except Exception as error:
            problems.append(check_line(error))
    if tree_of(workdir) != before:
        problems.append("a reader changed the folder")
    try:
        with Checkpoints(workdir / "checkpoints") as checkpoints:
            restored = checkpoints.restore_latest(**examples)
        if restored is None:
            problems.append("taken for a run that has not begun")
        elif digest_of((restored.params, restored.state)) != good[restored.step][0]:
            problems.append(f"wrong state of step {restored.step}")
    except Exception as error:
        problems.append(check_line(error))
        if tree_of(workdir) != before:
            problems.append("moved, though none is good")
    return problems


@contextlib.contextmanager
def tracebacks() -> Iterator[list[str]]:
    """A list, to which comes what threads of Orbax and asyncio print in the block. What they print later is of the
    next."""
    printed: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: printed.append(f"asyncio: {record.getMessage()[:200]}")  # type: ignore[method-assign]
    hook, sys.unraisablehook = sys.unraisablehook, lambda caught: printed.append(f"printed: {caught.exc_value!r}")
    logging.getLogger("asyncio").addHandler(handler)
    try:
        yield printed
    finally:
        logging.getLogger("asyncio").removeHandler(handler)
        sys.unraisablehook = hook


def _good_digests(target: Target) -> dict[int, tuple[str, str]]:
    """By step of the undisturbed run, the hashes of its state and of its parameters."""
    from drumjax.runs.checkpoint import Checkpoints

    if not target.digests:
        for path in (target.finished / "checkpoints").glob("[0-9]*"):
            step = int(path.name)
            with Checkpoints(path.parent, read_only=True) as checkpoints:
                params, _ = checkpoints.restore_params(step)
            alone = _alone(target, step)
            target.digests[step] = (digest_of_state(alone)[1], digest_of(params["params"]))
    return target.digests


def _alone(target: Target, step: int) -> Path:
    """A copy of the run that has no checkpoint but that of one step."""
    workdir = target.copy("alone")
    for path in (workdir / "checkpoints").glob("[0-9]*"):
        if path.name != str(step):
            shutil.rmtree(path)
    return workdir
