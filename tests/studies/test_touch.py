"""Figures of touch whose values are known."""

import numpy as np
import pytest

from drumjax.music.kits import NINE_DRUMS
from drumjax.studies.hits import Hits
from drumjax.studies.touch import describe_touch

KICK, HAT = NINE_DRUMS.index("kick"), NINE_DRUMS.index("closed hi-hat")


def make_hits(kick_ms, hat_ms, velocity):
    """A kick and a hi-hat on every beat of one excerpt."""
    num = len(kick_ms)
    beat = np.repeat(np.arange(num, dtype=float), 2)
    offset = np.stack([kick_ms, hat_ms], axis=1).ravel()
    drum = np.tile([KICK, HAT], num)
    return Hits(np.zeros(2 * num, int), drum, beat, (4 * beat) % 16, np.repeat(velocity, 2).astype(float), offset)


def test_drums_that_lie_together_correlate_and_their_gaps_are_measured():
    ms = np.asarray([-10.0, 0, 10, 20])
    row = describe_touch([make_hits(ms, ms + 6, np.full(4, 90))])
    assert row["together"] == pytest.approx(1)
    assert (row["gap_ms"], row["wide"]) == (6, 0)
    assert row["change_ms"] == 10
    assert (row["change_velocity"], row["same_velocity"]) == (0, 1)
    assert row["lag_1"] == pytest.approx(1)
    apart = describe_touch([make_hits(ms, ms[::-1], [10, 50, 11, 51])])
    assert apart["together"] == pytest.approx(-1)
    assert apart["wide"] == 0.5
    assert apart["same_velocity"] == 0


def test_the_mean_is_over_draws():
    ms = np.zeros(4)
    rows = [make_hits(ms, ms + gap, np.full(4, 90)) for gap in (10, 30)]
    assert describe_touch(rows)["gap_ms"] == 20


def test_a_spread_is_within_a_drum_and_a_place_and_a_lean_of_whole_bars():
    """Twelve bars: the kick on 1 alternates by 20 ms, and every other bar is 8 ms later than the one before."""
    bars = 12
    late = np.where(np.arange(bars) % 2, 8.0, 0.0)
    beat = np.arange(bars) * 4.0
    hits = Hits(np.zeros(bars, int), np.full(bars, KICK), beat, 0 * beat, np.tile([80.0, 100.0], bars // 2), late)
    row = describe_touch([hits])
    assert row["place_ms"] == pytest.approx(np.std(late, ddof=1))
    assert row["place_velocity"] == pytest.approx(np.std([80, 100] * 6, ddof=1))
    assert row["bar_lean_ms"] == pytest.approx(4)
    assert row["lean_ms"] == 0
    assert np.isnan(row["together"])
