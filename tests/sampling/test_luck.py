"""Luck that lasts: what is drawn at a step is distributed as before, and steps correlate as they should."""

import numpy as np
import pytest

from drumjax.sampling.luck import BEAT_KEPT, PLACE, STEP_KEPT, STEPS, TAKE
from drumjax.studies.luck import correlate, describe, draw, split_drums

NUM, GRID = 4096, 4


@pytest.fixture(scope="module")
def drawn():
    return draw(NUM, 24, GRID)


def test_every_number_is_as_evenly_spread_as_before(drawn):
    for numbers in drawn:
        for step in (0, 1, 7, 23):
            share = np.mean(numbers[:, step] < np.asarray([-1.0, 0.0, 1.0])[:, None], axis=1)
            np.testing.assert_allclose(share, [0.159, 0.5, 0.841], atol=0.03)


@pytest.mark.parametrize("lag", [1, 2, 4, 8, 16])
def test_steps_correlate_by_what_they_share(drawn, lag):
    expected = TAKE + STEPS * STEP_KEPT**lag + (PLACE * BEAT_KEPT ** (lag // GRID) if lag % GRID == 0 else 0)
    first = drawn[0]
    assert correlate(first[:, 3], first[:, 3 + lag]) == pytest.approx(expected, abs=0.06)


def test_the_drums_of_a_step_share_the_take(drawn):
    assert correlate(drawn[0][:, 5], drawn[1][:, 5]) == pytest.approx(TAKE, abs=0.06)


def test_the_first_drum_of_a_step_is_the_first_that_is_hit():
    places = np.asarray([[[np.nan, 1.0, 2.0], [3.0, np.nan, np.nan], [np.nan, np.nan, np.nan]]])
    first, second = split_drums(places)
    np.testing.assert_array_equal(first, [[1, 3, np.nan]])
    np.testing.assert_array_equal(second, [[2, np.nan, np.nan]])
    steps = np.arange(70.0)[None]
    assert describe(steps, -steps)["two drums"] == pytest.approx(-1)
    assert describe(steps, steps)["lag 64"] == pytest.approx(1)
