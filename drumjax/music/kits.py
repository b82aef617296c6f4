"""Drum maps: which MIDI pitches are which drum, and which pitch to write for each drum.

Reading and writing are separate, because players' electronic kits send pitches that General MIDI does not define
(22, 26 and 58 on a Roland TD-11) while what we write must sound right on any synthesizer.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Kit:
    """A partition of MIDI pitches into drum classes.

    names       one name per class; class k is bit k of a `hits` token
    symbols     one row label per class for drum tabs
    pitches     per class, the MIDI pitches read as it
    write       per class, the General MIDI pitch written for it
    """

    name: str
    names: tuple[str, ...]
    symbols: tuple[str, ...]
    pitches: tuple[tuple[int, ...], ...]
    write: tuple[int, ...]

    @property
    def num_classes(self) -> int:
        return len(self.names)

    def class_table(self) -> np.ndarray:
        """[128] int32: the class of each MIDI pitch, -1 for pitches the kit does not know."""
        table = np.full(128, -1, np.int32)
        for k, pitches in enumerate(self.pitches):
            table[list(pitches)] = k
        return table

    def pitch_table(self) -> np.ndarray:
        """[num_classes] int32: the pitch to write for each class."""
        return np.asarray(self.write, np.int32)


_NINE = ("kick", "snare", "closed hi-hat", "open hi-hat", "low tom", "mid tom", "high tom", "crash", "ride")
_NINE_SYMBOLS = ("BD", "SD", "HH", "OH", "LT", "MT", "HT", "CC", "RC")
_NINE_WRITE = (36, 38, 42, 46, 43, 47, 50, 49, 51)

# Gillick et al., "Learning to Groove with Inverse Sequence Transformations", ICML 2019, Table 5 (Roland TD-11).
ROLAND_TD11 = Kit(
    name="roland_td11",
    names=_NINE,
    symbols=_NINE_SYMBOLS,
    pitches=(
        (36,),
        (38, 40, 37),
        (42, 22, 44),
        (46, 26),
        (43, 58),
        (47, 45),
        (50, 48),
        (49, 52, 55, 57),
        (51, 53, 59),
    ),
    write=_NINE_WRITE,
)

# General MIDI level 1 percussion (pitches 35..81) folded into the same nine classes; hand percussion goes to the
# drum whose role it takes. 48 is a mid tom and 45 a low tom here, unlike on the TD-11.
GENERAL_MIDI = Kit(
    name="general_midi",
    names=_NINE,
    symbols=_NINE_SYMBOLS,
    pitches=(
        (36, 35),
        (38, 27, 28, 31, 32, 33, 34, 37, 39, 40, 56, 65, 66, 75, 85),
        (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 22),
        (46, 67, 72, 74, 79, 81, 26),
        (45, 29, 41, 43, 61, 64, 84),
        (48, 47, 60, 63, 77, 86, 87),
        (50, 30, 62, 76, 83),
        (49, 52, 55, 57, 58),
        (51, 53, 59, 82),
    ),
    write=(36, 38, 42, 46, 45, 48, 50, 49, 51),
)

# Every pitch is the same drum: rhythm alone.
ONE_DRUM = Kit(
    name="one_drum",
    names=("drum",),
    symbols=("DR",),
    pitches=(tuple(range(128)),),
    write=(38,),
)

KITS = {kit.name: kit for kit in (ROLAND_TD11, GENERAL_MIDI, ONE_DRUM)}

# What the nine drums are called by instruments that do not go by General MIDI: for writing only. The TD-11's factory
# pitches for its pads, and the default key map of Addictive Drums 2 (hi-hat: closed 1 tip and open A; ride 1 tip).
OUT_MAPS = {
    "general_midi": dict(zip(_NINE, GENERAL_MIDI.write, strict=True)),
    "roland_td11": dict(zip(_NINE, (36, 38, 42, 46, 43, 45, 48, 49, 51), strict=True)),
    "addictive_drums_2": dict(zip(_NINE, (36, 38, 49, 54, 65, 69, 71, 77, 60), strict=True)),
}


class KitError(ValueError):
    """A drum map that cannot be used; the message says which, and what it must be."""


def get_kit(name: str) -> Kit:
    """The kit of that name. Raises ValueError naming the ones there are."""
    if name not in KITS:
        raise ValueError(f"unknown kit {name!r}; there are: {', '.join(sorted(KITS))}")
    return KITS[name]


@dataclasses.dataclass(frozen=True, eq=False)
class DrumMap:
    """How another instrument names the drums of a kit.

    read   [128] int32, the drum of each pitch, -1 for none
    write  the pitch of each drum, by name; some may be missing
    """

    read: np.ndarray
    write: dict[str, int]


def read_map(name: str, drums: tuple[str, ...]) -> DrumMap:
    """A drum map in terms of `drums`.

    `name` is one of KITS or OUT_MAPS, or a JSON file:

        {"read": {"36": "kick", "38": "snare", "40": "snare"}, "write": {"kick": 36, "snare": 38}}

    either part of which may be missing. Raises KitError.
    """
    if not name.endswith(".json"):
        if name not in {**KITS, **OUT_MAPS}:
            raise KitError(
                f"no drum map {name!r}; there are {', '.join(sorted({**KITS, **OUT_MAPS}))}, or a .json file"
            )
        kit = KITS.get(name, ROLAND_TD11)
        read = {pitch: drum for drum, pitches in zip(kit.names, kit.pitches, strict=True) for pitch in pitches}
        return DrumMap(_table(name, read, drums), OUT_MAPS.get(name, dict(zip(kit.names, kit.write, strict=True))))
    try:
        content: Any = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise KitError(f"cannot read the drum map {name}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(content, dict) or not content or not set(content) <= {"read", "write"}:
        raise KitError(f'{name}: a drum map is {{"read": {{"36": "kick"}}, "write": {{"kick": 36}}}}')
    read, write = content.get("read", {}), content.get("write", {})
    pitches = [*read, *write.values()] if isinstance(read, dict) and isinstance(write, dict) else [None]
    for pitch in pitches:
        if not str(pitch).isdecimal() or not 0 <= int(str(pitch)) <= 127:
            raise KitError(f"{name}: {pitch!r} is not a MIDI pitch, 0..127")
    for drum in [*read.values(), *write]:
        if drum not in drums:
            raise KitError(f"{name}: no drum is called {drum!r}; there are: {', '.join(drums)}")
    table = _table(name, {int(pitch): drum for pitch, drum in read.items()}, drums)
    return DrumMap(table, {drum: int(pitch) for drum, pitch in write.items()})


def _table(name: str, read: dict[int, str], drums: tuple[str, ...]) -> np.ndarray:
    table = np.full(128, -1, np.int32)
    for pitch, drum in read.items():
        if drum not in drums:
            raise KitError(f"drum map {name!r} has a drum {drum!r}, which this model does not play")
        table[pitch] = drums.index(drum)
    return table
