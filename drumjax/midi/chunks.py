"""The bytes of a MIDI file: its header, its tracks, and the events of a track. The format: Standard MIDI Files 1.0.

Files in the wild count their tracks and bytes wrongly, so every track that is there is found, whatever the header says
and wherever the length of the one before it leads.
"""

import collections
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from drumjax.music.notes import Notice

MAX_FILE_BYTES = 4_000_000  # the largest Groove file has 155,615
MAX_TRACKS = 1000
DRUM_CHANNEL = 9  # channel 10, counted from 0
END_OF_TRACK, SYSEX = 0x2F, 0xF0
# Data bytes of what else a device may send into a track: system common and real-time messages.
_SYSTEM_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, **dict.fromkeys(range(0xF8, 0xFF), 0)}
_MACBINARY_BYTES = 128


class DamageError(Exception):
    """The reason and detail of a MidiError, where the path is not known."""


class Tracks(NamedTuple):
    """division is in ticks per beat; bodies [(bytes, length)] are what follows the header of each track chunk, with the
    length that it has to have, which is more than there is where the file is cut off."""

    division: int
    bodies: list[tuple[bytes, int]]
    notices: list[Notice]


def require(condition: object, reason: str, detail: str = "") -> None:
    """Raises DamageError unless the condition holds."""
    if not condition:
        raise DamageError(reason, detail)


def load_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, no more than MAX_FILE_BYTES. Raises DamageError or OSError."""
    require(stat.S_ISREG(os.stat(path).st_mode), "not a regular file")  # opening a named pipe waits for ever
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    require(len(data) <= MAX_FILE_BYTES, "file too large", f"more than {MAX_FILE_BYTES} bytes")
    return data


def split_tracks(data: bytes) -> Tracks:
    """The tracks of a file, also in a RIFF (.rmi) or MacBinary container. Raises DamageError."""
    require(data, "empty file")
    start = data.find(b"MThd", 0, 1024) if data[:4] == b"RIFF" else 0
    if data[:1] == b"\0" and data[_MACBINARY_BYTES : _MACBINARY_BYTES + 4] == b"MThd":
        start = _MACBINARY_BYTES
    header = data[start : start + 14] if start >= 0 else b""
    require(header[:4] == b"MThd", "not a MIDI file")
    require(len(header) == 14, "truncated", "in the header")
    size, form, announced, division = struct.unpack(">LHHH", header[4:])
    require(form != 2, "type 2 (independent sequences)")
    require(division < 0x8000, "SMPTE time division")
    require(size >= 6 and form < 2 and division > 0, "malformed header", f"format {form}, {division} ticks per beat")
    require(announced <= MAX_TRACKS, "too many tracks", f"more than {MAX_TRACKS}")
    bodies, num_wrong = _find_bodies(data, start + 8 + size)
    require(bodies or not announced, "truncated", "no track")
    require(len(bodies) <= MAX_TRACKS, "too many tracks", f"more than {MAX_TRACKS}")
    notices = []
    if num_wrong:
        notices.append(Notice("tracks of another length than they say, read to their end", num_wrong))
    if len(bodies) > announced:
        notices.append(Notice("tracks more than the header counts, which are read too", len(bodies) - announced))
    if len(bodies) < announced:
        notices.append(Notice("tracks fewer than the header counts", announced - len(bodies)))
    return Tracks(division, bodies, notices)


def _find_bodies(data: bytes, position: int) -> tuple[list[tuple[bytes, int]], int]:
    """The bodies of all track chunks from a position on, and how many of them have another length than they say.

    A length is believed where it leads to the end of the file, to another chunk, or to the end of a track. What is no
    chunk (the byte that some programs put behind tracks of odd length) is passed over if a whole track follows it.
    """
    bodies: list[tuple[bytes, int]] = []
    num_wrong = 0
    while position + 8 <= len(data) and len(bodies) <= MAX_TRACKS:
        kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "big")
        first, end = position + 8, position + 8 + size
        if kind != b"MTrk":
            if _is_chunk(data, position) and end <= len(data):
                position = end  # the standard says to skip chunks of other types
                continue
            position = data.find(b"MTrk", position)
            if position < 0 or position + 8 + int.from_bytes(data[position + 4 : position + 8], "big") > len(data):
                break  # what follows is no part of the file
            num_wrong += 1
            continue
        if not (end == len(data) or _is_chunk(data, end) or data[end - 3 : end] == b"\xff\x2f\x00"):
            following = data.find(b"MTrk", first)
            if following >= 0 or end < len(data):
                end = following if following >= 0 else len(data)
                size, num_wrong = end - first, num_wrong + 1
        bodies.append((data[first:end], size))
        position = end
    return bodies, num_wrong


def _is_chunk(data: bytes, position: int) -> bool:
    """Whether a chunk can begin there: its type is four printable characters."""
    kind = data[position : position + 4]
    return len(kind) == 4 and kind.isascii() and kind.decode("ascii").isprintable()


def iterate_events(track: bytes, size: int) -> Iterator[tuple[int, int, bytes]]:
    """Tick, kind (status of a channel message, type of a meta event, SYSEX for system messages) and data of each event
    up to the end of the track, which is the last one.

    size is the length that the track has to have, which is more than len(track) if the file is cut off. A data byte of
    a message other than a note's may be above 127, as some programs write them. Raises DamageError.
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
                if status < 0xA0:
                    require((track[position] | track[end - 1]) < 0x80, "malformed track", "a data byte above 127")
            elif status in _SYSTEM_BYTES:
                kind, end = SYSEX, position + _SYSTEM_BYTES[status]
            else:
                require(status in (0xF0, 0xF7, 0xFF), "malformed track", "an undefined status byte, or none")
                kind = track[position] if status == 0xFF and track[position] < 0x80 else SYSEX
                length, position = _read_varint(track, position + (status == 0xFF))
                end = position + length
            if kind == END_OF_TRACK and status == 0xFF:
                yield tick, kind, b""
                return
            if end > len(track):
                raise IndexError
            yield tick, kind, track[position:end]
            position = end
    except IndexError:
        raise DamageError("truncated", "in an event") from None


def count_starts(path: str | os.PathLike[str]) -> collections.Counter[int]:
    """How many notes begin on each channel, from 0, of a file. Raises DamageError or OSError."""
    found = split_tracks(load_bytes(path))
    events = (event for body, size in found.bodies for event in iterate_events(body, size))
    return collections.Counter(kind & 0x0F for _, kind, data in events if 0x90 <= kind < 0xA0 and data[1] > 0)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of one to four bytes of seven bits, and the position after it."""
    value = 0
    for i in range(position, position + 4):
        value = value << 7 | data[i] & 0x7F
        if data[i] < 0x80:
            return value, i + 1
    raise DamageError("malformed track", "a number of more than four bytes")


def encode_events(events: Iterable[tuple[int, bytes]]) -> bytes:
    """The bytes of events (tick, message) in order of time."""
    body, last = bytearray(), 0
    for tick, message in events:
        delta, last = int(tick) - last, int(tick)
        if delta > 0x7F:
            body += bytes(0x80 | delta >> shift & 0x7F for shift in (42, 35, 28, 21, 14, 7) if delta >> shift)
        body.append(delta & 0x7F)
        body += message
    return bytes(body)


def encode_track(events: Iterable[tuple[int, bytes]]) -> bytes:
    """A track chunk of (tick, message) in order of time."""
    body = encode_events(events) + b"\x00\xff\x2f\x00"
    return struct.pack(">4sL", b"MTrk", len(body)) + body
