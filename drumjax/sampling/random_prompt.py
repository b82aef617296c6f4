"""A stretch of a held-out song to go on from."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from drumjax.music.notes import EARLY_BEAT, Notes, Song
from drumjax.sampling.given_music import MusicError

# Of the song behind a prompt: what is left of it is how people went on, to compare with.
BARS_LEFT = 4


def choose_prompt(songs: Sequence[Song], num_bars: int, seed: int) -> Song:
    """num_bars bars of one of the songs, from a bar line on: a note begins there, no bar is silent, and the song goes
    on for BARS_LEFT bars. Every such place is as likely; the same seed gives the same one.

    Raises MusicError if there is none.
    """
    places = [(song, bar) for song in songs for bar in _places(song, num_bars)]
    if not places:
        raise MusicError(f"no held-out song has {num_bars} bars of music to go on from, and {BARS_LEFT} more")
    song, bar = places[int(np.random.default_rng(seed).integers(len(places)))]
    start = bar * song.beats_per_bar
    onset = song.notes.onset_beat - np.float32(start)
    inside = (onset >= -EARLY_BEAT) & (onset < num_bars * song.beats_per_bar - EARLY_BEAT)
    notes = Notes(*(column[inside] for column in song.notes))
    notes = notes._replace(onset_beat=np.maximum(onset[inside], 0))
    return dataclasses.replace(song, notes=notes, name=f"{song.name}, from bar {bar + 1}", notices=())


def _places(song: Song, num_bars: int) -> list[int]:
    """Bars that a prompt can begin at."""
    bar = song.beats_per_bar
    onset = song.notes.onset_beat + EARLY_BEAT
    sounding = np.bincount(np.maximum(onset / bar, 0).astype(int), minlength=song.num_bars) > 0
    begun = np.zeros(len(sounding) + 1, bool)
    begun[np.minimum((onset / bar).astype(int), len(sounding))[np.mod(onset, bar) < 2 * EARLY_BEAT]] = True
    return [
        first
        for first in range(song.num_bars - num_bars - BARS_LEFT + 1)
        if begun[first] and sounding[first : first + num_bars].all()
    ]
