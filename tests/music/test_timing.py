"""The lean of performances that are known, and moved."""

import numpy as np
import pytest

from drumjax.config.controls import MAX_LEAN_BEATS
from drumjax.music.timing import lean_ms, lean_to, swing_of, swing_to


def test_the_lean_is_that_of_the_notes_on_the_beat():
    swung = np.asarray([0.02, 0.66, 1.04, 1.66, 2.0, 2.66])  # the off-beats are nearest to late 16ths
    assert lean_ms(swung, 120.0, 4.0) == pytest.approx(0.02 * 500)
    assert lean_ms(swung, 60.0, 4.0) == pytest.approx(0.02 * 1000)
    assert lean_ms(np.asarray([-0.1, 0.9]), 120.0, 4.0) == pytest.approx(-50)


def test_every_bar_has_its_own_beats():
    """In 7/8 every second bar begins between two quarters."""
    onset = np.asarray([3.48, 4.52, 4.0])  # the second bar's one and two, and an 8th off
    assert lean_ms(onset, 120.0, 3.5) == pytest.approx(0)
    assert lean_ms(onset[:1], 120.0, 3.5) == pytest.approx(-10)


@pytest.mark.parametrize("tempo_bpm", [60.0, 120.0, 240.0])
@pytest.mark.parametrize("share", [-1.0, 0.0, 0.5, 1.0])
def test_notes_are_moved_together_until_they_lean_as_wanted(tempo_bpm, share):
    onset = np.random.default_rng(0).normal(0, 0.01, 256) + np.arange(256) / 4 + 4
    wanted = share * MAX_LEAN_BEATS * 60_000 / tempo_bpm
    moved = lean_to(onset, tempo_bpm, 4.0, wanted)
    assert lean_ms(moved, tempo_bpm, 4.0) == pytest.approx(wanted, abs=0.01)
    np.testing.assert_allclose(np.diff(moved), np.diff(onset))
    np.testing.assert_array_equal(np.round(moved * 4), np.round(onset * 4))  # the same rhythm


def test_where_nothing_is_near_a_beat_nothing_is_known_nor_moved():
    onset = np.asarray([0.5, 1.5])
    assert np.isnan(lean_ms(onset, 120.0, 4.0))
    np.testing.assert_array_equal(lean_to(onset, 120.0, 4.0, 10.0), onset)
    assert np.isnan(lean_ms(onset[:0], 120.0, 4.0))


def test_the_swing_is_that_of_the_8ths_between_the_beats():
    straight = np.arange(16) / 2
    assert swing_of(straight) == pytest.approx(0)
    assert swing_of(np.floor(straight) + np.where(straight % 1 > 0, 2 / 3, 0)) == pytest.approx(1)
    assert np.isnan(swing_of(np.arange(4.0)))
    assert np.isnan(swing_of(np.asarray([0.25, 0.75])))  # 16ths say nothing


@pytest.mark.parametrize("wanted", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("found", [0.0, 0.8])
def test_8ths_are_moved_to_the_swing_asked_for(found, wanted):
    beat = np.arange(8.0)
    onset = np.sort(np.concatenate([beat, beat + 0.5 + found / 6, beat + 0.9]))
    moved = swing_to(onset, wanted)
    assert swing_of(moved) == pytest.approx(wanted)
    np.testing.assert_allclose(moved[onset % 1 == 0], beat)  # the beats stay
    assert np.all(np.diff(moved) > 0)  # and nothing overtakes
    np.testing.assert_array_equal(swing_to(beat, wanted), beat)
