"""How well the past of an earlier step matches the past of the present one: suffix matches with a decay.

Of the present step t and the step t - l, with a decay d, in (0, 1), for values c that may be compared:

    S[t, l] = d S[t - 1, l] + m(c[t - 1], c[t - 1 - l])

so a step that was preceded by what precedes this one counts the more, the longer that goes back. A value is a set of
features (a chord: its drums), the bits of an integer; MISSING where there is no step. m is 1 where two sets are equal
(an exact match), or the share of their features that they have in common.
Several decays stand side by side. The sum needs no search: as the lag l stays the same, a step costs one multiplication
and one addition per lag.
"""

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.music.notes import Array

MISSING = -1
# How much of a match is left a step later: about the last 3, 5 and 12 steps.
DECAYS = (0.6, 0.8, 0.92)
# So many steps later nothing that a float32 tells is left of it, whatever the decay.
HORIZON = 192
# Exact and by shared features, each with every decay.
NUM_MATCHES = 2 * len(DECAYS)
# What makes each of them 1 where everything matches for ever.
NORMALIZER = np.tile(1 - np.asarray(DECAYS, np.float32), 2)


def compare(a: Array, b: Array) -> tuple[Array, Array]:
    """Whether sets are equal, and the share of their features that they have in common (Jaccard), both [...] float32.

    A missing one is like no other; two empty ones (rests) are alike.
    """
    is_there = (a != MISSING) & (b != MISSING)
    shared, either = jax.lax.population_count(a & b), jax.lax.population_count(a | b)
    alike = jnp.where(either > 0, shared / jnp.maximum(either, 1), 1.0)
    return ((a == b) & is_there).astype(jnp.float32), jnp.where(is_there, alike, 0.0)


def advance(match: Array, now: Array, lagged: Array) -> Array:
    """S [B, NUM_MATCHES, L] a step later; `now` [B] is the step's set, `lagged` [B, L] those some lags before."""
    same = jnp.stack(compare(now[:, None], lagged), axis=1)[:, :, None]
    decays = jnp.asarray(DECAYS, jnp.float32)[None, None, :, None]
    batch, _, lags = match.shape
    return (match.reshape(batch, 2, len(DECAYS), lags) * decays + same).reshape(match.shape)


def match_all(sets: Array, lags: np.ndarray) -> Array:
    """S [B, NUM_MATCHES, L] after sets [B, M], which nothing came before, at lags [L] in steps: as `advance` sums it up
    step by step, all at once."""
    num_steps = min(sets.shape[1], HORIZON)
    first = sets.shape[1] - num_steps
    # On the device: as a table of numpy the program would have it as a constant, of 0.8 MB in piano.py.
    before = first + jnp.arange(num_steps)[:, None] - lags[None]
    lagged = jnp.where((before >= 0)[None], jnp.asarray(sets).at[:, before].get(mode="clip"), MISSING)
    same = jnp.stack(compare(sets[:, first:, None], lagged))
    weights = np.asarray(DECAYS, np.float32) ** np.arange(num_steps - 1, -1, -1, dtype=np.float32)[:, None]
    match = jnp.einsum("mbtl,td->bmdl", same, weights)
    return match.reshape(len(sets), NUM_MATCHES, len(lags))
