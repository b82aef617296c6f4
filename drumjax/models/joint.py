"""The variables of one field of a step, one after another: each hears those before it.

Drums that are hit together are hit by one drummer: where the kick is late the hi-hat is too (offsets of held-out rock
correlate by 0.36, those drawn one by one from the same hidden state by 0.15). So the odds of the values v_1 .. v_C are
written as the product of p(v_c | v_1 .. v_{c-1}), as in NADE (Larochelle & Murray 2011) and MADE (Germain et al. 2015):

    logits_c = alone_c + U_c tanh(W x + b_c + sum over e < c of V_e f(v_e))

with x what the head knows of the step, f the features of a value, 0 where the variable does not exist. In training all
variables are computed at once; the sampler takes one existing variable after another.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from drumjax.codecs.base import ABSENT, Field
from drumjax.models.initial import Keys, dense, normal
from drumjax.models.layers import INPUT_INIT, linear, multiply, weights_of
from drumjax.music.notes import Array


class Joint(nnx.Module):
    """Adds to the logits of a field's variables what those before them say, through so many units."""

    def __init__(self, field: Field, width: int, units: int, keys: Keys):
        self.field, self.units = field, units
        self.inner = dense(width, units, keys)
        self.place = nnx.Param(normal(0.3)(keys.params(), (field.count, units)))
        self.hearing = nnx.Param(normal(0.3)(keys.params(), (field.count, field.features.shape[1], units)))
        self.outer = nnx.Param(INPUT_INIT(keys.params(), (field.count, units, field.size)))

    def __call__(self, x: Array, values: Array) -> Array:
        """x [T, B, D], values [T, B, count] -> [T, B, count, size]."""
        count, units = self.field.count, self.units
        # Products of all variables at once, the matrices filled with zeros for those that a variable does not hear.
        is_before = jnp.asarray(np.tri(count, k=-1).T, jnp.float32)[:, None, :, None]
        hearing = (self.hearing[...][:, :, None] * is_before).reshape(-1, count * units)
        is_own = jnp.eye(count)[:, None, :, None]
        outer = (self.outer[...][:, :, None] * is_own).reshape(count * units, -1)
        heard = multiply(self._describe(values).reshape(*values.shape[:2], -1), hearing)
        inner = jnp.tile(self.begin(x), (1, 1, count)) + heard + self.place[...].reshape(1, 1, -1)
        return multiply(jnp.tanh(inner), outer).reshape(*values.shape, self.field.size)

    def begin(self, x: Array) -> Array:
        """The units [..., K] before any variable is heard, x [..., D]."""
        return linear(x, *weights_of(self.inner))

    def say(self, units: Array, chosen: Array) -> Array:
        """What is added to the logits [B, size] of one variable of each row: units [B, K], chosen [B, count] float32,
        1 for that variable."""
        inner = jnp.tanh(units + chosen @ self.place[...])
        outer = jnp.swapaxes(self.outer[...], 0, 1).reshape(self.units, -1)
        return jnp.einsum("bc,bcv->bv", chosen, (inner @ outer).reshape(*chosen.shape, -1))

    def hear(self, units: Array, chosen: Array, value: Array) -> Array:
        """The units after the chosen variable of each row had the value [B]."""
        features = jnp.asarray(self.field.features)[jnp.maximum(value, 0)]
        said = (chosen[:, :, None] * features[:, None]).reshape(len(value), -1)
        return units + said @ self.hearing[...].reshape(-1, self.units)

    def _describe(self, values: Array) -> Array:
        """Features of values [T, B, count]: [T, B, count, D]."""
        is_there = (values != ABSENT)[..., None].astype(jnp.float32)
        return jnp.asarray(self.field.features)[jnp.maximum(values, 0)] * is_there


def choose_kth(exists: Array, k: Array) -> Array:
    """[B, count] float32: 1 for the k-th (from 0) variable of each row that exists [B, count] bool, if there is one."""
    rank = jnp.cumsum(exists, axis=1) - 1
    return jax.lax.convert_element_type(exists & (rank == k), jnp.float32)
