"""SIGTERM, SIGINT, two of them, SIGHUP and SIGKILL at random moments, from the first import to the end."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from attack.kills import check_end
from attack.outcome import Outcome, check_output, judge
from attack.target import Target, half_written
from drumjax.midi.writer import encode_song
from drumjax.music.notes import Song, make_notes
from drumjax.system.stop_signals import TWICE_SECONDS

MANY_FILES = 300  # so many that several processes read them
FINISHED, REFUSED, RESUMABLE = 0, 1, 75


def send_signals(target: Target, chance: random.Random) -> Iterator[Outcome]:
    """One program, signalled once or twice; then, if it can go on, the same command to its end."""
    name = chance.choice(("train", "train", "sample", "sample", "read", "read"))
    signals = chance.choice(
        (["TERM"], ["INT"], ["TERM"], ["INT"], ["INT", "INT"], ["TERM", "TERM"], ["INT", "TERM"], ["HUP"], ["KILL"])
    )
    where = target.fresh("signalled")
    command = {
        "train": target.train(where),
        "sample": target.sample(where),
        "read": ["drumjax.explore", f"--dir={many_songs(target)}", f"--out_dir={where}"],
    }[name]
    cache = target.fresh("cold_cache") if name == "read" else target.programs.folder / "cache"
    is_cold = chance.random() < 0.25  # signalled while it imports the libraries
    program = target.launcher.start(*command, cold=is_cold, XDG_CACHE_HOME=str(cache))
    if is_cold:
        program.runs_for(chance.uniform(0, 3))
    elif name == "read" and chance.random() < 0.8:  # while workers read
        while program.runs_for(0.01) and len(program.workers_now()) < 2:
            pass
        program.runs_for(chance.uniform(0, 1))
    else:
        program.runs_for(chance.uniform(0, 8))
    to_group = chance.random() < 0.5
    for number, text in enumerate(signals):
        if number:
            program.runs_for(TWICE_SECONDS + chance.uniform(0.05, 0.5))
        program.send(signal.Signals[f"SIG{text}"], to_group=to_group)
    since = time.monotonic()
    end = program.wait()
    took = time.monotonic() - since
    what = f"{name}, {'+'.join(signals)}{' to all' if to_group else ''}{' as it starts' if is_cold else ''}"
    # What no program answers, or not yet, as it starts, ends it as the system does.
    numbers = [signal.Signals[f"SIG{text}"] for text in signals]
    ended_by = [-number for number in numbers if is_cold or number in (signal.SIGHUP, signal.SIGKILL)]
    problems = check_output(end.status, end.output, (FINISHED, RESUMABLE, *ended_by))
    if is_cold and end.status == -signal.SIGINT:  # Python itself, in its first tenths of a second, prints a traceback
        problems = [problem for problem in problems if not problem.startswith("traceback")]
    if took > 60:
        problems.append(f"ended {took:.0f} seconds after the signal")
    if left := program.workers():
        problems.append(f"workers that go on: {left}")
    if where.exists():
        problems += half_written(where)
    yield judge(what, problems)
    end = target.launcher.run(*command, XDG_CACHE_HOME=str(cache))
    problems = check_output(end.status, end.output, (FINISHED,))
    if name == "train":
        problems += check_end(target, where)
    elif name == "sample":
        problems += target.check_samples(where)
    yield judge(f"{what}, then to the end", problems)


def many_songs(target: Target) -> Path:
    """A folder of so many files, all different."""
    folder = target.folder / "many"
    if not folder.exists():
        folder.mkdir()
        for number in range(MANY_FILES):
            generator = random.Random(number)
            onset = sorted(generator.uniform(0, 60) for _ in range(400))
            pitch = [generator.choice((36, 38, 42, 46)) for _ in onset]
            song = Song(make_notes(onset, [0.1] * 400, pitch, [80] * 400), is_drums=True)
            (folder / f"{number}.mid").write_bytes(encode_song(song))
    return folder
