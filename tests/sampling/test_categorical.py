"""Draws by odds: temperature, the most likely k, the nucleus; few values and many."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drumjax.sampling.categorical import BLOCK, choose, choose_point

PROBABILITIES = np.asarray([0.05, 0.4, 0.3, 0.02, 0.23])


NUM_CHOICES = 20_000
PLAIN = np.float32(1.0), np.int32(0), np.float32(1.0)  # controls that change no odds
compiled_choose = jax.jit(choose)


@jax.jit
def choose_often(logits, *controls):
    """Many choices of two variables."""
    uniform = jax.random.uniform(jax.random.key(0), (NUM_CHOICES, 2))
    return choose(uniform, jnp.broadcast_to(logits[None, None], (NUM_CHOICES, 2, 5)), *controls)


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p", "kept"),
    [
        (1.0, 0, 1.0, [0, 1, 2, 3, 4]),
        (0.5, 0, 1.0, [0, 1, 2, 3, 4]),
        (2.0, 0, 1.0, [0, 1, 2, 3, 4]),
        (1.0, 2, 1.0, [1, 2]),
        (2.0, 3, 1.0, [1, 2, 4]),
        (1.0, 99, 1.0, [0, 1, 2, 3, 4]),
        (1.0, 0, 0.39, [1]),
        (1.0, 0, 0.41, [1, 2]),
        (1.0, 0, 0.75, [1, 2, 4]),
        (1.0, 0, 0.97, [0, 1, 2, 4]),
        (0.25, 0, 0.7, [1]),  # the nucleus of the distribution that is drawn from: here value 1 has 0.70 of it
        (1.0, 1, 0.75, [1]),
        (1.0, 4, 0.5, [1, 2]),
        (0.0, 0, 1.0, [1]),
        (0.0, 2, 0.9, [1]),
    ],
)
def test_values_are_chosen_with_the_odds_asked_for(temperature, top_k, top_p, kept):
    logits = np.log(PROBABILITIES).astype(np.float32) + 7
    chosen = np.asarray(choose_often(logits, np.float32(temperature), np.int32(top_k), np.float32(top_p)))
    odds = np.zeros(5)
    odds[kept] = PROBABILITIES[kept] ** (1 / temperature) if temperature else 1
    odds /= odds.sum()
    for variable in range(2):
        share = np.bincount(chosen[:, variable], minlength=5) / len(chosen)
        assert (share[odds == 0] == 0).all()
        np.testing.assert_allclose(share, odds, atol=0.018)  # five standard deviations
    if len(kept) > 1:
        assert not np.array_equal(*chosen.T)  # variables are drawn apart


@pytest.mark.parametrize("size", [BLOCK, BLOCK + 1, 3 * BLOCK, 100])
def test_a_value_is_where_the_cumulative_odds_pass_the_number(size):
    """Against numpy's sums in double precision, over two levels of blocks too; impossible values are never drawn."""
    generator = np.random.default_rng(size)
    odds = generator.gamma(0.3, size=(500, size)) * (generator.uniform(size=(500, size)) < 0.7)
    odds[:, generator.integers(size)] += 0.1
    uniform = generator.uniform(size=500).astype(np.float32)
    with np.errstate(divide="ignore"):
        logits = np.log(odds).astype(np.float32)
    chosen = np.asarray(compiled_choose(uniform, logits, *PLAIN))
    sums = np.cumsum(odds, axis=1) / odds.sum(axis=1, keepdims=True)
    below = np.where(chosen > 0, np.take_along_axis(sums, np.maximum(chosen - 1, 0)[:, None], 1)[:, 0], 0)
    above = np.take_along_axis(sums, chosen[:, None], 1)[:, 0]
    assert (np.take_along_axis(odds, chosen[:, None], 1) > 0).all()
    assert ((below - 1e-5 <= uniform) & (uniform <= above + 1e-5)).all()


def test_points_are_spread_evenly_in_what_is_drawn():
    """A value is the one that `choose` draws; within it the number goes from 0 to 1, and its distribution is even."""
    logits = np.log(PROBABILITIES).astype(np.float32)
    uniform = np.linspace(0, 1, 20_000, endpoint=False, dtype=np.float32)
    rows = np.broadcast_to(logits, (len(uniform), 5))
    value, point = (np.asarray(x) for x in jax.jit(choose_point)(uniform, rows, *PLAIN))
    np.testing.assert_array_equal(value, compiled_choose(uniform, rows, *PLAIN))
    assert ((point >= 0) & (point < 1)).all()
    sums = np.cumsum(PROBABILITIES) - PROBABILITIES
    np.testing.assert_allclose(sums[value] + point * PROBABILITIES[value], uniform, atol=2e-3)
    for k in range(5):
        np.testing.assert_allclose(np.quantile(point[value == k], [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.02)


def test_the_greatest_number_draws_a_value_that_is_possible():
    """However the sums were rounded."""
    generator = np.random.default_rng(0)
    odds = generator.gamma(0.3, size=(500, 100)) * (generator.uniform(size=(500, 100)) < 0.5)
    odds[:, 90:] = 0
    with np.errstate(divide="ignore"):
        logits = np.log(odds).astype(np.float32)
    chosen = np.asarray(compiled_choose(np.full(500, 1 - 2**-24, np.float32), logits, *PLAIN))
    assert (np.take_along_axis(odds, chosen[:, None], 1) > 0).all()
