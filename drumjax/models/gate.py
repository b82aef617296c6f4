"""The gate between what the model would play and what the pointers copy from the song's past."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from drumjax.models.initial import Keys, dense
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

    def __init__(self, width: int, heads: int, keys: Keys):
        self.from_output = dense(width, INNER, keys)
        self.from_features = dense(heads * NUM_FEATURES, INNER, keys)
        self.outer = dense(INNER, 1 + heads, keys, bias=_own_first)

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


def _own_first(_: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    return np.where(np.arange(shape[0]) == 0, FIRST_OWN, 0).astype(dtype)
