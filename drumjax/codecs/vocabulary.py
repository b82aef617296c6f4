"""The values that events can have: no more than the training songs use."""

import collections
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from drumjax.music.notes import Song

# Lengths of notes, in beats: multiples of the first number, and of the second (triplets), up to the third.
_DIVISIONS = ((1 / 24, 1 / 24, 1 / 12), (1 / 8, 1 / 6, 1.0), (1 / 4, 1 / 3, 2.0), (1 / 2, 2 / 3, 4.0), (1.0, 1.0, 8.0),
              (2.0, 2.0, 16.0), (4.0, 4.0, 64.0))  # fmt: skip


class Vocabulary(NamedTuple):
    """What an EventCodec can say.

    pitches    MIDI pitches, ascending; a codec for drums has those of its kit instead
    max_shift  ticks from a note to the next that one step can last; longer rests take several
    durations  lengths of notes in ticks, ascending; () where they are not encoded
    program    the General MIDI instrument, 0..127
    """

    pitches: tuple[int, ...]
    max_shift: int
    durations: tuple[int, ...]
    program: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a dict of numbers and lists."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._asdict().items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Vocabulary":
        """The inverse of to_json. Raises TypeError or KeyError for anything else."""
        return cls(
            tuple(values["pitches"]), int(values["max_shift"]), tuple(values["durations"]), int(values["program"])
        )


def full_vocabulary(ticks_per_beat: float, max_shift_beats: float, max_duration_beats: float) -> Vocabulary:
    """All pitches, and all lengths up to these limits; a limit below half a tick is for no durations at all."""
    lengths = {
        round(multiple * unit * ticks_per_beat)
        for straight, triplet, end in _DIVISIONS
        for unit in (straight, triplet)
        for multiple in range(1, round(end / unit) + 1)
        if multiple * unit <= min(end, max_duration_beats) + 1e-6
    }
    durations = tuple(sorted({max(1, length) for length in lengths}))
    return Vocabulary(tuple(range(128)), max(1, round(max_shift_beats * ticks_per_beat)), durations)


def trim_vocabulary(
    full: Vocabulary, songs: Sequence[Song], ticks_per_beat: Sequence[float], transpose: int = 0
) -> Vocabulary:
    """What of it the songs use, each at its ticks per beat, moved by up to `transpose` semitones either way."""
    pitches: set[int] = set()
    shift, durations = 1, set(full.durations[:1])
    for song, per_beat in zip(songs, ticks_per_beat, strict=True):
        used = np.unique(song.notes.pitch)
        pitches.update(p for pitch in used.tolist() for p in range(pitch - transpose, pitch + transpose + 1))
        gaps = np.diff(np.round(song.notes.onset_beat * per_beat), prepend=0)
        shift = max(shift, int(gaps[gaps <= full.max_shift].max(initial=1)))
        if full.durations:
            nearest = nearest_length(np.asarray(full.durations))
            ticks = np.clip(np.round(song.notes.duration_beat * per_beat), 0, len(nearest) - 1).astype(int)
            durations.update(full.durations[i] for i in np.unique(nearest[ticks]).tolist())
    programs = collections.Counter(song.program for song in songs)
    return Vocabulary(
        pitches=tuple(sorted(pitches & set(full.pitches))),
        max_shift=shift,
        durations=tuple(sorted(durations)),
        program=programs.most_common(1)[0][0],
    )


def nearest_length(lengths: np.ndarray) -> np.ndarray:
    """[longest + 1] int32: for each number of ticks which of the lengths [n], ascending, is nearest, as a ratio."""
    ticks = np.arange(lengths[-1] + 1)
    ratio = np.abs(np.log(np.maximum(ticks, 0.5)[:, None]) - np.log(lengths)[None])
    return np.argmin(ratio, axis=1).astype(np.int32)
