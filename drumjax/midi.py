"""Read and write MIDI files: the only module that knows miditoolkit.

Files in the wild are damaged in every way there is, and miditoolkit (over mido) answers with eight kinds of exception,
with silence, or with gigabytes. So a file is first *washed*: one bounded walk over its bytes keeps the notes, tempos
and time signatures, checked, and drops the rest (pedals, key signatures, sysex, lyrics). miditoolkit reads the result.
"""

import io
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import miditoolkit
import numpy as np

from drumjax.files import write_atomically
from drumjax.notes import Song, make_notes

TICKS_PER_BEAT = 480  # of the files we write; also that of the Groove MIDI Dataset
MAX_FILE_BYTES = 4_000_000  # the largest Groove file has 155,615
MAX_NOTES = 100_000  # the largest Groove file has 11,513
MAX_BEATS = 20_000  # almost three hours at 120 bpm; float32 onsets are still exact to half a tick
MIN_TEMPO_BPM, MAX_TEMPO_BPM = 10.0, 1000.0
_MAX_CHANGES = 50_000  # tempos and time signatures; a rubato piano piece has 6,641
_MAX_OVERLAP = 256  # sounding notes of one pitch; miditoolkit copies the list of them at every note off
_MAX_TRACKS = 1000
_END_OF_TRACK, _TEMPO, _TIME_SIGNATURE = 0x2F, 0x51, 0x58  # types of meta event, Standard MIDI Files 1.0


class MidiError(ValueError):
    """A MIDI file that cannot be used: `path`, a short countable `reason` without the path, and a free `detail`."""

    def __init__(self, path: str | os.PathLike[str], reason: str, detail: str = ""):
        super().__init__(os.fspath(path), reason, detail)  # all three, so that it survives pickling between processes
        self.path, self.reason, self.detail = os.fspath(path), reason, detail

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


class _DamageError(Exception):
    """The reason and detail of a MidiError, where the path is not known."""


def _require(condition: object, reason: str, detail: str = "") -> None:
    if not condition:
        raise _DamageError(reason, detail)


def read_midi(path: str | os.PathLike[str], *, instrument: str = "drums") -> Song:
    """The performance in a MIDI file, named after the file; raises MidiError, and nothing else, for a bad file.

    instrument: "drums" takes the notes of channel 10, from whatever tracks; "all" takes all notes of all tracks (for
    other instruments, and for drums on another channel), and is_drums then says if all of them are on channel 10.

    Onsets and durations are ticks over ticks per beat, so tempo changes do not move notes. The tempo is the one that
    sounds longest between first and last onset, the time signature the one in force at the first note (120 bpm and
    4/4 if the file is silent on them). Of notes with the same tick and pitch the loudest stays; zero durations stay;
    notes that never end are dropped.
    """
    if instrument not in ("drums", "all"):
        raise ValueError(f'unknown instrument {instrument!r}; there are: "drums", "all"')
    try:
        clean = _wash(_load(path), drums_only=instrument == "drums")
        midi = miditoolkit.MidiFile(file=io.BytesIO(clean))
    except _DamageError as damage:
        raise MidiError(path, *damage.args) from None
    except OSError as error:
        raise MidiError(path, error.strerror or type(error).__name__) from error
    except Exception as error:  # no known file gets here; one more surprise must not stop a run over 10,000 files
        raise MidiError(path, "unreadable", f"{type(error).__name__}: {error}") from error

    notes = [(n.start, n.pitch, n.velocity, n.end - n.start) for part in midi.instruments for n in part.notes]
    if not notes:
        raise MidiError(path, "no complete note", "none is ever ended")
    tick, pitch, velocity, duration = _keep_loudest(*np.asarray(notes, np.int64).T)
    tempo = _longest_tempo(midi, int(tick[0]), int(tick[-1]))
    if not MIN_TEMPO_BPM <= tempo <= MAX_TEMPO_BPM:
        raise MidiError(path, "tempo out of range", f"{tempo:.6g} bpm")
    signatures = [(s.numerator, s.denominator) for s in midi.time_signature_changes if s.time <= tick[0]]
    return Song(
        make_notes(tick / midi.ticks_per_beat, duration / midi.ticks_per_beat, pitch, velocity),
        tempo_bpm=tempo,
        time_signature=signatures[-1] if signatures else (4, 4),
        is_drums=all(part.is_drum for part in midi.instruments if part.notes),
        name=Path(path).name,
    )


