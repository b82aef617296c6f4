"""What is kept of a MIDI file: one bounded walk over its events.

The walk keeps notes, tempos and time signatures, checked, and where others than drums are wanted names of tracks,
programs and the sustain pedal; it drops the rest (key signatures, sysex, lyrics). Its limits keep the reading of any
file within 5 CPU seconds and 150 MB.
"""

import collections
import itertools
from collections.abc import Iterable
from typing import NamedTuple

from drumjax.midi.chunks import DRUM_CHANNEL, SYSEX, DamageError, encode_track, require
from drumjax.midi.controls import MAX_CONTROLS, SUSTAIN, Controls
from drumjax.midi.note_ends import Event, end_all
from drumjax.midi.rhythm_parts import rhythm_channels
from drumjax.music.metre import is_metre

MAX_BEATS = 20_000  # almost three hours at 120 bpm; float32 onsets are still exact to half a tick
# In brackets the most that a file of Groove or piano-midi.de has.
_MAX_EVENTS = 500_000  # of all kinds (42,418)
_MAX_NOTES = 60_000  # (17,225)
_MAX_TEMPOS = 30_000  # (6,641)
_MAX_METRES = 5_000  # time signatures (59)
_MAX_OVERLAP = 256  # sounding notes of one pitch; miditoolkit copies the list of them at every note off
_MAX_NAME = 100  # bytes of a track's name that are kept
_TRACK_NAME, _TEMPO, _TIME_SIGNATURE = 0x03, 0x51, 0x58  # types of meta event
_BANK = 0
_XG_DRUM_BANKS = (126, 127)  # of effects, and of drums: Yamaha XG


class Part(NamedTuple):
    """The notes of a channel in a track.

    sender  the two as one number, see controls.py
    name    of the track
    chunk   the notes as a track chunk
    """

    sender: int
    name: str
    chunk: bytes


