"""Mutated tabs, drum maps, manifests, config.json, metrics.jsonl and info.csv: each read, or refused in one line."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

from tiny_run import ROOT

from attack.damage import mutate, mutate_json
from attack.outcome import Outcome, judge
from attack.reading import read_all
from attack.target import Target

PER_ROUND = 60
DRUM_MAP = {"read": {"36": "kick", "38": "snare", "42": "closed hi-hat"}, "write": {"kick": 36, "snare": 40}}
KINDS = ("tab", "drum_map", "manifest", "config", "metrics", "info")


def mutate_text(target: Target, chance: random.Random) -> Iterator[Outcome]:
    """One of the kinds, many times."""
    kind = chance.choice(KINDS)
    cases = [_make(kind, target, chance) for _ in range(PER_ROUND)]
    for data, read in zip(cases, read_all(kind, cases, target.fresh("text")), strict=True):
        yield judge(f"{kind}, {len(data)} bytes, {data[:60]!r}", [read.broke])


def _make(kind: str, target: Target, chance: random.Random) -> bytes:
    if kind == "tab":
        return mutate(chance.choice(_tabs()).read_bytes(), chance)
    if kind == "drum_map":
        return mutate_json(DRUM_MAP, chance)
    if kind == "config":
        return mutate_json(json.loads((target.finished / "config.json").read_bytes()), chance)
    if kind == "metrics":
        return _mutate_line((target.finished / "metrics.jsonl").read_bytes(), chance)
    if kind == "manifest":
        row = {"file": "000000.mid", "index": 0, "seed": 0, "job": "0123456789abcdef", "nll": {"hits": 1.0}}
        rows = [row | {"file": f"{index:06d}.mid", "index": index} for index in range(3)]
        return _mutate_line(b"".join(json.dumps(row).encode() + b"\n" for row in rows), chance)
    return mutate(_info(), chance)


def _mutate_line(data: bytes, chance: random.Random) -> bytes:
    """One line changed as JSON, or any bytes."""
    if chance.random() < 0.3:
        return mutate(data, chance)
    lines = data.splitlines()
    number = chance.randrange(len(lines))
    lines[number] = mutate_json(json.loads(lines[number]), chance)
    return b"\n".join(lines) + chance.choice((b"", b"\n"))


def _tabs() -> list[Path]:
    paths = sorted((ROOT / "drumjax" / "data" / "starter_grooves").glob("*.tab"))
    data = Path(os.environ.get("DRUMJAX_DATA", "/nowhere")) / "field_cases"
    return paths + sorted([*data.glob("*.tab"), *data.glob("*.txt")])


def _info() -> bytes:
    head = "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split"
    row = "drummer1,drummer1/session1,drummer1/session1/{0},rock,120,beat,4-4,drummer1/{0}.mid,,20.5,train"
    return "\n".join([head, *(row.format(number) for number in range(5))]).encode()
