"""The command: every attack for its share of the time, then a table of what held and what broke."""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from attack.checkpoints import damage_checkpoints
from attack.full_disk import fill_disk
from attack.kills import kill_sampling, kill_training
from attack.midi_files import mutate_midi
from attack.outcome import Outcome
from attack.pairs import run_pairs
from attack.signals import send_signals
from attack.target import Target, make_target
from attack.text_files import mutate_text


class Attack(NamedTuple):
    """title   its row of the table
    run     one round, a few tries; all chance comes from its argument
    share   of the time, in parts
    """

    title: str
    run: Callable[[Target, random.Random], Iterator[Outcome]]
    share: int


ATTACKS = {
    "kills": Attack("training killed at random times, then resumed", kill_training, 5),
    "samples": Attack("sampling killed at random times, then restarted", kill_sampling, 3),
    "flips": Attack("checkpoints with flipped bits, truncated, zeroed, deleted files", damage_checkpoints, 2),
    "midi": Attack("mutated and made-up MIDI files, read in four ways", mutate_midi, 3),
    "text": Attack("mutated tabs, drum maps, manifests, configs, metrics, info.csv", mutate_text, 2),
    "disk": Attack("full disk, then room again: training, sampling, evaluating, exploring, caches", fill_disk, 4),
    "signals": Attack("SIGTERM, SIGINT, SIGHUP, SIGKILL, two at once, then resumed", send_signals, 5),
    "pairs": Attack("two jobs at once on one folder", run_pairs, 4),
}


def run_round(target: Target, name: str, seed: int, number: int) -> Iterator[Outcome]:
    """The tries of one round, the same for the same numbers but for how fast the machine is."""
    yield from ATTACKS[name].run(target, random.Random(f"{seed} {name} {number}"))


def make_table(outcomes: dict[str, list[Outcome]]) -> str:
    """Markdown."""
    rows = ["| attack | tries | held | broke |", "|---|---|---|---|"]
    for name, tries in outcomes.items():
        held = sum(not outcome.broke for outcome in tries)
        rows.append(f"| {ATTACKS[name].title} | {len(tries)} | {held} | {len(tries) - held} |")
    return "\n".join(rows)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True, help="a new folder, where all of it happens")
    parser.add_argument("--minutes", type=float, default=10, help="how long; each attack has one round at least")
    parser.add_argument("--seed", type=int, default=0, help="another seed tries other things")
    parser.add_argument("--only", default=",".join(ATTACKS), help=f"some of {','.join(ATTACKS)}")
    parser.add_argument("--round", type=int, help="this round alone, to repeat what broke")
    given = parser.parse_args(argv)
    names = given.only.split(",")
    if unknown := set(names) - set(ATTACKS):
        parser.error(f"no attack {', '.join(sorted(unknown))}; there are {', '.join(ATTACKS)}")
    if given.workdir.exists() and any(given.workdir.iterdir()):
        parser.error(f"{given.workdir} is not empty: give a new folder")
    start = time.monotonic()
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    with make_target(given.workdir) as target:
        for place, name in enumerate(names):
            left = start + 60 * given.minutes - time.monotonic()
            until = time.monotonic() + left * ATTACKS[name].share / sum(ATTACKS[n].share for n in names[place:])
            number = given.round or 0
            while True:
                for outcome in run_round(target, name, given.seed, number):
                    outcomes[name].append(outcome)
                    if outcome.broke:
                        again = f"--only {name} --seed {given.seed} --round {number}"
                        print(f"BROKE: {name}: {outcome.what}: {outcome.broke}\n  again: {again}", flush=True)
                number += 1
                if given.round is not None or time.monotonic() > until:
                    break
            print(f"{name}: {len(outcomes[name])} tries", file=sys.stderr, flush=True)
    print(make_table(outcomes))
    return int(any(outcome.broke for tries in outcomes.values() for outcome in tries))