class Walk:
    """What is kept of a file, track by track.

    parts       who has notes
    programs    and pedals: messages of those who may be a part
    tempos      and metres: meta events
    messages    of the drum channel, those that are no notes
    counts      of what did not come through as it was, by reason
    num_others  notes that were not asked for, being of other channels
    """

    def __init__(self, division: int, drums_only: bool, with_messages: bool):
        self.division, self.drums_only, self.with_messages = division, drums_only, with_messages
        self.last_tick = MAX_BEATS * division
        self.parts: list[Part] = []
        self.programs, self.pedals = Controls(), Controls()
        self.tempos: list[Event] = []
        self.metres: list[Event] = []
        self.messages: list[Event] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.num_others = self._num_tracks = self._num_events = 0
        self._room = 2 * _MAX_NOTES  # for messages of notes
        self._second_drums: set[int] = set()  # channels other than 10

    def add_track(self, events: Iterable[tuple[int, int, bytes]]) -> None:
        """Takes the events of iterate_events. Raises DamageError for what is damaged or beyond the limits."""
        self._num_tracks += 1
        notes: list[Event] = []
        sounding = [0] * 2048  # by channel and pitch
        drums_only, last_tick, tick, name = self.drums_only, self.last_tick, 0, b""
        keeps_controls = not drums_only or self.with_messages
        number, room, most = 0, _MAX_EVENTS + 1 - self._num_events, self._room
        for number, (tick, kind, data) in enumerate(itertools.islice(events, room), 1):  # noqa: B007
            if 0x80 <= kind < 0xA0:
                key = (kind & 0x0F) << 7 | data[0]
                if kind >= 0x90 and data[1] > 0:
                    if drums_only and kind & 0x0F != DRUM_CHANNEL:
                        self._pass_over(kind & 0x0F)
                        continue
                    if tick >= last_tick:
                        raise DamageError("too long", f"more than {MAX_BEATS} beats")
                    sounding[key] += 1
                elif sounding[key]:
                    if sounding[key] > _MAX_OVERLAP:
                        raise DamageError("too many overlapping notes", "of one pitch")
                    sounding[key] -= 1
                else:
                    continue
                notes.append((tick, bytes((kind, *data))))
                if len(notes) > most:
                    raise DamageError("too many notes", f"more than {_MAX_NOTES}")
            elif 0xA0 <= kind < 0xF0:
                # Most are the pedal of a hi-hat, in files by the thousand of which only the notes are wanted.
                if keeps_controls or data[0] == _BANK or data[-1] > 127:
                    self._add_control(tick, kind, data)
            elif kind == SYSEX:
                self._second_drums.update(rhythm_channels(data))
            elif kind in (_TEMPO, _TIME_SIGNATURE) and tick < last_tick:
                self._add_change(tick, kind, data)
            elif kind == _TRACK_NAME and data and (not notes or tick <= notes[0][0]):
                name = data[:_MAX_NAME]
        self._num_events += number
        require(self._num_events <= _MAX_EVENTS, "too many events", f"more than {_MAX_EVENTS}")
        if any(sounding):
            keys = {key for key, count in enumerate(sounding) if count}
            notes, unended = end_all(notes, keys, self.division, min(tick, self.last_tick))
            self.counts.update(unended)
        self._room -= len(notes)
        require(self._room >= 0, "too many notes", f"more than {_MAX_NOTES}")
        self._end_track(notes, name.decode("latin1"))

    def _end_track(self, notes: list[Event], name: str) -> None:
        """Makes a part of each channel of the notes of a track."""
        by_channel: dict[int, list[Event]] = {}
        for event in notes:
            by_channel.setdefault(event[1][0] & 0x0F, []).append(event)
        for channel, mine in by_channel.items():
            self.parts.append(Part(self._num_tracks << 4 | channel, name, encode_track(mine)))
        for controls in (self.programs, self.pedals):
            controls.end_track(has_notes=bool(notes))

    def _pass_over(self, channel: int) -> None:
        """A note of another channel, where drums are wanted."""
        self.num_others += 1
        if channel in self._second_drums:
            self.counts[f"notes of a second drum part on channel {channel + 1}, which are not taken"] += 1

    def _add_control(self, tick: int, kind: int, data: bytes) -> None:
        """A message of a channel that is no note."""
        channel = kind & 0x0F
        if max(data) > 127:
            self.counts["values of controllers above 127, taken as 127"] += 1
            data = bytes(min(byte, 127) for byte in data)
        if tick >= self.last_tick:
            return
        is_controller = 0xB0 <= kind < 0xC0
        if is_controller and data[0] == _BANK and data[1] in _XG_DRUM_BANKS and channel != DRUM_CHANNEL:
            self._second_drums.add(channel)
        if not self.drums_only and is_controller and data[0] == SUSTAIN:
            self.pedals.add(self._num_tracks << 4 | channel, tick, data[1])
        elif not self.drums_only and 0xC0 <= kind < 0xD0:
            self.programs.add(self._num_tracks << 4 | channel, tick, data[0])
        if self.with_messages and channel == DRUM_CHANNEL:
            self.messages.append((tick, bytes((kind, *data))))
            require(len(self.messages) <= MAX_CONTROLS, "too many controls", f"more than {MAX_CONTROLS}")

    def _add_change(self, tick: int, kind: int, data: bytes) -> None:
        """A tempo or time signature."""
        change = tick, _clean_change(kind, data)
        if kind == _TEMPO:
            self.tempos.append(change)
            require(len(self.tempos) <= _MAX_TEMPOS, "too many tempo changes", f"more than {_MAX_TEMPOS}")
        else:
            self.metres.append(change)
            require(len(self.metres) <= _MAX_METRES, "too many changes of metre", f"more than {_MAX_METRES}")


def _clean_change(kind: int, data: bytes) -> bytes:
    """A tempo or time signature event of the right length; what is not needed of it is replaced."""
    size = 3 if kind == _TEMPO else 2
    require(len(data) >= size, "malformed track", "a tempo or time signature that is too short")
    require(kind != _TEMPO or any(data[:3]), "tempo out of range", "no time for a beat")
    if kind == _TEMPO:
        return bytes((0xFF, kind, 3, *data[:3]))
    require(is_metre(data[0], 2 ** data[1]), "bad time signature", f"{data[0]}/2^{data[1]}")
    return bytes((0xFF, kind, 4, *data[:2], 24, 8))
