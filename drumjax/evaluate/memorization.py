"""Memorization: how much of what is played is in the training split. Bars that are copies, long runs, near misses."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Bars compared at once; each with every bar of the training split.
BLOCK = 512


class Memory(NamedTuple):
    """Of some bars on the 16th grid, rests included.

    copied    share of the bars that occur verbatim in the training split, silent ones left out
    run       mean over performances of the longest stretch, in bars, that occurs verbatim at the same place of the bar
    longest   the longest of those
    nearest   mean over bars of how many hits would have to change to be the nearest training bar
    """

    copied: float
    run: float
    longest: float
    nearest: float


class TrainingBars:
    """The bars of the training split: songs [bars, 16, drums] bool each."""

    def __init__(self, songs: Sequence[np.ndarray]):
        bars = np.concatenate(songs)
        self._steps = bars.shape[1]
        flat = bars.reshape(len(bars), -1)
        self._bars = np.unique(flat[flat.any(axis=1)], axis=0)
        self._known = {bar.tobytes() for bar in self._bars}
        # A silent chord that nobody plays (-1) keeps runs from going on into the next song.
        weights = 1 << np.arange(bars.shape[2])
        chords = [np.append(song.reshape(-1, bars.shape[2]) @ weights, np.full(self._steps, -1)) for song in songs]
        self._columns = np.concatenate(chords).reshape(-1, self._steps)
        self._weights = weights

    def compare(self, performances: Sequence[np.ndarray]) -> Memory:
        """Performances [bars, 16, drums] bool."""
        bars = np.concatenate(performances)
        flat = bars.reshape(len(bars), -1)
        flat = flat[flat.any(axis=1)]
        copied = np.mean([bar.tobytes() in self._known for bar in flat]) if len(flat) else np.nan
        runs = [self.longest_run(performance) / self._steps for performance in performances]
        return Memory(float(copied), float(np.mean(runs)), float(np.max(runs)), self._nearest(flat))

    def longest_run(self, performance: np.ndarray) -> int:
        """Steps of the longest stretch of it that a training song has at the same place of the bar."""
        chords = performance.reshape(-1, performance.shape[2]) @ self._weights
        # Entry j: how long the stretch is that ends at this step, and at this place of training bar j.
        run, best = np.zeros(len(self._columns), int), 0
        for step, chord in enumerate(chords):
            place = step % self._steps
            if place == 0:  # the step before is the last one of the training bar before
                run = np.concatenate([[0], run[:-1]])
            run = np.where(self._columns[:, place] == chord, run + 1, 0)
            best = max(best, int(run.max()))
        return best

    def _nearest(self, flat: np.ndarray) -> float:
        """Mean Hamming distance of bars [n, 16 * drums] to the nearest known one."""
        known = self._bars.astype(np.float32)
        size = known.sum(axis=1)
        nearest = []
        for first in range(0, len(flat), BLOCK):
            some = flat[first : first + BLOCK].astype(np.float32)
            distance = some.sum(axis=1)[:, None] + size[None] - 2 * some @ known.T
            nearest.append(distance.min(axis=1))
        return float(np.mean(np.concatenate(nearest))) if nearest else float("nan")
