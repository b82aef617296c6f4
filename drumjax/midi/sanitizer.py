"""The bytes of a MIDI file: loaded, and washed of all but notes, tempos and time signatures.

One bounded walk over the bytes keeps those, checked, and drops the rest (key signatures, sysex, lyrics). Where others
than drums are wanted, it also keeps names of tracks, programs and the sustain pedal. What comes out is a small, sound
file whatever went in. The format: Standard MIDI Files 1.0.
"""

import os
import stat
import struct
from collections.abc import Iterator

from drumjax.music.metre import is_metre

MAX_FILE_BYTES = 4_000_000  # the largest Groove file has 155,615
MAX_NOTES = 100_000  # the largest Groove file has 11,513
MAX_BEATS = 20_000  # almost three hours at 120 bpm; float32 onsets are still exact to half a tick
_MAX_CHANGES = 50_000  # tempos and time signatures; a rubato piano piece has 6,641
_MAX_OVERLAP = 256  # sounding notes of one pitch; miditoolkit copies the list of them at every note off
_MAX_TRACKS = 1000
_MAX_CONTROLS = 200_000  # messages of the sustain pedal and changes of program
_MAX_NAME = 100  # bytes of a track's name that are kept
_TRACK_NAME, _END_OF_TRACK, _TEMPO, _TIME_SIGNATURE = 0x03, 0x2F, 0x51, 0x58  # types of meta event
SUSTAIN = 64  # number of the controller


class DamageError(Exception):
    """The reason and detail of a MidiError, where the path is not known."""


def _require(condition: object, reason: str, detail: str = "") -> None:
    if not condition:
        raise DamageError(reason, detail)


def load_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, no more than MAX_FILE_BYTES. Raises DamageError or OSError."""
    _require(stat.S_ISREG(os.stat(path).st_mode), "not a regular file")  # opening a named pipe waits for ever
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    _require(len(data) <= MAX_FILE_BYTES, "file too large", f"more than {MAX_FILE_BYTES} bytes")
    return data


def wash_bytes(data: bytes, *, drums_only: bool) -> bytes:
    """A MIDI file with only the (drum) notes, tempos and time signatures of this one; at least one note starts.

    Unless drums_only it has names of tracks, programs and the sustain pedal too.

    Raises DamageError for a file that is damaged, has no notes to keep, or is beyond the limits.
    """
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
    loose: list[tuple[int, bytes]] = []  # of tracks without notes
    changes: list[tuple[int, bytes]] = []
    position, num_messages, num_controls, others = start + 8 + size, 0, 0, 0
    while num_tracks > 0:
        chunk = data[position : position + 8]
        _require(len(chunk) == 8, "truncated", "fewer tracks than announced")
        size = int.from_bytes(chunk[4:], "big")
        if chunk[:4] == b"MTrk":  # the standard says to skip chunks of other types
            num_tracks -= 1
            events = _iterate_events(data[position + 8 : position + 8 + size], size)
            notes, controls, num_others = _keep_notes(events, drums_only, MAX_BEATS * division, changes)
            others += num_others
            num_messages += len(notes)
            num_controls += len(controls)
            _require(num_messages <= 2 * MAX_NOTES, "too many notes", f"more than {MAX_NOTES}")
            _require(num_controls <= _MAX_CONTROLS, "too many controls", f"more than {_MAX_CONTROLS}")
            if notes:
                tracks.append([*controls, *notes])
            else:
                loose += controls
        position += 8 + size
    _require(tracks, "no drum track" if others else "no notes")
    tracks = [_with_loose(events, loose) for events in tracks]
    changes.sort(key=lambda event: event[0])  # in one track: miditoolkit forgets tempos if there are several
    chunks = [_encode_track(events) for events in (changes, *tracks)]
    return struct.pack(">4sLHHH", b"MThd", 6, 1, len(chunks), division) + b"".join(chunks)


def _with_loose(events: list[tuple[int, bytes]], loose: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """A track in order of time, a program before the note that it is for, with those controls of tracks without notes
    that are for its channels: a pedal often has a track of its own."""
    channels = {message[0] & 0x0F for _, message in events if message[0] < 0xF0}
    mine = [event for event in loose if event[1][0] < 0xF0 and event[1][0] & 0x0F in channels]
    return sorted([*mine, *events], key=lambda event: event[0])


def _keep_notes(events: Iterator[tuple[int, int, bytes]], drums_only: bool, last_tick: int, changes: list):
    """The note messages of a track, [(tick, message)], what else is kept of it, in the same form, and the number of
    notes not kept, being of other channels.

    Tempos and time signatures are appended to changes in the same form.
    """
    notes: list[tuple[int, bytes]] = []
    controls: list[tuple[int, bytes]] = []
    sounding = [0] * 2048  # by channel and pitch
    others = 0
    for tick, kind, data in events:
        if kind in (_TEMPO, _TIME_SIGNATURE) and tick < last_tick:
            changes.append((tick, _clean_change(kind, data)))
            _require(len(changes) <= _MAX_CHANGES, "too many tempo changes", f"more than {_MAX_CHANGES}")
        elif not drums_only and _is_control(kind, data) and tick < last_tick:
            controls.append((tick, bytes((kind, *data))))
            _require(len(controls) <= _MAX_CONTROLS, "too many controls", f"more than {_MAX_CONTROLS}")
        elif not drums_only and kind == _TRACK_NAME and data and tick < last_tick:
            name = data[:_MAX_NAME]
            controls.append((tick, bytes((0xFF, _TRACK_NAME, len(name), *name))))
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
    return notes, controls, others


def _is_control(kind: int, data: bytes) -> bool:
    """Whether it is a change of program, or the sustain pedal."""
    return 0xC0 <= kind < 0xD0 or (0xB0 <= kind < 0xC0 and data[0] == SUSTAIN)


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
        raise DamageError("truncated", "in an event") from None


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of one to four bytes of seven bits, and the position after it."""
    value = 0
    for i in range(position, position + 4):
        value = value << 7 | data[i] & 0x7F
        if data[i] < 0x80:
            return value, i + 1
    raise DamageError("malformed track", "a number of more than four bytes")


def _clean_change(kind: int, data: bytes) -> bytes:
    """A tempo or time signature event of the right length; what is not needed of it is replaced."""
    size = 3 if kind == _TEMPO else 2
    _require(len(data) >= size, "malformed track", "a tempo or time signature that is too short")
    _require(kind != _TEMPO or any(data[:3]), "tempo out of range", "no time for a beat")
    if kind == _TEMPO:
        return bytes((0xFF, kind, 3, *data[:3]))
    _require(is_metre(data[0], 2 ** data[1]), "bad time signature", f"{data[0]}/2^{data[1]}")
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
