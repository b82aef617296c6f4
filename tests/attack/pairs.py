"""Two jobs at once on one folder: one does its work, the other is refused in one line, or both do as they should."""

import random
from collections.abc import Iterator

from attack.kills import check_end
from attack.outcome import Outcome, check_output, judge
from attack.program import End, Launcher
from attack.target import Target, half_written


def run_pairs(target: Target, chance: random.Random) -> Iterator[Outcome]:
    """Two trainings of a workdir, two samplers of a folder, or one that plays a run while it is trained."""
    what = chance.choice(("train", "seeds", "seeds", "same job", "same job", "reader"))
    where, both = target.fresh("pair"), (0, 1)
    with Launcher(target.programs, "other") as other:
        if what == "train":
            ends = _run_both(target, other, chance, target.train(where), target.train(where))
            # The later may come when the earlier is done, and finds nothing to do.
            problems = [] if 0 in (ends[0].status, ends[1].status) else ["neither finished"]
            problems += check_end(target, where)
        elif what == "reader":
            play = ["run_sample.py", f"--workdir={where}", "--checkpoint=latest", "--num_samples=4", "--bars=2",
                    f"--out_dir={target.fresh('played')}"]  # fmt: skip
            ends = _run_both(target, other, chance, target.train(where), play, late=6)
            problems = check_end(target, where)
            if ends[0].status:
                problems.append(f"training was disturbed: {ends[0].output[-300:]}")
        else:
            seeds = (0, 1) if what == "seeds" else (0, 0)
            ends = _run_both(target, other, chance, *(target.sample(where, seed) for seed in seeds))
            done = [seed for seed, end in zip(seeds, ends, strict=True) if end.status == 0]
            problems = ["both seeds finished"] if what == "seeds" and len(done) == 2 else []
            problems += target.check_samples(where, done[0]) if done else ["neither finished"]
    for end in ends:
        problems += check_output(end.status, end.output, both)
    yield judge(f"{what}, exit {ends[0].status} and {ends[1].status}", problems + half_written(where))


def _run_both(
    target: Target, other: Launcher, chance: random.Random, first: list[str], second: list[str], late: float = 1
) -> tuple[End, End]:
    """The second starts up to `late` seconds after the first."""
    one = target.launcher.start(*first)
    one.runs_for(chance.uniform(0, late))
    two = other.start(*second)
    return one.wait(), two.wait()
