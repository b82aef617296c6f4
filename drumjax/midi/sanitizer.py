"""A MIDI file washed of all but notes, tempos and time signatures.

One bounded walk over the events keeps those, checked, and drops the rest (key signatures, sysex, lyrics). Where others
than drums are wanted, it also keeps names of tracks, programs and the sustain pedal. What comes out is a small, sound
file whatever went in, in which every note ends.
"""

import collections
import struct
from collections.abc import Iterable
from typing import NamedTuple

from drumjax.midi.chunks import DRUM_CHANNEL, SYSEX, encode_track, iterate_events, require, split_tracks
from drumjax.midi.note_ends import Event, end_all
from drumjax.midi.rhythm_parts import rhythm_channels
from drumjax.music.metre import is_metre
from drumjax.music.notes import Notice

MAX_NOTES = 100_000  # the largest Groove file has 11,513
MAX_BEATS = 20_000  # almost three hours at 120 bpm; float32 onsets are still exact to half a tick
_MAX_CHANGES = 50_000  # tempos and time signatures; a rubato piano piece has 6,641
_MAX_OVERLAP = 256  # sounding notes of one pitch; miditoolkit copies the list of them at every note off
_MAX_CONTROLS = 200_000  # messages of the sustain pedal and changes of program
_MAX_NAME = 100  # bytes of a track's name that are kept
_TRACK_NAME, _TEMPO, _TIME_SIGNATURE = 0x03, 0x51, 0x58  # types of meta event
SUSTAIN = 64  # number of the controller
_BANK = 0
_XG_DRUM_BANKS = (126, 127)  # of effects, and of drums: Yamaha XG


class Washed(NamedTuple):
    """data is the file that is left; messages are those of the drum channel that are no notes, if they were asked for;
    notices say what did not come through as it was."""

    data: bytes
    messages: list[Event]
    notices: list[Notice]


def wash_bytes(data: bytes, *, drums_only: bool, with_messages: bool = False) -> Washed:
    """A MIDI file with only the (drum) notes, tempos and time signatures of this one; at least one note starts.

    Unless drums_only it has names of tracks, programs and the sustain pedal too. A drum hit that is never ended gets a
    32nd, another note ends with the next of its pitch or with its track.

    Raises DamageError for a file that is damaged, has no notes to keep, or is beyond the limits.
    """
    found = split_tracks(data)
    walk = _Walk(found.division, drums_only, with_messages)
    for body, size in found.bodies:
        walk.add_track(iterate_events(body, size))
    require(walk.tracks, "no drum track" if walk.num_others else "no notes")
    tracks = [_with_loose(events, walk.loose) for events in walk.tracks]
    walk.changes.sort(key=lambda event: event[0])  # in one track: miditoolkit forgets tempos if there are several
    chunks = [encode_track(events) for events in (walk.changes, *tracks)]
    clean = struct.pack(">4sLHHH", b"MThd", 6, 1, len(chunks), found.division) + b"".join(chunks)
    walk.messages.sort(key=lambda event: event[0])
    notices = [Notice(reason, count) for reason, count in walk.counts.items()]
    if not any(message[1] == _TEMPO for _, message in walk.changes):
        notices.append(Notice("file without a tempo, taken as 120 bpm"))
    return Washed(clean, walk.messages, found.notices + notices)


def _with_loose(events: list[Event], loose: list[Event]) -> list[Event]:
    """A track in order of time, a program before the note that it is for, with those controls of tracks without notes
    that are for its channels: a pedal often has a track of its own."""
    channels = {message[0] & 0x0F for _, message in events if message[0] < 0xF0}
    mine = [event for event in loose if event[1][0] < 0xF0 and event[1][0] & 0x0F in channels]
    return sorted([*mine, *events], key=lambda event: event[0])