def write_midi(song: Song, path: str | os.PathLike[str]) -> None:
    """Write a song as a standard MIDI file (format 1, 480 ticks per beat), drums on channel 10, others on channel 1.

    Pitches are written as they are. Onsets are rounded to ticks, early ones to tick 0; a note lasts at least one tick
    and ends when its pitch is next struck; of notes with the same tick and pitch the loudest stays; velocities are
    clipped to 1..127. Equal songs give equal bytes. The file appears whole or not at all, and one that was there
    stays as it was if anything fails. Raises ValueError if the song cannot be written, OSError, naming the path, if
    the file cannot.
    """
    try:
        data = _encode(song)
    except ValueError as error:
        raise ValueError(f"cannot write {os.fspath(path)}: {error}") from error
    write_atomically(path, data)


def _encode(song: Song) -> bytes:
    """The bytes of a MIDI file. Raises ValueError for what read_midi would not accept back."""
    notes = [np.asarray(field)[np.asarray(song.notes.mask, bool)].astype(np.float64) for field in song.notes[:4]]
    if not all(np.isfinite(field).all() for field in notes):
        raise ValueError("a note has a value that is not finite")
    onset, duration, pitch, velocity = notes
    if ((pitch < 0) | (pitch > 127) | (pitch != np.rint(pitch))).any():
        raise ValueError("a pitch is not a whole number in 0..127")
    if (np.rint(onset * TICKS_PER_BEAT) >= MAX_BEATS * TICKS_PER_BEAT).any():
        raise ValueError(f"longer than {MAX_BEATS} beats")
    if not MIN_TEMPO_BPM <= song.tempo_bpm <= MAX_TEMPO_BPM:
        raise ValueError(f"tempo of {song.tempo_bpm} bpm is not in {MIN_TEMPO_BPM:g}..{MAX_TEMPO_BPM:g}")
    if not _is_time_signature(*song.time_signature):
        raise ValueError(f"bad time signature {song.time_signature}")

    scaled = (
        onset.clip(0) * TICKS_PER_BEAT,
        pitch,
        velocity.clip(1, 127),
        duration.clip(0, MAX_BEATS) * TICKS_PER_BEAT,
    )
    tick, pitch, velocity, duration = _keep_loudest(*(np.rint(field).astype(np.int64) for field in scaled))
    end = np.minimum(tick + np.maximum(duration, 1), MAX_BEATS * TICKS_PER_BEAT)
    order = np.lexsort((tick, pitch))
    again = np.flatnonzero(np.diff(pitch[order]) == 0)  # notes whose pitch is struck once more
    end[order[again]] = np.minimum(end[order[again]], tick[order[again + 1]])

    # A name may hold bytes of a file name that are no text; an error inside mido would leave its charset changed.
    name = song.name.encode("utf-8", "replace").decode() or "drumjax"
    part = miditoolkit.Instrument(program=0, is_drum=song.is_drums, name=name)
    columns = zip(velocity.tolist(), pitch.tolist(), tick.tolist(), end.tolist(), strict=True)
    part.notes = [miditoolkit.Note(*note) for note in columns]
    midi = miditoolkit.MidiFile(ticks_per_beat=TICKS_PER_BEAT)
    midi.instruments = [part]
    midi.tempo_changes = [miditoolkit.TempoChange(song.tempo_bpm, 0)]
    midi.time_signature_changes = [miditoolkit.TimeSignature(*song.time_signature, 0)]
    file = io.BytesIO()
    midi.dump(file=file, charset="utf-8")
    return file.getvalue()


