"""Velocities within their bins."""

import numpy as np
import pytest

from drumjax.codecs.bins import velocity_in


@pytest.mark.parametrize("num_bins", [1, 4, 25, 32, 100, 128])
def test_every_velocity_is_drawn_from_its_own_bin_and_as_often_as_its_neighbours(num_bins):
    bins = np.arange(num_bins)[:, None]
    velocity = np.asarray(velocity_in(bins, np.linspace(0, 0.999, 240)[None], num_bins))
    np.testing.assert_array_equal(np.floor(velocity * (num_bins / 128) + 1e-6), np.broadcast_to(bins, velocity.shape))
    for row in velocity:
        values, counts = np.unique(row, return_counts=True)
        assert counts.max() - counts.min() <= 1 + 240 // len(values) // 50
        np.testing.assert_array_equal(np.diff(values), 1)
    assert set(velocity.ravel().tolist()) == set(range(128))
