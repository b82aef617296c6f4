"""The gate between what the model would play and what the pointers copy from the song's past."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from drumjax.models.layers import linear, weights_of
from drumjax.models.pointer import NOTHING, NUM_FEATURES, Votes
from drumjax.music.notes import Array

INNER = 32
# Starts with nearly half of the odds at the model's own, as the pointer is of use at once and the model is not.
FIRST_OWN = 1.0
# Under the logarithm, for a value that nobody gives any odds.
SMALLEST = 1e-20


class Gate(nnx.Module):
    """A layer of tanh over the stack's output and what the pointers say of themselves; a share for each of them."""

    def __init__(self, width: int, heads: int, rngs: nnx.Rngs):
        self.from_output = nnx.Linear(width, INNER, rngs=rngs)
        self.from_features = nnx.Linear(heads * NUM_FEATURES, INNER, rngs=rngs)
        self.outer = nnx.Linear(INNER, 1 + heads, bias_init=_own_first, rngs=rngs)

    def __call__(self, output: Array, logits: Array, votes: Votes) -> Array:
        """Log-odds of the mixture [T, B, size], from the stack's output [T, B, D] and the model's logits [T, B, size].

        Where there is no past, all of it is the model's own.
        """
        features = votes.features.reshape(*votes.features.shape[:2], -1)
        inner = jnp.tanh(
            linear(output, *weights_of(self.from_output)) + linear(features, *weights_of(self.from_features))
        )
        shares = linear(inner, *weights_of(self.outer))
        is_own = jnp.arange(shares.shape[-1])[None, None] == 0
        shares = jax.nn.softmax(jnp.where(is_own | votes.known[..., None], shares, NOTHING))
        copied = jnp.einsum("tbh,tbhv->tbv", shares[..., 1:], votes.odds)
        return jnp.log(shares[..., :1] * jax.nn.softmax(logits) + copied + SMALLEST)


def _own_first(_: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    return jnp.zeros(shape, dtype).at[0].set(FIRST_OWN)