def _is_time_signature(numerator: int, denominator: int) -> bool:
    return 1 <= numerator <= 64 and denominator in (1, 2, 4, 8, 16, 32, 64)


def _keep_loudest(tick, pitch, velocity, duration) -> list[np.ndarray]:
    """Notes [N] in order of (tick, pitch), only the loudest, then longest, of each such pair."""
    order = np.lexsort((-duration, -velocity, pitch, tick))
    tick, pitch, velocity, duration = (field[order] for field in (tick, pitch, velocity, duration))
    first = np.ones(len(tick), bool)
    first[1:] = (np.diff(tick) != 0) | (np.diff(pitch) != 0)
    return [field[first] for field in (tick, pitch, velocity, duration)]


def _longest_tempo(midi: miditoolkit.MidiFile, first_tick: int, last_tick: int) -> float:
    """The tempo in bpm that covers most of the time between two ticks, both included."""
    minutes: dict[float, float] = {}
    changes = midi.tempo_changes
    for change, end in zip(changes, [c.time for c in changes[1:]] + [last_tick + 1], strict=True):
        ticks = max(0, min(end, last_tick + 1) - max(change.time, first_tick))
        minutes[change.tempo] = minutes.get(change.tempo, 0.0) + ticks / change.tempo
    return float(max(minutes, key=minutes.__getitem__))


