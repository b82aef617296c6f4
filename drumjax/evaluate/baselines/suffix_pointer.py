"""What a song's own past says of its next value: counting with a memory, and no network.

An earlier step at the same place of its beat (of notes one by one: every earlier note) votes for the value that it has,
by how well the values before it match those before now (S, a suffix match with a decay), less if it is at another place
of the bar or long ago:

    S[t, l] = DECAY S[t - 1, l] + [value[t - 1] = value[t - 1 - l]]
    weight  = exp(SHARPNESS S - OTHER_PLACE [l is no whole number of bars] - FORGETTING log(1 + l in bars))

The four numbers were chosen on the validation split of the Groove MIDI Dataset, as a model's settings are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

DECAY, SHARPNESS, OTHER_PLACE, FORGETTING = 0.8, 3.0, 2.0, 0.5
# Steps are told apart by their best match, rounded down; of an endless one it is 1 / (1 - DECAY) = 5.
NUM_CLASSES = 5
EM_STEPS = 30


class Votes(NamedTuple):
    """Of each step of a song [T]: the distribution of the votes [T, size], zeros where nobody votes, and the best match
    S [T], -1 where nobody votes."""

    odds: np.ndarray
    best: np.ndarray


def vote(values: np.ndarray, size: int, beat_steps: int, bar: float, when: np.ndarray | None = None) -> Votes:
    """How the past of a song votes for each of its values [T], 0 <= value < size.

    Steps a multiple of beat_steps ago vote. `when` [T] is the time of each step (none: its number), and `bar` how long
    a bar is in such time.
    """
    num_steps = len(values)
    when = np.arange(num_steps) if when is None else when
    lags = np.arange(beat_steps, max(num_steps, beat_steps + 1), beat_steps)
    odds, best = np.zeros((num_steps, size), np.float32), np.full(num_steps, -1.0)
    match = np.zeros(len(lags))
    for t in range(beat_steps, num_steps):
        known = t // beat_steps
        match *= DECAY
        earlier = lags[lags < t]  # those whose step before is there to be compared
        match[: len(earlier)] += values[t - 1 - earlier] == values[t - 1]
        then = t - lags[:known]
        ago = when[t] - when[then]
        votes = SHARPNESS * match[:known] - OTHER_PLACE * (ago % bar != 0) - FORGETTING * np.log1p(ago / bar)
        weights = np.exp(votes - votes.max())
        odds[t] = np.bincount(values[then], weights / weights.sum(), size)
        best[t] = match[:known].max()
    return Votes(odds, best)


def classes_of(best: np.ndarray) -> np.ndarray:
    """[T]: the class of each step by its best match, -1 where nobody votes."""
    return np.where(best < 0, -1, np.minimum(best, NUM_CLASSES - 1)).astype(int)


def fit_share(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The share of votes in a mixture that makes the true values likeliest, by expectation maximization.

    pairs: of songs, the odds [T] that the votes give the true values, and those that something else gives them.
    """
    voted, other = (np.concatenate([pair[i] for pair in pairs]) if pairs else np.zeros(0) for i in (0, 1))
    share = 0.5
    for _ in range(EM_STEPS if len(voted) else 0):
        share = float(np.mean(share * voted / (share * voted + (1 - share) * other)))
    return share
