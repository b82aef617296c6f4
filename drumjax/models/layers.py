"""The parts of MusicLSTM around its recurrence: inputs, norms, dropout."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from drumjax.codecs.base import ABSENT, Field
from drumjax.config.conditions import CONDITIONS
from drumjax.models.initial import Keys, dense, embedding, normal
from drumjax.models.interface import Shape
from drumjax.music.notes import Array, Context

# Of the running statistics. At 0.99 a run of 400 steps still had a part of the variances it began with, and was
# evaluated with it: 11% of the notes right, where it had 21% in training.
BATCH_NORM_MOMENTUM = 0.9
# One scale for everything that is added up to the stack's input, so that no part drowns the others at the start (with
# Flax's defaults the tempo did, and 200 steps ended 0.03 nats worse).
INPUT_INIT = normal(0.05)


def identity(x: Array) -> Array:
    return x


def multiply(x: Array, kernel: Array) -> Array:
    """x [..., D] @ kernel [D, E], as a product of two matrices.

    Of one with more axes the gradient of the kernel is a product whose operands XLA first turns on a CPU, which takes
    as long as the product itself.
    """
    return (x.reshape(-1, x.shape[-1]) @ kernel).reshape(*x.shape[:-1], kernel.shape[1])


def linear(x: Array, kernel: Array, bias: Array) -> Array:
    """x [..., D] @ kernel [D, E] + bias [E]."""
    return multiply(x, kernel) + bias.reshape(*[1] * (x.ndim - 1), -1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def repeat(x: Array, num_steps: int) -> Array:
    """x [B, E] at every step: [T, B, E].

    The gradient sums over the steps by a matrix product: XLA's sum over an outermost axis takes 20 times as long on a
    CPU.
    """
    return jnp.broadcast_to(x, (num_steps, *x.shape))


def _sum_steps(num_steps, _, gradient):
    total = jnp.ones((1, num_steps)) @ gradient.reshape(num_steps, -1)
    return (total.reshape(gradient.shape[1:]),)


repeat.defvjp(lambda x, num_steps: (repeat(x, num_steps), None), _sum_steps)


class FieldInput(nnx.Module):
    """Embeds one field seen in `slots` places (the previous step, or L lookbacks): [..., slots, count] -> [..., E].

    A variable's embedding is a row of a table, plus a linear map of its value's features; an absent one is 0. Fields of
    many variables (the velocities of nine drums) have ordered values, for which features alone do.
    """

    def __init__(self, field: Field, slots: int, size: int, features: bool, keys: Keys):
        self.field = field
        self.has_table = field.count == 1
        self.has_features = features or not self.has_table
        if self.has_table:
            self.table = nnx.Param(INPUT_INIT(keys.params(), (slots * field.size, size)))
        if self.has_features:
            width = slots * field.count * field.features.shape[1]
            self.weight = nnx.Param(INPUT_INIT(keys.params(), (width, size)))

    def __call__(self, tokens: Array, project: Callable[[Array], Array] = identity) -> Array:
        """What the linear map `project` makes of the embedding, mapped per row of the table where there is one."""
        if self.has_table:
            table = project(self._rows())
            rows = [self._row(tokens[..., slot, 0], slot) for slot in range(tokens.shape[-2])]
            parts = [jnp.asarray(table).at[row].get(mode="fill", fill_value=0) for row in rows]
            return functools.reduce(operator.add, parts)
        present = (tokens != ABSENT)[..., None].astype(jnp.float32)
        values = jnp.asarray(self.field.features)[jnp.maximum(tokens, 0)] * present
        return project(multiply(values.reshape(*tokens.shape[:-2], -1), self.weight[...]))

    def _rows(self) -> Array:
        """What each value in each slot adds, its features included: [slots * size, E].

        There are far fewer rows than tokens in a batch, so features are mapped per row.
        """
        table = self.table[...]
        if self.has_features:
            features = jnp.asarray(self.field.features)
            weight = self.weight[...].reshape(-1, features.shape[1], table.shape[1])
            table = table + jnp.einsum("vd,sde->sve", features, weight).reshape(table.shape)
        return table

    def _row(self, tokens: Array, slot: int) -> Array:
        """The row of each token; for an absent one a row that is not there, which adds nothing."""
        return jnp.where(tokens == ABSENT, self.table.shape[0], tokens + slot * self.field.size)

    def fold(self) -> dict[str, Any]:
        """Parameters of the same map without features, as far as it can do without them."""
        return {"table": self._rows()} if self.has_table else nnx.to_pure_dict(nnx.state(self))


class ContextInput(nnx.Module):
    """Embeds the conditions that are switched on: [B] -> [B, E].

    A category has a row of a table for each value, that of 0 (unknown) included. A number counts in octaves: tempo from
    120 bpm (half and double time are equally far), density from 4 notes per beat, dynamics from a velocity of 64. A
    share counts from a half.
    """

    def __init__(self, conditions: tuple[str, ...], shape: Shape, size: int, keys: Keys):
        on = {name: row for name, row in CONDITIONS.items() if name in conditions}
        self.categories = tuple(name for name, row in on.items() if row.rows)
        self.numbers = tuple(name for name, row in on.items() if not row.rows)
        for name in self.categories:
            setattr(self, name, embedding(num_rows(name, shape), size, keys, INPUT_INIT))
        for name in self.numbers:
            setattr(self, name, dense(3, size, keys, INPUT_INIT))

    def __call__(self, context: Context) -> Array:
        total = jnp.zeros((context.tempo_bpm.shape[0], 1))
        for name in self.categories:
            total = total + getattr(self, name)(getattr(context, CONDITIONS[name].field))
        for name in self.numbers:
            known, far = how_far(name, context)
            total = total + getattr(self, name)(jnp.stack([known.astype(jnp.float32), far, far**2], axis=-1))
        return total


def how_far(name: str, context: Context) -> tuple[Array, Array]:
    """Whether a condition that is a number is known [B], and how far it is [B] from what is usual, 0 where it is not
    known: about 1 where it is as far as it commonly gets."""
    row = CONDITIONS[name]
    known = getattr(context, row.field) > 0
    value = jnp.where(known, getattr(context, row.field), row.usual)
    return known, jnp.log2(value / row.usual) if row.scale == "octaves" else (value - row.usual) / row.usual


def num_rows(name: str, shape: Shape) -> int:
    """How many values a category has, unknown included."""
    rows = CONDITIONS[name].rows
    if isinstance(rows, int):
        return rows
    return int(getattr(shape, f"num_{rows}")) if isinstance(rows, str) else len(rows)


class Norm(nnx.Module):
    """Normalizes [T, B, H] over H ("layer") or over T and B ("batch", with running statistics for evaluation)."""

    def __init__(self, kind: str, size: int):
        self.kind = kind
        if kind != "none":
            self.scale, self.bias = nnx.Param(np.ones(size, np.float32)), nnx.Param(np.zeros(size, np.float32))
        if kind == "batch":
            self.mean, self.var = nnx.BatchStat(np.zeros(size, np.float32)), nnx.BatchStat(np.ones(size, np.float32))

    def __call__(self, x: Array, axis: str | None) -> Array:
        """axis: in training, the mapped axis whose devices share the batch."""
        mean: Array
        var: Array
        if self.kind == "none":
            return x
        if self.kind == "layer":
            mean, var = jnp.mean(x, 2, keepdims=True), jnp.var(x, 2, keepdims=True)
        elif axis:
            mean, var = self._update(x, axis)
        else:
            mean, var = self.mean[...][None, None], self.var[...][None, None]
        return (x - mean) * jax.lax.rsqrt(var + 1e-5) * self.scale[...][None, None] + self.bias[...][None, None]

    def _update(self, x: Array, axis: str) -> tuple[Array, Array]:
        """Mean and variance [1, 1, H] of the whole batch; the running ones move towards them."""
        mean = jax.lax.pmean(jnp.mean(x, (0, 1), keepdims=True), axis)
        var = jax.lax.pmean(jnp.mean((x - mean) ** 2, (0, 1), keepdims=True), axis)
        for running, now in ((self.mean, mean), (self.var, var)):
            kept = BATCH_NORM_MOMENTUM * running[...]
            running[...] = kept + (1 - BATCH_NORM_MOMENTUM) * jax.lax.stop_gradient(now.reshape(-1))
        return mean, var


def dropout(x: Array, keys: Array, rate: Array) -> Array:
    """Drops features of x [T, B, H], the same at all steps of a sequence (Gal & Ghahramani 2016); one key each [B]."""
    keep = 1 - rate
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, keep, x.shape[2:]))(keys)
    return x * (kept / keep)[None]


def weights_of(layer: Any) -> tuple[Array, Array]:
    """Kernel and bias of an nnx.Linear."""
    return layer.kernel[...], layer.bias[...]
