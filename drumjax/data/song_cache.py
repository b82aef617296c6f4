"""The songs of many MIDI files in one compressed file, so that they are parsed once.

A cache file holds arrays and JSON text only. It is loaded without pickle, so nothing in it can run code, and one that
is damaged or cannot be written costs time and nothing else.
"""

import dataclasses
import io
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from drumjax.music.notes import Notes, Notice, Song
from drumjax.music.sections import name_part

logger = logging.getLogger(__name__)

# Part of every cache key: raise it when the arrays below change.
CACHE_VERSION = 3

# What reading a file gives: its songs, at least one, or the reason why there is none.
Result = list[Song] | str


def pack_songs(results: Sequence[Result]) -> dict[str, np.ndarray]:
    """Arrays that hold the results of reading files.

    index [S] is a song's place among the results, where several may be of one file, song_start [S+1] its span among the
    notes [N] of all songs, which lie end to end; failures and notices are JSON text. Style, fill, split and drummer are
    not kept: they do not come from the file, nor are timelines.
    """
    songs = [(index, song) for index, result in enumerate(results) if not isinstance(result, str) for song in result]
    notices = {
        row: [dataclasses.astuple(n) for n in song.notices] for row, (_, song) in enumerate(songs) if song.notices
    }
    failures = {index: result for index, result in enumerate(results) if isinstance(result, str)}

    def join(field: str, dtype) -> np.ndarray:
        arrays = [np.asarray(getattr(song.notes, field), dtype) for _, song in songs]
        return np.concatenate([np.zeros(0, dtype), *arrays])

    sizes = [len(song.notes.onset_beat) for _, song in songs]
    return {
        "index": np.asarray([index for index, _ in songs], np.int64),
        "song_start": np.cumsum([0, *sizes], dtype=np.int64),
        "onset_beat": join("onset_beat", np.float32),
        "duration_beat": join("duration_beat", np.float32),
        "pitch": join("pitch", np.uint8),
        "velocity": join("velocity", np.uint8),
        "tempo_bpm": np.asarray([song.tempo_bpm for _, song in songs], np.float64),
        "time_signature": np.asarray([song.time_signature for _, song in songs], np.int64).reshape(-1, 2),
        "program": np.asarray([song.program for _, song in songs], np.uint8),
        "is_drums": np.asarray([song.is_drums for _, song in songs], bool),
        "failures": np.frombuffer(json.dumps(failures).encode(), np.uint8),
        "notices": np.frombuffer(json.dumps(notices).encode(), np.uint8),
    }


def unpack_songs(arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> list[Result]:
    """The results that pack_songs packed, songs under these names, one per result.

    Raises ValueError, or whatever numpy and json raise, where the arrays do not fit together.
    """
    data = {key: arrays[key] for key in arrays}  # a mapping that npz files decompress anew at every access
    results: list[Result] = [[] for _ in names]
    for index, reason in json.loads(data["failures"].tobytes()).items():
        results[int(index)] = str(reason)
    notices = json.loads(data["notices"].tobytes())
    counts = np.bincount(data["index"], minlength=len(names))
    for row, index in enumerate(data["index"].tolist()):
        span = slice(*data["song_start"][row : row + 2].tolist())
        numerator, denominator = data["time_signature"][row].tolist()
        songs = results[index]
        if isinstance(songs, str):
            raise ValueError("a song and a failure of one file")
        song = Song(
            notes=_cut_notes(data, span),
            tempo_bpm=float(data["tempo_bpm"][row]),
            time_signature=(numerator, denominator),
            is_drums=bool(data["is_drums"][row]),
            name=name_part(names[index], len(songs), int(counts[index])),
            program=int(data["program"][row]),
            notices=tuple(Notice(str(reason), int(count)) for reason, count in notices.get(str(row), ())),
        )
        songs.append(song)
    if not all(results):
        raise ValueError("results are missing")
    return results


def _cut_notes(data: Mapping[str, np.ndarray], span: slice) -> Notes:
    notes = Notes(
        onset_beat=data["onset_beat"][span],
        duration_beat=data["duration_beat"][span],
        pitch=data["pitch"][span].astype(np.int32),
        velocity=data["velocity"][span].astype(np.int32),
        mask=np.ones(span.stop - span.start, bool),
    )
    if not all(len(array) == len(notes.mask) > 0 for array in notes):
        raise ValueError("song_start does not fit the notes")
    return notes


def load_songs(path: Path, names: Sequence[str]) -> list[Result] | None:
    """The results kept at `path`, under these names; None if there are none or the file is damaged."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:  # checks a CRC-32 per array
            return unpack_songs(arrays, names)
    except Exception as error:  # a damaged zip raises a dozen types; whatever it is, the remedy is to read again
        logger.warning("the cache %s is damaged (%s); reading the MIDI files again", path, type(error).__name__)
        return None


def store_songs(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays of pack_songs to `path`, whole or not at all; where that fails it logs a warning."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".songs-", delete=False) as file:
            temporary = file.name
            file.write(buffer.getvalue())
        os.replace(temporary, path)
    except OSError as error:
        logger.warning("cannot keep the songs at %s (%s); they will be parsed again next time", path, error)
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
