"""Notes as rows of whole numbers, with who sent them and the program that plays them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from drumjax.midi.chunks import DRUM_CHANNEL
from drumjax.midi.controls import programs_at
from drumjax.midi.instruments import Instrument
from drumjax.midi.sanitizer import Washed

# The columns; times are in ticks, senders those of controls.py.
START, END, PITCH, VELOCITY, SENDER, PROGRAM = range(6)


def list_notes(instruments: Sequence[Any], washed: Washed) -> np.ndarray:
    """The notes [N, 6] of a washed file, whose parts miditoolkit gives as these instruments."""
    rows = [
        (note.start, note.end, note.pitch, note.velocity, part.sender)
        for part, instrument in zip(washed.parts, instruments, strict=True)
        for note in instrument.notes
    ]
    notes = np.asarray(rows, np.int64)
    program = programs_at(washed.programs, notes[:, SENDER], notes[:, START])
    return np.column_stack([notes, program])


def choose_notes(notes: np.ndarray, names: dict[int, str], chosen: Instrument) -> tuple[np.ndarray, int]:
    """Those of the notes [N, 6] that are chosen, and the program of the largest part of them: what a sender plays with
    one program. names are those of the senders' tracks."""
    whole, part, count = np.unique(notes[:, SENDER] << 7 | notes[:, PROGRAM], return_inverse=True, return_counts=True)
    is_taken = np.asarray(
        [
            chosen.takes(is_drum=sender & 0x0F == DRUM_CHANNEL, program=program, track=names[sender])
            for sender, program in zip((whole >> 7).tolist(), (whole & 0x7F).tolist(), strict=True)
        ]
    )
    return notes[is_taken[part]], int(whole[np.argmax(count * is_taken)] & 0x7F)
