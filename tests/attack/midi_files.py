"""Hostile MIDI files: mutated ones, and whatever a few megabytes of events can be."""

import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path

from attack.damage import mutate
from attack.outcome import Outcome, judge
from attack.reading import read_all
from attack.target import Target

PER_ROUND = 40
# One event each, behind its delta time; `{}` bytes are drawn anew for each.
_EVENTS = (
    lambda c: bytes((0x90 | c.randrange(16), c.randrange(128), c.randrange(128))),  # a note begins, or ends
    lambda c: bytes((0x99, c.choice((36, 38, 42)), c.randrange(1, 128))),
    lambda c: bytes((0x80 | c.randrange(16), c.randrange(128), 0)),
    lambda c: bytes((0xB0 | c.randrange(16), c.choice((4, 64, 64, 123)), c.choice((0, 127)))),  # pedals
    lambda c: bytes((0xC0 | c.randrange(16), c.randrange(128))),
    lambda c: bytes((0xE0, 0, 64)),
    lambda c: b"\xff\x51\x03" + bytes(c.randrange(256) for _ in range(3)),  # tempo
    lambda c: b"\xff\x58\x04" + bytes((c.randrange(256), c.randrange(8), 24, 8)),  # metre
    lambda c: b"\xff\x59\x02\x00\x00",
    lambda c: b"\xff\x03\x04name",
    lambda c: b"\xf0\x03ab\xf7",
    lambda c: bytes((c.randrange(256), c.randrange(256))),
)
_DELTAS = (b"\x00", b"\x00", b"\x01", b"\x60", b"\x87\x68", b"\xff\xff\xff\x7f")


def mutate_midi(target: Target, chance: random.Random) -> Iterator[Outcome]:
    """Each is read or refused, in every way of reading, within seconds and megabytes."""
    good = [path.read_bytes() for path in _files(target)]
    cases = []
    for _ in range(PER_ROUND):
        if chance.random() < 0.85:
            cases.append(("mutated", mutate(chance.choice(good), chance)))
        else:
            cases.append(_compose(chance))
    found = read_all("midi", [data for _, data in cases], target.fresh("midi"))
    for (what, data), read in zip(cases, found, strict=True):
        yield judge(f"{what}, {len(data)} bytes", [read.broke])


def _files(target: Target) -> list[Path]:
    """Of generated songs, and of people where $DRUMJAX_DATA has them."""
    paths = sorted(target.songs.glob("*.mid"))
    if data := os.environ.get("DRUMJAX_DATA"):
        paths += sorted(Path(data).glob("groove/**/*.mid"))[::10]
        paths += sorted(Path(data).glob("field_cases/*.mid")) + sorted(Path(data).glob("piano_midi_de/**/*.mid"))[::50]
    return paths


def _compose(chance: random.Random) -> tuple[str, bytes]:
    """A well-formed file of up to some megabytes, of a few kinds of event in few or many tracks."""
    size = int(2 ** chance.uniform(10, 22))
    num_tracks = int(2 ** chance.uniform(0, 12))
    kinds = chance.sample(range(len(_EVENTS)), chance.choice((1, 1, 2, 4)))
    tracks = []
    for number in range(num_tracks):
        use, body = kinds if number % 2 else kinds[:1], bytearray()
        pool = [chance.choice(_DELTAS[: chance.randint(1, 6)]) + _EVENTS[chance.choice(use)](chance) for _ in range(64)]
        while len(body) < size / num_tracks:
            body += chance.choice(pool)
        body += b"\x00\xff\x2f\x00"
        tracks.append(b"MTrk" + struct.pack(">I", len(body)) + body)
    header = struct.pack(">HHH", 1, min(num_tracks, 65535), chance.choice((1, 96, 480, 32767)))
    return f"events {kinds} in {num_tracks} tracks", b"MThd\0\0\0\x06" + header + b"".join(tracks)
