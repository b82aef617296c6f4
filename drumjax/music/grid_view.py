"""Stretches of performances on the 16th grid, as the figures of this package see them."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from drumjax.music.kits import Kit
from drumjax.music.notes import Song

STEPS_PER_BEAT = 4
NUM_BARS = 8  # of an excerpt, unless said otherwise


class Excerpt(NamedTuple):
    """Some bars of one performance. A hit up to half a 16th early belongs to the 16th that it anticipates.

    hits       [bars, steps, drums] bool, the drums hit at each 16th
    velocity   [bars, steps, drums] float, 1..127, of the loudest of several hits of one drum; 0 where there is none
    offset_ms  [bars, steps, drums] float, how late that hit is against the 16th; 0 where there is none
    tempo_bpm  quarter notes per minute
    """

    hits: np.ndarray
    velocity: np.ndarray
    offset_ms: np.ndarray
    tempo_bpm: float


def excerpt_of(song: Song, kit: Kit, num_bars: int | None = None) -> Excerpt:
    """The song's first num_bars bars; all that hold a hit if not given."""
    num_bars = song.num_bars if num_bars is None else num_bars
    steps = max(1, round(song.beats_per_bar * STEPS_PER_BEAT))
    shape = num_bars * steps, kit.num_classes
    exact = song.notes.onset_beat * STEPS_PER_BEAT
    step = np.floor(exact + 0.5).astype(int)
    drum = kit.class_table()[song.notes.pitch]
    inside = (drum >= 0) & (step >= 0) & (step < shape[0])
    order = np.flatnonzero(inside)
    order = order[np.argsort(song.notes.velocity[order], kind="stable")]  # the loudest is written last
    where = step[order], drum[order]
    hits, velocity, offset = np.zeros(shape, bool), np.zeros(shape), np.zeros(shape)
    hits[where] = True
    velocity[where] = song.notes.velocity[order]
    offset[where] = (exact - step)[order] * 60_000 / song.tempo_bpm / STEPS_PER_BEAT
    cells = num_bars, steps, kit.num_classes
    return Excerpt(hits.reshape(cells), velocity.reshape(cells), offset.reshape(cells), song.tempo_bpm)


def cut_excerpts(songs: Iterable[Song], kit: Kit, num_bars: int = NUM_BARS) -> Iterator[tuple[Song, Excerpt]]:
    """All stretches of num_bars bars, side by side, of all songs, each with the song that it is from."""
    for song in songs:
        whole = excerpt_of(song, kit)
        for first in range(0, len(whole.hits) - num_bars + 1, num_bars):
            bars = slice(first, first + num_bars)
            yield song, Excerpt(whole.hits[bars], whole.velocity[bars], whole.offset_ms[bars], whole.tempo_bpm)
