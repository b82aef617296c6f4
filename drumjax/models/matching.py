"""How well the past of an earlier step matches the past of the present one: suffix matches with a decay.

Of the present step t and the step t - l, with a decay d, in (0, 1), for values c that may be compared:

    S[t, l] = d S[t - 1, l] + m(c[t - 1], c[t - 1 - l])

so a step that was preceded by what precedes this one counts the more, the longer that goes back. m is 1 where the
values are equal (an exact match), or the share of their features that they have in common (the drums of two chords).
Several decays stand side by side. The sum needs no search: as the lag l stays the same, a step costs one multiplication
and one addition per lag.
"""

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.codecs.base import ABSENT
from drumjax.music.notes import Array

# How much of a match is left a step later: about the last 3, 5 and 12 steps.
DECAYS = (0.6, 0.8, 0.92)
# Exact and by shared features, each with every decay.
NUM_MATCHES = 2 * len(DECAYS)
# What makes each of them 1 where everything matches for ever.
NORMALIZER = np.tile(1 - np.asarray(DECAYS, np.float32), 2)


def compare(a: Array, b: Array, bits: Array) -> tuple[Array, Array]:
    """Whether values are equal, and the share of their features that they have in common (Jaccard), both [...] float32.

    bits [size] int32 holds the features of each value. An absent value is like no other; two without any feature
    (rests) are alike.
    """
    is_there = (a != ABSENT) & (b != ABSENT)
    x, y = bits[jnp.maximum(a, 0)], bits[jnp.maximum(b, 0)]
    shared, either = jax.lax.population_count(x & y), jax.lax.population_count(x | y)
    alike = jnp.where(either > 0, shared / jnp.maximum(either, 1), 1.0)
    return ((a == b) & is_there).astype(jnp.float32), jnp.where(is_there, alike, 0.0)


def advance(match: Array, now: Array, lagged: Array, bits: Array) -> Array:
    """S [B, NUM_MATCHES, L] a step later; `now` [B] is the step's value, `lagged` [B, L] those some lags before."""
    same = jnp.stack(compare(now[:, None], lagged, bits), axis=1)[:, :, None]
    decays = jnp.asarray(DECAYS, jnp.float32)[None, None, :, None]
    batch, _, lags = match.shape
    return (match.reshape(batch, 2, len(DECAYS), lags) * decays + same).reshape(match.shape)
