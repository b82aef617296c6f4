"""A MIDI file washed of all but notes, tempos and time signatures.

What comes out is a small, sound file whatever went in, in which every note ends and each track has the notes of one
channel of one track. What else is wanted of a file is beside it.
"""

import struct
from typing import NamedTuple

import numpy as np

from drumjax.midi.chunks import encode_track, iterate_events, require, split_tracks
from drumjax.midi.controls import spread_loose
from drumjax.midi.note_ends import Event
from drumjax.midi.walk import Part, Walk
from drumjax.music.notes import Notice


class Washed(NamedTuple):
    """What is left of a file.

    data      a file of a track of tempos and time signatures, then those of the parts
    parts     whose notes there are, one or more
    programs  [M, 3] (sender, tick, program), those of a sender in order of time; none where only drums are wanted
    pedals    [M, 3] (sender, tick, value), as spread_loose has them; none where only drums are wanted
    messages  of the drum channel, those that are no notes, in order of time, if they were asked for
    notices   what did not come through as it was
    """

    data: bytes
    parts: list[Part]
    programs: np.ndarray
    pedals: np.ndarray
    messages: list[Event]
    notices: list[Notice]


def wash_bytes(data: bytes, *, drums_only: bool, with_messages: bool = False) -> Washed:
    """A MIDI file with only the (drum) notes, tempos and time signatures of this one; at least one note starts.

    Unless drums_only there are names of tracks, programs and the sustain pedal too. A drum hit that is never ended gets
    a 32nd, another note ends with the next of its pitch or with its track.

    Raises DamageError for a file that is damaged, has no notes to keep, or is beyond the limits.
    """
    found = split_tracks(data)
    walk = Walk(found.division, drums_only, with_messages)
    for body, size in found.bodies:
        walk.add_track(iterate_events(body, size))
    require(walk.parts, "no drum track" if walk.num_others else "no notes")
    # In one track: miditoolkit forgets tempos if there are several.
    changes = sorted(walk.tempos + walk.metres, key=lambda event: event[0])
    chunks = [encode_track(changes), *(part.chunk for part in walk.parts)]
    clean = struct.pack(">4sLHHH", b"MThd", 6, 1, len(chunks), found.division) + b"".join(chunks)
    walk.messages.sort(key=lambda event: event[0])
    notices = [Notice(reason, count) for reason, count in walk.counts.items()]
    if not walk.tempos:
        notices.append(Notice("file without a tempo, taken as 120 bpm"))
    controls = walk.programs.in_order(), spread_loose(walk.pedals.in_order())
    return Washed(clean, walk.parts, *controls, walk.messages, found.notices + notices)
