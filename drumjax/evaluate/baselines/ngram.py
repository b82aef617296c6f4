"""What followed each context of n values in training, and how often: the counts of an n-gram, in flat arrays.

Contexts are known by a hash of 64 bits; among a million of them two meet by chance with odds of 3e-8.
"""

from collections.abc import Iterator, Sequence

import numpy as np

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it is a permutation of 64 bits


class Followers:
    """The followers of every context of `length` values in sequences [T] of values >= 0."""

    def __init__(self, sequences: Sequence[np.ndarray], length: int):
        self.length = length
        keys = np.concatenate([_hash_contexts(values, length) for values in sequences])
        nexts = np.concatenate([values[length:] for values in sequences]).astype(np.int64)
        order = np.lexsort((nexts, keys))
        keys, nexts = keys[order], nexts[order]
        is_pair = np.ones(len(keys), bool)
        is_pair[1:] = (keys[1:] != keys[:-1]) | (nexts[1:] != nexts[:-1])
        first = np.flatnonzero(is_pair)
        self._value, self._count = nexts[first], np.diff(np.append(first, len(keys)))
        is_context = np.ones(len(first), bool)
        is_context[1:] = keys[first][1:] != keys[first][:-1]
        begin = np.flatnonzero(is_context)
        self._key, self._begin = keys[first][begin], np.append(begin, len(first))

    def find(self, values: np.ndarray) -> np.ndarray:
        """[T]: which context stands before each of the values [T]; -1 for one that is too short or was never seen."""
        keys = _hash_contexts(values, self.length)
        place = np.minimum(np.searchsorted(self._key, keys), max(len(self._key) - 1, 0))
        found = np.where(self._key[place] == keys, place, -1) if len(self._key) else np.full(len(keys), -1)
        return np.concatenate([np.full(min(self.length, len(values)), -1), found])

    def mix(self, odds: np.ndarray, context: np.ndarray) -> None:
        """Interpolates the odds [T, size] of shorter contexts with these counts, in place, where context [T] >= 0.

        Witten & Bell 1991, method C: (count + kinds * odds) / (sum of counts + kinds), `kinds` being how many different
        values followed.
        """
        rows = np.flatnonzero(context >= 0)
        begin, end = self._begin[context[rows]], self._begin[context[rows] + 1]
        kinds = end - begin
        sums = np.concatenate([[0], np.cumsum(self._count)])
        total = sums[end] - sums[begin]
        odds[rows] *= (kinds / (kinds + total))[:, None]
        which = np.repeat(np.arange(len(rows)), kinds)
        pair = np.arange(len(which)) - np.repeat(np.cumsum(kinds) - kinds, kinds) + np.repeat(begin, kinds)
        odds[rows[which], self._value[pair]] += self._count[pair] / (kinds + total)[which]


def _hash_contexts(values: np.ndarray, length: int) -> np.ndarray:
    """[T - length] uint64: a hash of the values before each one that has so many."""
    size = max(len(values) - length, 0)
    key = np.zeros(size, np.uint64)
    for i in range(length):
        key = (key + values[i : i + size].astype(np.uint64) + np.uint64(1)) * _FACTOR
        key ^= key >> np.uint64(29)
    return key


def in_blocks(num_steps: int, size: int) -> Iterator[slice]:
    """Stretches of num_steps steps whose rows of `size` odds are not too many to hold."""
    step = max(1, 4_000_000 // size)
    return (slice(first, min(first + step, num_steps)) for first in range(0, max(num_steps, 1), step))
