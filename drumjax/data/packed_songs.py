"""Songs as a few arrays and JSON text, as they pass between processes and lie on disk."""

import dataclasses
import json
from collections.abc import Mapping, Sequence

import numpy as np

from drumjax.midi.walk import MAX_BEATS
from drumjax.music.metre import is_metre
from drumjax.music.notes import Notes, Notice, Song
from drumjax.music.sections import name_part

# Part of every cache key: raise it when the arrays below change.
CACHE_VERSION = 3

_MAX_TEMPO_BPM = 60e6  # a microsecond for a beat, the fastest that a file can say

_NOTE_FIELDS = {"onset_beat": np.float32, "duration_beat": np.float32, "pitch": np.uint8, "velocity": np.uint8}
_SONG_FIELDS = {
    "index": np.int64,
    "tempo_bpm": np.float64,
    "time_signature": np.int64,
    "program": np.uint8,
    "is_drums": np.bool_,
}
_TEXTS = ("failures", "notices")
FIELDS = (*_NOTE_FIELDS, *_SONG_FIELDS, "song_start", *_TEXTS)

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

    Raises ValueError, or whatever numpy and json raise, where the arrays do not fit together, or hold what no song can.
    """
    data = {key: arrays[key] for key in FIELDS}  # a mapping that npz files decompress anew at every access
    _check_songs(data, len(names))
    _check_notes(data)
    results: list[Result] = [[] for _ in names]
    for index, reason in json.loads(data["failures"].tobytes()).items():
        _require(int(index) >= 0 and reason and isinstance(reason, str), "a failure without a place or reason")
        results[int(index)] = reason
    notices = json.loads(data["notices"].tobytes())
    counts = np.bincount(data["index"], minlength=len(names))
    for row, index in enumerate(data["index"].tolist()):
        span = slice(*data["song_start"][row : row + 2].tolist())
        numerator, denominator = data["time_signature"][row].tolist()
        songs = results[index]
        _require(not isinstance(songs, str), "a song and a failure of one file")
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
    _require(all(results), "results are missing")
    return results


def _check_songs(data: Mapping[str, np.ndarray], num_files: int) -> None:
    """Raises ValueError unless the arrays are of songs of so many files."""
    for field, dtype in {
        **_NOTE_FIELDS,
        **_SONG_FIELDS,
        "song_start": np.int64,
        **dict.fromkeys(_TEXTS, np.uint8),
    }.items():
        shape = data[field].shape
        _require(data[field].dtype == dtype, f"{field} of another type")
        _require(shape[1:] == ((2,) if field == "time_signature" else ()) and len(shape), f"{field} of another shape")
    index, start = data["index"], data["song_start"]
    _require(all(len(data[field]) == len(index) for field in _SONG_FIELDS), "not one of everything for each song")
    _require((np.diff(index) >= 0).all() and ((index >= 0) & (index < num_files)).all(), "songs of no file")
    _require(len(start) == len(index) + 1 and start[0] == 0 and (np.diff(start) > 0).all(), "songs without notes")
    _require(all(len(data[field]) == start[-1] for field in _NOTE_FIELDS), "song_start does not fit the notes")
    _require(all(is_metre(*metre) for metre in np.unique(data["time_signature"], axis=0).tolist()), "no metre")
    tempo = data["tempo_bpm"]
    _require(((tempo > 0) & (tempo <= _MAX_TEMPO_BPM)).all(), "no tempo")
    _require((data["program"] < 128).all(), "no program")


def _check_notes(data: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError unless the notes of each song are in order, and can be played."""
    onset, duration, pitch, velocity = (data[field] for field in _NOTE_FIELDS)
    # Comparisons that are false for what is not a number.
    _require((np.abs(onset) < 2 * MAX_BEATS).all(), "onsets that no song has")
    _require(((duration >= 0) & (duration < np.inf)).all(), "durations that no note has")
    _require((pitch < 128).all() and ((velocity > 0) & (velocity < 128)).all(), "notes that cannot be played")
    is_after = np.diff(onset) >= 0
    is_after[data["song_start"][1:-1] - 1] = True  # from one song to the next
    _require(is_after.all(), "notes that are not in order")


def _require(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _cut_notes(data: Mapping[str, np.ndarray], span: slice) -> Notes:
    return Notes(
        onset_beat=data["onset_beat"][span],
        duration_beat=data["duration_beat"][span],
        pitch=data["pitch"][span].astype(np.int32),
        velocity=data["velocity"][span].astype(np.int32),
        mask=np.ones(span.stop - span.start, bool),
    )
