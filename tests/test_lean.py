"""The lean of performances that are known, and moved."""

import numpy as np
import pytest

from drumjax.lean import lean_ms, lean_to


def test_the_lean_is_that_of_the_notes_on_the_beat():
    swung = np.asarray([0.02, 0.66, 1.04, 1.66, 2.0, 2.66])  # the off-beats are nearest to late 16ths
    assert lean_ms(swung, 120.0) == pytest.approx(0.02 * 500)
    assert lean_ms(swung, 60.0) == pytest.approx(0.02 * 1000)
    assert lean_ms(np.asarray([-0.1, 0.9]), 120.0) == pytest.approx(-50)


@pytest.mark.parametrize("wanted", [-20.0, 0.0, 15.0])
def test_notes_are_moved_together_until_they_lean_as_wanted(wanted):
    onset = np.random.default_rng(0).normal(0, 0.02, 64) + np.arange(64) / 4 + 4
    moved = lean_to(onset, 96.0, wanted)
    assert lean_ms(moved, 96.0) == pytest.approx(wanted, abs=0.5)  # a note or two may cross the limit of near
    np.testing.assert_allclose(np.diff(moved), np.diff(onset))


def test_where_nothing_is_near_a_beat_nothing_is_known_nor_moved():
    onset = np.asarray([0.5, 1.5])
    assert np.isnan(lean_ms(onset, 120.0))
    np.testing.assert_array_equal(lean_to(onset, 120.0, 10.0), onset)
    assert np.isnan(lean_ms(onset[:0], 120.0))
