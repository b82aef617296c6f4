"""A guard against music that runs in circles: no run of n values occurs twice (n-gram blocking, Paulus et al. 2017)."""

import jax
import jax.numpy as jnp

from drumjax.music.notes import Array


def forbid_repeats(logits: jax.Array, earlier: Array, step: Array, length: Array) -> jax.Array:
    """Logits [B, size], -inf for every value that would end a run of `length` values seen before.

    earlier [T, B] int32 are the values so far, those of the first `step` rows. A length of 0 forbids nothing.
    """
    num_steps = earlier.shape[0]
    at = jnp.arange(num_steps)

    def compare(k, same):
        """Whether the value k before the one at each place is the one k before the newest."""
        now = earlier[jnp.maximum(step - 1 - k, 0)]
        return same & (jnp.roll(earlier, k, axis=0) == now[None]) & (at >= k)[:, None] & (step > k)

    # same[j]: the length - 1 values that end at j are the newest ones, so what came after j must not come again.
    same = jax.lax.fori_loop(0, jnp.maximum(length - 1, 0), compare, jnp.ones(earlier.shape, bool))
    is_last = at + 1 < step
    again = jnp.where(same & is_last[:, None] & (length > 0), jnp.roll(earlier, -1, axis=0), logits.shape[1])
    return logits.at[jnp.arange(logits.shape[0])[None], again].set(-jnp.inf, mode="drop")
