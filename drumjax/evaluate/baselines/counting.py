"""What counting alone can predict: the baselines that a model must beat, on whole songs.

All are learned from the training split. A song is a sequence of whole numbers >= 0, each at a place of the bar: the
chord of each 16th (a bit per drum), or one field of the notes of a melody.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from drumjax.evaluate.baselines.ngram import Followers, in_blocks
from drumjax.music.grid_view import STEPS_PER_BEAT, excerpt_of
from drumjax.music.kits import Kit
from drumjax.music.metre import write_metre
from drumjax.music.notes import Song

BAR_STEPS = 4 * STEPS_PER_BEAT
UNIGRAM_ADDED = 0.1  # to the count of every value
PLACE_WEIGHT = 5.0  # of the unigram, in counts
CONTEXTS = (1, 2, 4, 8, 16)  # steps of an n-gram, from short to long
COPY_WEIGHT = 0.4


class Line(NamedTuple):
    """A song as it is counted: values [T] and their places in the bar [T], whole numbers."""

    values: np.ndarray
    places: np.ndarray


def chords_of(song: Song, kit: Kit) -> Line:
    """A value per 16th: a bit per drum. Raises ValueError for a song that is not in 4/4."""
    if song.time_signature != (4, 4):
        raise ValueError(f"{song.name} is in {write_metre(song.time_signature)}, not in 4/4")
    cells = excerpt_of(song, kit).hits.reshape(-1, kit.num_classes)
    chords = cells @ (1 << np.arange(kit.num_classes))
    return Line(chords, np.arange(len(chords)) % BAR_STEPS)


class Guess(NamedTuple):
    """Of each step of a song [T]: the nats of its value, and whether it was the likeliest."""

    nll: np.ndarray
    correct: np.ndarray


class Counter:
    """Unigram, place in the bar, and Witten-Bell n-gram, learned from lines.

    num_values, num_places  how many there are
    copy                    how it is called to expect what came copy_steps ago, and how many these are
    """

    def __init__(
        self,
        lines: Sequence[Line],
        num_values: int,
        num_places: int = BAR_STEPS,
        copy: str = "copy",
        copy_steps: int = BAR_STEPS,
    ):
        self.num_values, self.copy, self.copy_steps = num_values, copy, copy_steps
        by_place = np.zeros((num_places, num_values))
        for line in lines:
            np.add.at(by_place, (line.places, line.values), 1)
        total = by_place.sum(axis=0)
        self.unigram = (total + UNIGRAM_ADDED) / (total.sum() + UNIGRAM_ADDED * num_values)
        self.by_place = (by_place + PLACE_WEIGHT * self.unigram) / (by_place.sum(axis=1, keepdims=True) + PLACE_WEIGHT)
        self.followers = [Followers([line.values for line in lines], length) for length in CONTEXTS]

    def odds(self, line: Line, steps: slice = slice(None)) -> np.ndarray:
        """[T, values]: the n-gram's distribution at those steps of a song, given the steps before them.

        Along contexts of 1, 2, 4, 8 and 16 values, as far as the context was seen; below them the place in the bar.
        """
        odds = self.by_place[line.places[steps]].copy()
        seen = np.ones(len(odds), bool)
        for followers in self.followers:
            context = followers.find(line.values)[steps]
            seen &= context >= 0
            followers.mix(odds, np.where(seen, context, -1))
        return odds

    def play(self, num_steps: int, generator: np.random.Generator) -> np.ndarray:
        """[T] int64: values drawn from the n-gram, one after the other, each at the next place."""
        values = np.zeros(num_steps, np.int64)
        places = np.arange(num_steps) % len(self.by_place)
        longest = CONTEXTS[-1]
        for t in range(num_steps):
            first = max(0, t - longest)
            odds = self.odds(Line(values[first : t + 1], places[first : t + 1]), slice(t - first, None))[0]
            sums = np.cumsum(odds)
            values[t] = min(np.searchsorted(sums, generator.random() * sums[-1], side="right"), len(sums) - 1)
        return values

    def judge(self, line: Line) -> dict[str, Guess]:
        """How each baseline does on a song."""
        parts: list[dict[str, Guess]] = []
        for steps in in_blocks(len(line.values), self.num_values):
            values, copied = line.values[steps], np.full(len(line.values), -1)
            copied[self.copy_steps :] = line.values[: -self.copy_steps]
            place, ngram = self.by_place[line.places[steps]], self.odds(line, steps)
            odds = {
                "unigram": np.broadcast_to(self.unigram, place.shape),
                "position in bar": place,
                f"{COPY_WEIGHT} {self.copy} + position in bar": _with_copy(place, copied[steps]),
                "n-gram": ngram,
                f"{COPY_WEIGHT} {self.copy} + n-gram": _with_copy(ngram, copied[steps]),
            }
            rows = np.arange(len(values))
            parts.append(
                {
                    name: Guess(-np.log(found[rows, values]), np.argmax(found, axis=1) == values)
                    for name, found in odds.items()
                }
            )
        return {name: Guess(*map(np.concatenate, zip(*(p[name] for p in parts), strict=True))) for name in parts[0]}


def _with_copy(odds: np.ndarray, copied: np.ndarray) -> np.ndarray:
    """[T, values]: COPY_WEIGHT of the odds goes to the copied value [T], where there is one (>= 0)."""
    mixed, rows = odds.copy(), np.flatnonzero(copied >= 0)
    mixed[rows] *= 1 - COPY_WEIGHT
    mixed[rows, copied[rows]] += COPY_WEIGHT
    return mixed