class _Walk:
    """What is kept of a file, track by track.

    tracks      the events of each track with notes: controls, then notes
    loose       controls of tracks without notes
    changes     tempos and time signatures
    messages    of the drum channel, those that are no notes
    counts      of what did not come through as it was, by reason
    num_others  notes that were not asked for, being of other channels
    """

    def __init__(self, division: int, drums_only: bool, with_messages: bool):
        self.division, self.drums_only, self.with_messages = division, drums_only, with_messages
        self.last_tick = MAX_BEATS * division
        self.tracks: list[list[Event]] = []
        self.loose: list[Event] = []
        self.changes: list[Event] = []
        self.messages: list[Event] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.num_others = self.num_messages = self.num_controls = 0
        self.second_drums: set[int] = set()  # channels other than 10

    def add_track(self, events: Iterable[tuple[int, int, bytes]]) -> None:
        notes: list[Event] = []
        controls: list[Event] = []
        sounding = [0] * 2048  # by channel and pitch
        drums_only, last_tick, tick = self.drums_only, self.last_tick, 0
        keeps_controls = not drums_only or self.with_messages
        for tick, kind, data in events:
            if 0x80 <= kind < 0xA0:
                key = (kind & 0x0F) << 7 | data[0]
                if kind >= 0x90 and data[1] > 0:
                    if drums_only and kind & 0x0F != DRUM_CHANNEL:
                        self._pass_over(kind & 0x0F)
                        continue
                    require(tick < last_tick, "too long", f"more than {MAX_BEATS} beats")
                    sounding[key] += 1
                elif sounding[key]:
                    require(sounding[key] <= _MAX_OVERLAP, "too many overlapping notes", "of one pitch")
                    sounding[key] -= 1
                else:
                    continue
                notes.append((tick, bytes((kind, *data))))
                require(len(notes) <= 2 * MAX_NOTES, "too many notes", f"more than {MAX_NOTES}")
            elif 0xA0 <= kind < 0xF0:
                # Most are the pedal of a hi-hat, in files by the thousand of which only the notes are wanted.
                if keeps_controls or data[0] == _BANK or data[-1] > 127:
                    self._add_control(tick, kind, data, controls)
            elif kind == SYSEX:
                self.second_drums.update(rhythm_channels(data))
            elif kind in (_TEMPO, _TIME_SIGNATURE) and tick < last_tick:
                self.changes.append((tick, _clean_change(kind, data)))
                require(len(self.changes) <= _MAX_CHANGES, "too many tempo changes", f"more than {_MAX_CHANGES}")
            elif not drums_only and kind == _TRACK_NAME and data and tick < last_tick:
                name = data[:_MAX_NAME]
                controls.append((tick, bytes((0xFF, _TRACK_NAME, len(name), *name))))
        if any(sounding):
            keys = {key for key, count in enumerate(sounding) if count}
            notes, unended = end_all(notes, keys, self.division, min(tick, self.last_tick))
            self.counts.update(unended)
        self.num_messages += len(notes)
        self.num_controls += len(controls)
        require(self.num_messages <= 2 * MAX_NOTES, "too many notes", f"more than {MAX_NOTES}")
        require(self.num_controls <= _MAX_CONTROLS, "too many controls", f"more than {_MAX_CONTROLS}")
        if notes:
            self.tracks.append([*controls, *notes])
        else:
            self.loose += controls

    def _pass_over(self, channel: int) -> None:
        """A note of another channel, where drums are wanted."""
        self.num_others += 1
        if channel in self.second_drums:
            self.counts[f"notes of a second drum part on channel {channel + 1}, which are not taken"] += 1

    def _add_control(self, tick: int, kind: int, data: bytes, controls: list[Event]) -> None:
        """A message of a channel that is no note."""
        channel = kind & 0x0F
        if max(data) > 127:
            self.counts["values of controllers above 127, taken as 127"] += 1
            data = bytes(min(byte, 127) for byte in data)
        if tick >= self.last_tick:
            return
        if kind >= 0xB0 and kind < 0xC0 and data[0] == _BANK and data[1] in _XG_DRUM_BANKS and channel != DRUM_CHANNEL:
            self.second_drums.add(channel)
        if not self.drums_only and (0xC0 <= kind < 0xD0 or (0xB0 <= kind < 0xC0 and data[0] == SUSTAIN)):
            controls.append((tick, bytes((kind, *data))))
            require(len(controls) <= _MAX_CONTROLS, "too many controls", f"more than {_MAX_CONTROLS}")
        if self.with_messages and channel == DRUM_CHANNEL:
            self.messages.append((tick, bytes((kind, *data))))
            require(len(self.messages) <= _MAX_CONTROLS, "too many controls", f"more than {_MAX_CONTROLS}")


def _clean_change(kind: int, data: bytes) -> bytes:
    """A tempo or time signature event of the right length; what is not needed of it is replaced."""
    size = 3 if kind == _TEMPO else 2
    require(len(data) >= size, "malformed track", "a tempo or time signature that is too short")
    require(kind != _TEMPO or any(data[:3]), "tempo out of range", "no time for a beat")
    if kind == _TEMPO:
        return bytes((0xFF, kind, 3, *data[:3]))
    require(is_metre(data[0], 2 ** data[1]), "bad time signature", f"{data[0]}/2^{data[1]}")
    return bytes((0xFF, kind, 4, *data[:2], 24, 8))
