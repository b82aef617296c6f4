"""What is known of the hits to come, where they are given: for humanizing, which may hear the next bars.

It is for the heads of expression alone: how hard and how late a hit is depends on where the music goes, and what is hit
must not hear what will be. Half of the training examples hear nothing, so the same parameters play freely.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from drumjax.codecs.base import ABSENT, Field
from drumjax.models.initial import Keys, dense
from drumjax.models.layers import linear, weights_of
from drumjax.music.notes import Array


class Coming(nnx.Module):
    """Embeds the first field of the next W steps."""

    def __init__(self, field: Field, num_steps: int, size: int, keys: Keys):
        self.field, self.num_steps = field, num_steps
        self.inner = dense(num_steps * (1 + field.features.shape[1]), size, keys)

    def __call__(self, ahead: Array | None, shape: Sequence[int]) -> Array:
        """ahead [B, T + W - 1], of which those from t to t + W follow step t, ABSENT where nothing is known of them;
        None: of none. shape is (T, B). -> [T, B, E]."""
        kernel, bias = weights_of(self.inner)
        if ahead is None:
            return jnp.broadcast_to(jax.nn.gelu(bias), (*shape, len(bias)))
        is_known = (ahead != ABSENT)[..., None].astype(jnp.float32)
        features = jnp.asarray(self.field.features)[jnp.maximum(ahead, 0)]
        steps = jnp.swapaxes(jnp.concatenate([is_known, features * is_known], axis=-1), 0, 1)
        windows = jnp.concatenate([steps[w : w + shape[0]] for w in range(self.num_steps)], axis=-1)
        return jax.nn.gelu(linear(windows, kernel, bias))


def hits_ahead(hits: Array, num_steps: int, hears: Array) -> Array:
    """What follows each step of hits [B, T], for Coming: [B, T + num_steps - 1]; hears [B] says which rows hear it."""
    ahead = jnp.pad(hits[:, 1:], ((0, 0), (0, num_steps)), constant_values=ABSENT)
    return jnp.where(hears[:, None], ahead, ABSENT)
