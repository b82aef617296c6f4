"""Values drawn by their odds: temperature, top-k and top-p, one random number each, no sort.

A value that stands for a range, as a bin of velocities does, is also given a point in it: where in its bin the random
number falls. So what is drawn is drawn from a density that is even within each bin.
"""

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.music.notes import Array

# Cumulative distributions are summed in blocks of this many values.
BLOCK = 32


def choose(
    uniform: Array, logits: Array, temperature: Array, top_k: Array | None = None, top_p: Array | None = None
) -> Array:
    """One value [..., count] per variable from logits [..., count, size], by one number in [0, 1) each.

    The value is where the cumulative distribution passes the number: one random number per variable, where the Gumbel
    trick draws one per value. At temperature 0 only the most likely value is possible. top_k and top_p are given both,
    or neither: then no value is left out, and the program holds no loop that would find out which.
    """
    return _invert(_odds(logits, temperature, top_k, top_p), uniform)


def choose_point(
    uniform: Array, logits: Array, temperature: Array, top_k: Array | None = None, top_p: Array | None = None
) -> tuple[Array, Array]:
    """The value as in `choose`, and where in it [..., count] the number falls, in [0, 1): as evenly spread as the
    numbers are. For at most BLOCK values."""
    odds = _odds(logits, temperature, top_k, top_p)
    sums = _cumulate(odds)
    target = uniform * sums[..., -1]
    value = _passed(sums, target)
    mine = jnp.take_along_axis(odds, value[..., None], axis=-1)[..., 0]
    before = jnp.take_along_axis(sums, value[..., None], axis=-1)[..., 0] - mine
    return value, jnp.clip((target - before) / jnp.maximum(mine, 1e-30), 0, 1 - 2**-10)


def _odds(logits: Array, temperature: Array, top_k: Array | None, top_p: Array | None) -> Array:
    """What each value [..., size] counts for, 0..1."""
    odds = jnp.exp((logits - jnp.max(logits, axis=-1, keepdims=True)) / jnp.maximum(temperature, 1e-30))
    if top_k is None or top_p is None:
        return odds
    return jax.lax.cond((top_k > 0) | (top_p < 1), _narrow, lambda x, *_: x, odds, top_k, top_p)


def _narrow(odds: Array, top_k: Array, top_p: Array) -> Array:
    """The odds (0..1, the greatest 1), 0 outside the top k, and outside the smallest set of probability top_p.

    The nucleus is that of the distribution sampled from (Holtzman et al. 2020), temperature included. Both sets hold
    the values above some threshold; it is found by bisection over the floats, which are ordered as their bits are, in
    30 passes (a sort of 512 values takes 20 times as long on a CPU). Values equal to the last one kept are kept too.
    """
    bits = jax.lax.bitcast_convert_type(odds, jnp.int32)
    limit = jnp.where(top_k > 0, top_k, odds.shape[-1])
    mass = jnp.where(top_p < 1, top_p, 2.0) * jnp.sum(odds, axis=-1, keepdims=True)

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) // 2
        inside = bits >= middle
        count = jnp.sum(inside, axis=-1, keepdims=True)
        enough = (count >= limit) | (jnp.sum(jnp.where(inside, odds, 0), axis=-1, keepdims=True) >= mass)
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    low = jnp.zeros_like(bits[..., :1])
    high = jnp.full_like(low, np.float32(1).view(np.int32) + 1)
    low, _ = jax.lax.fori_loop(0, 31, halve, (low, high))
    return jnp.where(bits >= low, odds, 0)


def _invert(odds: Array, uniform: Array) -> Array:
    """The first value whose cumulative odds pass uniform * their total: odds [..., size], uniform [...] -> [...].

    In two levels, first the block, then the value in it: jnp.cumsum over 512 values takes five times as long.
    """
    size = odds.shape[-1]
    if size <= BLOCK:
        sums = _cumulate(odds)
        return _passed(sums, uniform * sums[..., -1])
    rows = jnp.pad(odds, [(0, 0)] * (odds.ndim - 1) + [(0, -size % BLOCK)]).reshape(*odds.shape[:-1], -1, BLOCK)
    sums = _cumulate(jnp.sum(rows, axis=-1))
    target = uniform * sums[..., -1]
    block = _passed(sums, target)
    row = jnp.take_along_axis(rows, block[..., None, None], axis=-2)[..., 0, :]
    before = jnp.take_along_axis(sums, jnp.maximum(block - 1, 0)[..., None], axis=-1)[..., 0]
    rest = target - jnp.where(block > 0, before, 0.0)
    inner = _cumulate(row)
    # `rest` may exceed the row by rounding; the last value that is possible at all is then meant.
    return BLOCK * block + _passed(inner, jnp.minimum(rest, inner[..., -1] * (1 - 2**-23)))


def _cumulate(x: Array) -> Array:
    """Inclusive sums along the last axis, as a matrix product, exact also where devices would round its operands."""
    return jnp.matmul(x, jnp.tri(x.shape[-1]).T, precision=jax.lax.Precision.HIGHEST)


def _passed(sums: Array, target: Array) -> Array:
    """How many of the sums [..., n] the target [...] has reached, at most n - 1."""
    return jnp.minimum(jnp.sum(sums <= target[..., None], axis=-1), sums.shape[-1] - 1).astype(jnp.int32)