def _load(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, no more than MAX_FILE_BYTES."""
    _require(stat.S_ISREG(os.stat(path).st_mode), "not a regular file")  # opening a named pipe waits for ever
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    _require(len(data) <= MAX_FILE_BYTES, "file too large", f"more than {MAX_FILE_BYTES} bytes")
    return data


def _wash(data: bytes, *, drums_only: bool) -> bytes:
    """A MIDI file with only the (drum) notes, tempos and time signatures of this one; at least one note starts."""
    start = data.find(b"MThd", 0, 1024) if data[:4] == b"RIFF" else 0  # .rmi: the same file in a RIFF container
    header = data[start : start + 14] if start >= 0 else b""
    _require(data, "empty file")
    _require(header[:4] == b"MThd", "not a MIDI file")
    _require(len(header) == 14, "truncated", "in the header")
    size, form, num_tracks, division = struct.unpack(">LHHH", header[4:])
    _require(form != 2, "type 2 (independent sequences)")
    _require(division < 0x8000, "SMPTE time division")
    _require(size >= 6 and form < 2 and division > 0, "malformed header", f"format {form}, {division} ticks per beat")
    _require(num_tracks <= _MAX_TRACKS, "too many tracks", f"more than {_MAX_TRACKS}")

    tracks: list[list[tuple[int, bytes]]] = []
    changes: list[tuple[int, bytes]] = []
    position, num_messages, others = start + 8 + size, 0, 0
    while num_tracks > 0:
        chunk = data[position : position + 8]
        _require(len(chunk) == 8, "truncated", "fewer tracks than announced")
        size = int.from_bytes(chunk[4:], "big")
        if chunk[:4] == b"MTrk":  # the standard says to skip chunks of other types
            num_tracks -= 1
            events = _iterate_events(data[position + 8 : position + 8 + size], size)
            notes, num_others = _keep_notes(events, drums_only, MAX_BEATS * division, changes)
            others += num_others
            num_messages += len(notes)
            _require(num_messages <= 2 * MAX_NOTES, "too many notes", f"more than {MAX_NOTES}")
            if notes:
                tracks.append(notes)
        position += 8 + size
    _require(tracks, "no drum track" if others else "no notes")
    changes.sort(key=lambda event: event[0])  # in one track: miditoolkit forgets tempos if there are several
    chunks = [_encode_track(events) for events in (changes, *tracks)]
    return struct.pack(">4sLHHH", b"MThd", 6, 1, len(chunks), division) + b"".join(chunks)


def _keep_notes(events: Iterator[tuple[int, int, bytes]], drums_only: bool, last_tick: int, changes: list):
    """The note messages of a track, [(tick, message)], and the number of notes not kept, being of other channels.

    Tempos and time signatures are appended to changes in the same form.
    """
    notes: list[tuple[int, bytes]] = []
    sounding = [0] * 2048  # by channel and pitch
    others = 0
    for tick, kind, data in events:
        if kind in (_TEMPO, _TIME_SIGNATURE) and tick < last_tick:
            changes.append((tick, _clean_change(kind, data)))
            _require(len(changes) <= _MAX_CHANGES, "too many tempo changes", f"more than {_MAX_CHANGES}")
        elif 0x80 <= kind < 0xA0:
            key = (kind & 0x0F) << 7 | data[0]
            if kind >= 0x90 and data[1] > 0:
                if drums_only and kind & 0x0F != 9:
                    others += 1
                    continue
                _require(tick < last_tick, "too long", f"more than {MAX_BEATS} beats")
                sounding[key] += 1
            elif sounding[key]:
                _require(sounding[key] <= _MAX_OVERLAP, "too many overlapping notes", "of one pitch")
                sounding[key] -= 1
            else:
                continue
            notes.append((tick, bytes((kind, *data))))
            _require(len(notes) <= 2 * MAX_NOTES, "too many notes", f"more than {MAX_NOTES}")
    return notes, others


def _iterate_events(track: bytes, size: int) -> Iterator[tuple[int, int, bytes]]:
    """Tick, kind (status of a channel message, type of a meta event, 0xF0 for sysex) and data of each event.

    size is what the track says it has, which is more than len(track) if the file is cut off.
    """
    position = tick = running = 0
    try:
        while position < size:
            delta, position = _read_varint(track, position)
            tick += delta
            status = track[position]
            if status >= 0x80:
                position += 1
            else:  # one more message of the same status
                status = running
            if 0x80 <= status < 0xF0:
                kind = running = status
                end = position + (1 if 0xC0 <= status < 0xE0 else 2)
                _require((track[position] | track[end - 1]) < 0x80, "malformed track", "a data byte above 127")
            else:
                _require(status in (0xF0, 0xF7, 0xFF), "malformed track", "an undefined status byte, or none")
                kind = track[position] if status == 0xFF else 0xF0
                length, position = _read_varint(track, position + (status == 0xFF))
                end = position + length
            if kind == _END_OF_TRACK:
                return
            if end > len(track):
                raise IndexError
            yield tick, kind, track[position:end]
            position = end
    except IndexError:
        raise _DamageError("truncated", "in an event") from None


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of one to four bytes of seven bits, and the position after it."""
    value = 0
    for i in range(position, position + 4):
        value = value << 7 | data[i] & 0x7F
        if data[i] < 0x80:
            return value, i + 1
    raise _DamageError("malformed track", "a number of more than four bytes")


def _clean_change(kind: int, data: bytes) -> bytes:
    """A tempo or time signature event of the right length; what is not needed of it is replaced."""
    size = 3 if kind == _TEMPO else 2
    _require(len(data) >= size, "malformed track", "a tempo or time signature that is too short")
    _require(kind != _TEMPO or any(data[:3]), "tempo out of range", "no time for a beat")
    if kind == _TEMPO:
        return bytes((0xFF, kind, 3, *data[:3]))
    _require(_is_time_signature(data[0], 2 ** data[1]), "bad time signature", f"{data[0]}/2^{data[1]}")
    return bytes((0xFF, kind, 4, *data[:2], 24, 8))


def _encode_track(events: list[tuple[int, bytes]]) -> bytes:
    """A track chunk of (tick, message) in order of time."""
    body, last = bytearray(), 0
    for tick, message in events:
        delta, last = tick - last, tick
        body += bytes(0x80 | delta >> shift & 0x7F for shift in (42, 35, 28, 21, 14, 7) if delta >> shift)
        body += bytes((delta & 0x7F,)) + message
    body += b"\x00\xff\x2f\x00"
    return struct.pack(">4sL", b"MTrk", len(body)) + body
