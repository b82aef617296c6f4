"""What counting alone can predict: the baselines that a model must beat, on the hits of whole songs in 4/4.

All are learned from the training split. A song is a sequence of chords, one per 16th from its first bar to the end of
its last; a chord is an integer, a bit per drum.
"""

import collections
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from drumjax.evaluation.excerpts import STEPS_PER_BEAT, excerpt_of
from drumjax.kits import Kit
from drumjax.notes import Song

BAR_STEPS = 4 * STEPS_PER_BEAT
UNIGRAM_ADDED = 0.1  # to the count of every chord
PLACE_WEIGHT = 5.0  # of the unigram, in counts
CONTEXTS = (1, 2, 4, 8, 16)  # steps of an n-gram, from short to long
COPY_WEIGHT = 0.4


def chords_of(song: Song, kit: Kit) -> np.ndarray:
    """[steps] int64: a bit per drum. Raises ValueError for a song that is not in 4/4."""
    if song.time_signature != (4, 4):
        raise ValueError(f"{song.name} is in {'{}/{}'.format(*song.time_signature)}, not in 4/4")
    cells = excerpt_of(song, kit).hits.reshape(-1, kit.num_classes)
    return cells @ (1 << np.arange(kit.num_classes))


class Guess(NamedTuple):
    """Of each step of a song [T]: the nats of its chord, and whether it was the likeliest."""

    nll: np.ndarray
    correct: np.ndarray


class Counter:
    """Unigram, position in the bar, and Witten-Bell n-gram, learned from chords of songs."""

    def __init__(self, songs: Sequence[np.ndarray], num_chords: int):
        by_place = np.zeros((BAR_STEPS, num_chords))
        for chords in songs:
            np.add.at(by_place, (np.arange(len(chords)) % BAR_STEPS, chords), 1)
        total = by_place.sum(axis=0)
        self.unigram = (total + UNIGRAM_ADDED) / (total.sum() + UNIGRAM_ADDED * num_chords)
        self.by_place = (by_place + PLACE_WEIGHT * self.unigram) / (by_place.sum(axis=1, keepdims=True) + PLACE_WEIGHT)
        # What followed each context of n chords, and how often.
        self.followers: dict[int, dict[bytes, collections.Counter[int]]] = {n: {} for n in CONTEXTS}
        for chords in songs:
            values = chords.astype(np.int16)
            for n, table in self.followers.items():
                for t in range(n, len(values)):
                    table.setdefault(values[t - n : t].tobytes(), collections.Counter())[int(values[t])] += 1

    def odds(self, chords: np.ndarray) -> np.ndarray:
        """[T, chords]: the n-gram's distribution at each step of a song, given the steps before it.

        Witten & Bell 1991 (method C), interpolated: along contexts of 1, 2, 4, 8 and 16 chords, as far as the context
        was seen, P_n = (count + kinds * P_shorter) / (sum of counts + kinds), `kinds` being how many different chords
        followed it; below them the position in the bar.
        """
        values = chords.astype(np.int16)
        return np.stack([self._next_odds(values[:t]) for t in range(len(values))])

    def _next_odds(self, values: np.ndarray) -> np.ndarray:
        """[chords]: what the n-gram expects after values [t] int16."""
        t = len(values)
        row = self.by_place[t % BAR_STEPS].copy()
        for n in CONTEXTS:
            found = self.followers[n].get(values[t - n :].tobytes()) if t >= n else None
            if found is None:
                break
            kinds, total = len(found), found.total()
            row *= kinds / (kinds + total)
            row[list(found)] += np.fromiter(found.values(), float) / (kinds + total)
        return row

    def play(self, num_steps: int, generator: np.random.Generator) -> np.ndarray:
        """[T] int16: chords drawn from the n-gram, one after the other."""
        values = np.zeros(num_steps, np.int16)
        for t in range(num_steps):
            sums = np.cumsum(self._next_odds(values[:t]))
            values[t] = min(np.searchsorted(sums, generator.random() * sums[-1], side="right"), len(sums) - 1)
        return values

    def judge(self, chords: np.ndarray) -> dict[str, Guess]:
        """How each baseline does on a song [T]. The copies are of the chord a bar ago."""
        step = np.arange(len(chords))
        place, ngram = self.by_place[step % BAR_STEPS], self.odds(chords)
        guesses = {
            "unigram": np.broadcast_to(self.unigram, place.shape),
            "position in bar": place,
            "0.4 copy + position in bar": _with_copy(place, chords),
            "n-gram": ngram,
            "0.4 copy + n-gram": _with_copy(ngram, chords),
        }
        return {
            name: Guess(-np.log(odds[step, chords]), np.argmax(odds, axis=1) == chords)
            for name, odds in guesses.items()
        }


def _with_copy(odds: np.ndarray, chords: np.ndarray) -> np.ndarray:
    """[T, chords]: from the second bar on, COPY_WEIGHT of the odds goes to the chord a bar ago."""
    mixed, step = odds.copy(), np.arange(BAR_STEPS, len(chords))
    mixed[step] *= 1 - COPY_WEIGHT
    mixed[step, chords[step - BAR_STEPS]] += COPY_WEIGHT
    return mixed
