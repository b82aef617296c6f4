"""Plain files, as drumjax writes most: one channel, one tempo, one time signature. Read in a fraction of the time."""

import os
from pathlib import Path

import numpy as np

from drumjax.midi.chunks import DRUM_CHANNEL, DamageError, iterate_events, load_bytes, split_tracks
from drumjax.midi.writer import MAX_TEMPO_BPM, MIN_TEMPO_BPM
from drumjax.music.metre import is_metre
from drumjax.music.notes import Song, make_notes

_NAME, _TEMPO, _TIME_SIGNATURE = 0x03, 0x51, 0x58  # types of meta event


def read_plain(path: str | os.PathLike[str], *, is_drums: bool) -> Song | None:
    """The song of a plain file, the same as read_midi's but for its timeline and notices; None for a file that is not
    plain, holds no note, or is damaged, which read_midi may read. Raises OSError."""
    try:
        division, bodies, notices = split_tracks(load_bytes(path))
        events = [event for body, size in bodies for event in iterate_events(body, size)]
    except DamageError:
        return None
    channel = DRUM_CHANNEL if is_drums else 0
    heads: dict[int, bytes] = {}  # what is said once, at the beginning
    struck: list[tuple[int, int, int, int]] = []  # (start, end, pitch, velocity)
    sounding: dict[int, tuple[int, int]] = {}  # start and velocity, by pitch
    for tick, kind, data in events:
        if kind == 0x90 | channel and data[1] and data[0] not in sounding:
            sounding[data[0]] = tick, data[1]
        elif kind == 0x80 | channel or (kind == 0x90 | channel and not data[1]):
            if data[0] not in sounding:
                return None
            start, velocity = sounding.pop(data[0])
            struck.append((start, tick, data[0], velocity))
        elif kind in (_TEMPO, _TIME_SIGNATURE, 0xC0 | channel) and not tick and kind not in heads:
            heads[kind] = data
        elif kind not in (_NAME, 0x2F):
            return None
    metre = heads.get(_TIME_SIGNATURE, b"")
    if notices or sounding or not struck or len(heads.get(_TEMPO, b"")) != 3 or len(metre) < 2 or metre[1] > 6:
        return None
    tempo_bpm = 60e6 / max(1, int.from_bytes(heads[_TEMPO], "big"))
    time_signature = metre[0], 1 << metre[1]
    if not MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM or not is_metre(*time_signature):
        return None
    start, end, pitch, velocity = np.asarray(struck).T
    program = 0 if is_drums else heads.get(0xC0, b"\0")[0]
    notes = make_notes(start / division, (end - start) / division, pitch, velocity)
    return Song(notes, tempo_bpm, time_signature, is_drums=is_drums, name=Path(path).name, program=program)
