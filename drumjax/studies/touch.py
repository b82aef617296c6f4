"""What makes hits feel like one person's: figures of performances, with nothing to compare them with."""

from collections.abc import Sequence

import numpy as np

from drumjax.music.kits import NINE_DRUMS
from drumjax.studies.hits import Hits

NEAR_BEATS = 1.0  # hits so close to each other are neighbours
WIDE_MS = 25.0  # drums further apart than this are heard as a flam
# Feet and left hand against the hand that keeps time.
LOW, HIGH = ("kick", "snare"), ("closed hi-hat", "open hi-hat", "ride")
ON_BEAT_BEATS = 1e-6
MIN_HITS = 3  # of a drum at a place, to have a spread


def describe_touch(drawn: Sequence[Hits]) -> dict[str, float]:
    """The mean over draws of these figures; NaN for what does not occur.

    together          correlation of the offsets of kick or snare and hi-hat or ride in the same step
    gap_ms, wide      how far those lie apart on average, and the share further than WIDE_MS
    lag_1             correlation of a step's timing (the mean of its hits) with that of the step before, at most a beat
                      away
    change_ms, change_velocity  mean change from a hit to the next of its drum within a beat
    same_velocity     share of such changes of at most 1
    place_ms, place_velocity    spread (standard deviation) within an excerpt, a drum and a place of the bar
    lean_ms, bar_lean_ms        spread of the excerpts' lean (the mean lateness on beats), and of the bars' around it
    """
    rows = [_describe(hits) for hits in drawn]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _describe(hits: Hits) -> dict[str, float]:
    low, high = _pairs(hits)
    gap, louder = np.abs(low - high), changes(hits, "velocity")
    timing, before = _steps(hits)
    lean, bars = _leans(hits)
    return {
        "together": _correlate(low, high),
        "gap_ms": _mean(gap),
        "wide": _mean(gap > WIDE_MS),
        "lag_1": _correlate(timing, before),
        "change_ms": _mean(np.abs(changes(hits, "offset_ms"))),
        "change_velocity": _mean(np.abs(louder)),
        "same_velocity": _mean(np.abs(louder) <= 1),
        "place_ms": _spread_by_place(hits, "offset_ms"),
        "place_velocity": _spread_by_place(hits, "velocity"),
        "lean_ms": float(np.std(lean)) if len(lean) else float("nan"),
        "bar_lean_ms": float(np.sqrt(_mean(bars**2))),
    }


def describe_loudness(drawn: Sequence[Hits]) -> dict[str, float]:
    """The mean velocity of each drum, NaN of one that is not hit."""
    drum = np.concatenate([hits.drum for hits in drawn])
    velocity = np.concatenate([hits.velocity for hits in drawn])
    return {name: _mean(velocity[drum == k]) for k, name in enumerate(NINE_DRUMS)}


def changes(hits: Hits, name: str) -> np.ndarray:
    """By how much each hit differs in `name` from the one of the same drum before it, if that is within NEAR_BEATS."""
    order = np.lexsort((hits.grid_beat, hits.drum, hits.excerpt))
    excerpt, drum, beat, value = (x[order] for x in (hits.excerpt, hits.drum, hits.grid_beat, getattr(hits, name)))
    near = (np.diff(excerpt) == 0) & (np.diff(drum) == 0) & (np.diff(beat) <= NEAR_BEATS)
    return np.diff(value)[near]


def _pairs(hits: Hits) -> tuple[np.ndarray, np.ndarray]:
    """Offsets [n], [n] of each low and each high drum that are hit in the same step."""
    _, step = np.unique(np.stack([hits.excerpt, hits.grid_beat]), axis=1, return_inverse=True)
    found = []
    for names in (LOW, HIGH):
        rows = np.full((len(names), step.max(initial=-1) + 1), np.nan)
        for row, name in zip(rows, names, strict=True):
            mine = hits.drum == NINE_DRUMS.index(name)
            row[step[mine]] = hits.offset_ms[mine]
        found.append(rows)
    low, high = (x.ravel() for x in np.broadcast_arrays(found[0][:, None], found[1][None]))
    both = ~np.isnan(low) & ~np.isnan(high)
    return low[both], high[both]


def _steps(hits: Hits) -> tuple[np.ndarray, np.ndarray]:
    """The timing of each step [n] that has one before it within a beat, and that one's."""
    keys, step = np.unique(np.stack([hits.excerpt, hits.grid_beat]), axis=1, return_inverse=True)
    timing = np.bincount(step, hits.offset_ms) / np.maximum(np.bincount(step), 1)
    near = (np.diff(keys[0]) == 0) & (np.diff(keys[1]) <= NEAR_BEATS)
    return timing[1:][near], timing[:-1][near]


def _spread_by_place(hits: Hits, name: str) -> float:
    """The root of the mean variance within groups of at least MIN_HITS hits."""
    key = np.stack([hits.excerpt, hits.drum, hits.position])
    _, group, count = np.unique(key, axis=1, return_inverse=True, return_counts=True)
    value = getattr(hits, name)
    mean = np.bincount(group, value) / count
    squares = np.bincount(group, (value - mean[group]) ** 2)
    enough = count >= MIN_HITS
    return float(np.sqrt(squares[enough].sum() / (count[enough] - 1).sum())) if enough.any() else float("nan")


def _leans(hits: Hits) -> tuple[np.ndarray, np.ndarray]:
    """How late each excerpt is on its beats, and how much more each of its bars is."""
    on = np.abs(hits.grid_beat - np.round(hits.grid_beat)) < ON_BEAT_BEATS
    excerpt, bar, late = hits.excerpt[on], hits.grid_beat[on].astype(int) // 4, hits.offset_ms[on]
    _, piece = np.unique(excerpt, return_inverse=True)
    lean = np.bincount(piece, late) / np.maximum(np.bincount(piece), 1)
    keys, group = np.unique(np.stack([piece, bar]), axis=1, return_inverse=True)
    by_bar = np.bincount(group, late) / np.maximum(np.bincount(group), 1)
    return lean, by_bar - lean[keys[0]]


def _correlate(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 1 and a.std() > 0 and b.std() > 0 else float("nan")


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
