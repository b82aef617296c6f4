"""What counting alone can predict: the baselines that a model must beat, on whole songs.

All are learned from the training split. A song is a sequence of whole numbers >= 0, each at a place of the bar: the
chord of each 16th (a bit per drum), or one field of the notes of a melody.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from drumjax.evaluate.baselines.ngram import Followers, in_blocks
from drumjax.evaluate.baselines.suffix_pointer import NUM_CLASSES, classes_of, fit_share, vote
from drumjax.music.grid_view import STEPS_PER_BEAT, excerpt_of
from drumjax.music.kits import Kit
from drumjax.music.metre import write_metre
from drumjax.music.notes import Song

BAR_STEPS = 4 * STEPS_PER_BEAT
UNIGRAM_ADDED = 0.1  # to the count of every value
PLACE_WEIGHT = 5.0  # of the unigram, in counts
CONTEXTS = (1, 2, 4, 8, 16)  # steps of an n-gram, from short to long
COPY_WEIGHT = 0.4
# The shares of the suffix pointer are fitted on so many songs from each fold of the training songs.
NUM_FOLDS, FIT_SONGS = 5, 40


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
    memory                  whether the song's own past is asked too (suffix_pointer.py): for chords of 16ths
    """

    def __init__(
        self,
        lines: Sequence[Line],
        num_values: int,
        num_places: int = BAR_STEPS,
        copy: str = "copy",
        copy_steps: int = BAR_STEPS,
        memory: bool = False,
    ):
        self.num_values, self.copy, self.copy_steps = num_values, copy, copy_steps
        by_place = np.zeros((num_places, num_values))
        for line in lines:
            np.add.at(by_place, (line.places, line.values), 1)
        total = by_place.sum(axis=0)
        self.unigram = (total + UNIGRAM_ADDED) / (total.sum() + UNIGRAM_ADDED * num_values)
        self.by_place = (by_place + PLACE_WEIGHT * self.unigram) / (by_place.sum(axis=1, keepdims=True) + PLACE_WEIGHT)
        self.followers = [Followers([line.values for line in lines], length) for length in CONTEXTS]
        self.shares = self._fit_shares(lines) if memory else None

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
        votes = vote(line.values, self.num_values, STEPS_PER_BEAT, BAR_STEPS) if self.shares else None
        for steps in in_blocks(len(line.values), self.num_values):
            values, copied = line.values[steps], np.full(len(line.values), -1)
            copied[self.copy_steps :] = line.values[: -self.copy_steps]
            place, ngram = self.by_place[line.places[steps]], self.odds(line, steps)
            odds: dict[str, np.ndarray] = {
                "unigram": np.broadcast_to(self.unigram, place.shape),
                "position in bar": place,
                f"{COPY_WEIGHT} {self.copy} + position in bar": _with_copy(place, copied[steps]),
                "n-gram": ngram,
                f"{COPY_WEIGHT} {self.copy} + n-gram": _with_copy(ngram, copied[steps]),
            }
            if votes and self.shares:
                which = classes_of(votes.best[steps])
                by_class = np.append(self.shares.by_class, 0.0)[which]
                fixed = np.where(which < 0, 0.0, self.shares.fixed)
                for how, share in (("", fixed), (", share by match", by_class)):
                    odds[f"n-gram + suffix pointer{how}"] = ngram + share[:, None] * (votes.odds[steps] - ngram)
            rows = np.arange(len(values))
            parts.append(
                {
                    name: Guess(-np.log(found[rows, values]), np.argmax(found, axis=1) == values)
                    for name, found in odds.items()
                }
            )
        return {name: Guess(*map(np.concatenate, zip(*(p[name] for p in parts), strict=True))) for name in parts[0]}

    def _fit_shares(self, lines: Sequence[Line]) -> "Shares":
        """Fitted on some of the training songs, each judged by an n-gram of the others."""
        pairs: list[tuple[np.ndarray, np.ndarray]] = []
        classes: list[np.ndarray] = []
        for fold in range(NUM_FOLDS):
            own = lines[fold::NUM_FOLDS][:FIT_SONGS]
            others = [line for i, line in enumerate(lines) if i % NUM_FOLDS != fold]
            ngram = Counter(others, self.num_values) if others else self
            for line in own:
                votes = vote(line.values, self.num_values, STEPS_PER_BEAT, BAR_STEPS)
                for steps in in_blocks(len(line.values), self.num_values):
                    true = np.arange(len(line.values[steps])), line.values[steps]
                    pairs.append((votes.odds[steps][true], ngram.odds(line, steps)[true]))
                    classes.append(classes_of(votes.best[steps]))
        fixed = fit_share([(a[c >= 0], b[c >= 0]) for (a, b), c in zip(pairs, classes, strict=True)])
        return Shares(fixed, tuple(
            fit_share([(a[c == k], b[c == k]) for (a, b), c in zip(pairs, classes, strict=True)])
            for k in range(NUM_CLASSES)
        ))  # fmt: skip


class Shares(NamedTuple):
    """Of the votes of the past in a mixture with an n-gram: one for all steps, and one by class of the best match."""

    fixed: float
    by_class: tuple[float, ...]


def _with_copy(odds: np.ndarray, copied: np.ndarray) -> np.ndarray:
    """[T, values]: COPY_WEIGHT of the odds goes to the copied value [T], where there is one (>= 0)."""
    mixed, rows = odds.copy(), np.flatnonzero(copied >= 0)
    mixed[rows] *= 1 - COPY_WEIGHT
    mixed[rows, copied[rows]] += COPY_WEIGHT
    return mixed
