"""The parts of MusicLSTM around its recurrence: inputs, norms, dropout, heads."""

import jax
import jax.numpy as jnp
from flax import nnx

from drumjax.codecs import ABSENT, Field, field_slices
from drumjax.notes import METRES, Array, Context

BATCH_NORM_MOMENTUM = 0.99
# One scale for everything that is added up to the stack's input, so that no part drowns the others at the start (with
# Flax's defaults the tempo did, and 200 steps ended 0.03 nats worse).
INPUT_INIT = jax.nn.initializers.normal(0.05)


class FieldInput(nnx.Module):
    """Embeds one field seen in `slots` places (the previous step, or L lookbacks): [..., slots, count] -> [..., E].

    A variable's embedding is a row of a table, plus a linear map of its value's features; an absent one is 0. Fields of
    many variables (the velocities of nine drums) have ordered values, for which features alone do.
    """

    def __init__(self, field: Field, slots: int, size: int, features: bool, rngs: nnx.Rngs):
        self.field = field
        self.has_table = field.count == 1
        self.has_features = features or not self.has_table
        if self.has_table:
            self.table = nnx.Param(INPUT_INIT(rngs.params(), (slots * field.size, size), jnp.float32))
        if self.has_features:
            width = slots * field.count * field.features.shape[1]
            self.weight = nnx.Param(INPUT_INIT(rngs.params(), (width, size), jnp.float32))

    def __call__(self, tokens: Array) -> Array:
        present = (tokens != ABSENT)[..., None].astype(jnp.float32)
        tokens = jnp.maximum(tokens, 0)
        total = jnp.zeros((), jnp.float32)
        if self.has_table:
            slot = jnp.arange(tokens.shape[-2], dtype=jnp.int32)
            row = tokens[..., 0] + self.field.size * jnp.broadcast_to(slot, tokens.shape[:-1])
            total = jnp.sum(self.table[...][row] * present[..., 0, :], axis=-2)
        if self.has_features:
            values = jnp.asarray(self.field.features)[tokens] * present
            total = total + values.reshape(*tokens.shape[:-2], -1) @ self.weight[...]
        return total


class ContextInput(nnx.Module):
    """Embeds the parts of the context that are switched on: [B] -> [B, E]. An unknown part has a row of its own."""

    def __init__(self, style: int, tempo: bool, metre: bool, fill: bool, size: int, rngs: nnx.Rngs):
        self.parts = {"style": style, "metre": len(METRES) if metre else 0, "fill": 3 if fill else 0}
        for name, rows in self.parts.items():
            if rows:
                setattr(self, name, nnx.Embed(rows, size, embedding_init=INPUT_INIT, rngs=rngs))
        self.tempo = nnx.Linear(3, size, kernel_init=INPUT_INIT, rngs=rngs) if tempo else None

    def __call__(self, context: Context) -> Array:
        total = jnp.zeros((context.tempo_bpm.shape[0], 1))
        for name, rows in self.parts.items():
            if rows:
                total = total + getattr(self, name)(getattr(context, name))
        if self.tempo is not None:
            known = context.tempo_bpm > 0
            # Octaves from 120 bpm, so that half and double time are equally far.
            octaves = jnp.where(known, jnp.log2(jnp.where(known, context.tempo_bpm, 120.0) / 120.0), 0.0)
            total = total + self.tempo(jnp.stack([known.astype(jnp.float32), octaves, octaves**2], axis=-1))
        return total


class Norm(nnx.Module):
    """Normalizes [T, B, H] over H ("layer") or over T and B ("batch", with running statistics for evaluation)."""

    def __init__(self, kind: str, size: int):
        self.kind = kind
        if kind != "none":
            self.scale, self.bias = nnx.Param(jnp.ones(size)), nnx.Param(jnp.zeros(size))
        if kind == "batch":
            self.mean, self.var = nnx.BatchStat(jnp.zeros(size)), nnx.BatchStat(jnp.ones(size))

    def __call__(self, x: Array, train: bool) -> Array:
        if self.kind == "none":
            return x
        if self.kind == "batch" and not train:
            mean, var = self.mean[...][None, None], self.var[...][None, None]
        else:
            axes = (0, 1) if self.kind == "batch" else (2,)
            mean, var = jnp.mean(x, axes, keepdims=True), jnp.var(x, axes, keepdims=True)
            if self.kind == "batch":
                for running, now in ((self.mean, mean), (self.var, var)):
                    kept = BATCH_NORM_MOMENTUM * running[...]
                    running[...] = kept + (1 - BATCH_NORM_MOMENTUM) * jax.lax.stop_gradient(now.reshape(-1))
        return (x - mean) * jax.lax.rsqrt(var + 1e-5) * self.scale[...][None, None] + self.bias[...][None, None]


def dropout(x: Array, key: Array, rate: Array) -> Array:
    """Drops features of x [T, B, H], the same at all steps of a sequence (Gal & Ghahramani 2016)."""
    keep = 1 - rate
    mask = jax.random.bernoulli(key, keep, (1, *x.shape[1:]))
    return jnp.where(mask, x / keep, 0)


class FieldHead(nnx.Module):
    """Logits of field number `index`, given the stack's output and the fields before it in the same step.

    The first field's logits are linear in the output: a free column per value, plus one per feature (so that a rare
    chord is judged by its drums), plus a gate per lookback that raises the value found there. Later fields see the
    earlier ones through one hidden layer.
    """

    def __init__(
        self, fields: tuple[Field, ...], index: int, width: int, size: int, slots: int, features: bool, rngs: nnx.Rngs
    ):
        self.fields, self.index, self.slots = fields, index, slots
        field = fields[index]
        if index:
            for earlier in fields[:index]:
                setattr(self, f"earlier_{earlier.name}", FieldInput(earlier, 1, size, features, rngs))
            self.inner = nnx.Linear(width, size, rngs=rngs)
            width = size
        self.outer = nnx.Linear(width, field.count * field.size, rngs=rngs)
        self.shared = nnx.Linear(width, field.features.shape[1], rngs=rngs) if features and field.count == 1 else None
        self.gates = nnx.Linear(width, slots, rngs=rngs) if slots else None

    def __call__(self, output: Array, lookback: Array, tokens: Array) -> Array:
        field, x = self.fields[self.index], output
        if self.index:
            x = self.inner(x)
            slices = field_slices(self.fields)
            for earlier, where in zip(self.fields[: self.index], slices, strict=False):
                x = x + getattr(self, f"earlier_{earlier.name}")(tokens[..., None, where])
            x = jax.nn.gelu(x)
        logits = self.outer(x).reshape(*x.shape[:-1], field.count, field.size)
        if self.shared is not None:
            logits = logits + (self.shared(x) @ jnp.asarray(field.features).T)[..., None, :]
        if self.gates is not None:
            logits = logits + self._copied(self.gates(x), lookback[..., 0], field.size)[..., None, :]
        return logits

    def _copied(self, gates: Array, values: Array, size: int) -> Array:
        """[..., size]: the gates [..., L] added up at the values [..., L] they raise; absent ones raise nothing."""
        shape = (*gates.shape[:-1], size)
        gates, values = gates.reshape(-1, gates.shape[-1]), values.reshape(-1, values.shape[-1])
        values = jnp.where(values == ABSENT, size, values)
        rows = jnp.arange(values.shape[0])[:, None]
        raised = jnp.zeros((values.shape[0], size)).at[rows, values].add(gates, mode="drop")
        return raised.reshape(shape)
