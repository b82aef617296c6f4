"""Drum maps: how other instruments name the drums of a kit, for reading and for writing."""

import dataclasses
from typing import Any

import numpy as np

from drumjax.music.kits import GENERAL_MIDI, KITS, NINE_DRUMS, ROLAND_TD11, Kit, KitError
from drumjax.music.notes import Song
from drumjax.system.files import user_path
from drumjax.system.strict_json import JsonError, read_json

# What the nine drums are called by instruments that do not go by General MIDI: for writing only. The TD-11's factory
# pitches for its pads, and the default key map of Addictive Drums 2 (hi-hat: closed 1 tip and open A; ride 1 tip).
OUT_MAPS = {
    "general_midi": dict(zip(NINE_DRUMS, GENERAL_MIDI.write, strict=True)),
    "roland_td11": dict(zip(NINE_DRUMS, (36, 38, 42, 46, 43, 45, 48, 49, 51), strict=True)),
    "addictive_drums_2": dict(zip(NINE_DRUMS, (36, 38, 49, 54, 65, 69, 71, 77, 60), strict=True)),
}


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
        content: Any = read_json(user_path(name))
    except (OSError, JsonError) as error:
        raise KitError(f"cannot read the drum map {name}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(content, dict) or not content or not set(content) <= {"read", "write"}:
        raise KitError(f'{name}: a drum map is {{"read": {{"36": "kick"}}, "write": {{"kick": 36}}}}')
    read, write = content.get("read", {}), content.get("write", {})
    pitches = [*read, *write.values()] if isinstance(read, dict) and isinstance(write, dict) else [None]
    for pitch in pitches:
        text = str(pitch)
        if not text.isdecimal() or len(text) > 3 or int(text) > 127:
            raise KitError(f"{name}: {repr(pitch)[:40]} is not a MIDI pitch, 0..127")
    for drum in [*read.values(), *write]:
        if drum not in drums:
            raise KitError(f"{name}: no drum is called {repr(drum)[:40]}; there are: {', '.join(drums)}")
    table = _table(name, {int(pitch): drum for pitch, drum in read.items()}, drums)
    return DrumMap(table, {drum: int(pitch) for drum, pitch in write.items()})


def _table(name: str, read: dict[int, str], drums: tuple[str, ...]) -> np.ndarray:
    table = np.full(128, -1, np.int32)
    for pitch, drum in read.items():
        if drum not in drums:
            raise KitError(f"drum map {name!r} has a drum {drum!r}; there are: {', '.join(drums)}")
        table[pitch] = drums.index(drum)
    return table


def count_meeting(song: Song) -> int:
    """Notes that have the onset and the pitch of another, of which a file can hold one: two drums that a map writes as
    one may have been hit together."""
    notes = song.notes
    return len(notes.pitch) - len(set(zip(notes.onset_beat.tolist(), notes.pitch.tolist(), strict=True)))


def write_pitches(song: Song, kit: Kit, drum_map: DrumMap) -> Song:
    """The song in the pitches of another instrument; drums that the map lacks keep theirs."""
    out = np.asarray(
        [drum_map.write.get(name, pitch) for name, pitch in zip(kit.names, kit.write, strict=True)], np.int32
    )
    drum = kit.class_table()[song.notes.pitch]
    pitch = np.where(drum >= 0, out[drum], song.notes.pitch).astype(np.int32)
    return dataclasses.replace(song, notes=song.notes._replace(pitch=pitch))
