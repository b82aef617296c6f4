"""Likeness of samples whose likeness is known."""

import numpy as np
import pytest

from drumjax.evaluate.overlap import compare_figure, share_in_common


def draw(mean, spread, seed, size=300):
    return np.random.default_rng(seed).normal(mean, spread, size)


def test_the_same_distribution_is_alike_and_another_is_not():
    real = draw(5, 2, 0)
    same, moved, narrow = (compare_figure(x, real) for x in (draw(5, 2, 1), draw(15, 2, 2), draw(5, 0.02, 3)))
    assert same.overlap > 0.95 > 0.85 > narrow.overlap > moved.overlap
    assert same.kl < 0.01 < narrow.kl < moved.kl
    assert same.apart < 0.15
    assert moved.apart == pytest.approx(5, rel=0.05)


def test_a_shift_of_one_standard_deviation():
    real = draw(0, 1, 0)
    assert compare_figure(real + real.std(), real).apart == pytest.approx(1, rel=1e-3)
    assert compare_figure(real, real).apart == 0


def test_what_is_not_there_is_left_out():
    real = draw(5, 2, 0)
    with_gaps = np.concatenate([draw(5, 2, 1), [np.nan] * 10])
    assert compare_figure(with_gaps, real) == compare_figure(with_gaps[:-10], real)
    # One value alone has no density, but is as far away as it is.
    alone = compare_figure(np.full(9, real.mean()), real)
    assert np.isnan(alone[:2]).all()
    assert alone.apart == pytest.approx(np.abs(real - real.mean()).mean() / real.std())
    assert np.isnan(compare_figure(np.asarray([np.nan]), real)).all()


def test_patterns_in_common():
    assert share_in_common([b"a", b"b"], [b"b", b"a"]) == 1
    assert share_in_common([b"a", b"b"], [b"a", b"c"]) == 0.5
    assert share_in_common([b"a"], [b"c"]) == 0
    assert np.isnan(share_in_common([], [b"a"]))
