"""The heads of MusicLSTM: from what is known of a step to the logits of its fields, one after another."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from drumjax.codecs.base import ABSENT, Field, field_slices
from drumjax.models.initial import Keys, dense, lecun_normal
from drumjax.models.interface import Hidden
from drumjax.models.joint import Joint
from drumjax.models.layers import FieldInput, linear, multiply, weights_of
from drumjax.music.notes import Array


class FieldHead(nnx.Module):
    """Logits of field number `index`, given the stack's output and the fields before it in the same step.

    The first field's logits are linear in the output: a free column per value, plus one per feature (so that a rare
    chord gets the logits of its drums), plus a gate per lookback that raises the value found there. Later fields see
    the earlier ones through one hidden layer; those of expression also what is coming, if `hears`, and where they have
    many variables these hear each other through so many `units`.
    """

    def __init__(
        self,
        fields: tuple[Field, ...],
        index: int,
        width: int,
        size: int,
        slots: int,
        features: bool,
        keys: Keys,
        units: int = 0,
        hears: bool = False,
    ):
        self.fields, self.index, self.slots = fields, index, slots
        field = fields[index]
        if index:
            for earlier in fields[:index]:
                setattr(self, f"earlier_{earlier.name}", FieldInput(earlier, 1, size, features, keys))
            self.inner = dense(width, size, keys)
            width = size
        self.outer = dense(width, field.count * field.size, keys)
        self.shared = dense(width, field.features.shape[1], keys) if features and field.count == 1 else None
        self.gates = dense(width, slots, keys) if slots else None
        self.coming = nnx.Param(lecun_normal(keys.params(), (size, size))) if hears and field.is_expression else None
        self.joint = Joint(field, width, units, keys) if units and index and field.count > 1 else None

    def __call__(self, hidden: Hidden, tokens: Array) -> Array:
        """Logits [T, B, count, size], each variable's given those before it in tokens [T, B, F]."""
        logits, x = self.alone(hidden, tokens)
        if self.joint is not None:
            logits = logits + self.joint(x, tokens[..., field_slices(self.fields)[self.index]])
        return logits

    def alone(self, hidden: Hidden, tokens: Array) -> tuple[Array, Array]:
        """The logits as far as they depend on no other variable of the field, and what they are computed of
        [T, B, D]."""
        field: Field = self.fields[self.index]
        x: Array = hidden.output
        if self.index:
            x = linear(x, *weights_of(self.inner))
            slices = field_slices(self.fields)
            for earlier, where in zip(self.fields[: self.index], slices, strict=False):
                x = x + getattr(self, f"earlier_{earlier.name}")(tokens[..., None, where])
            if self.coming is not None:
                x = x + multiply(hidden.coming, self.coming[...])
            x = jax.nn.gelu(x)
        logits = linear(x, *self._columns())
        if self.gates is not None:
            logits = self._raise(logits, linear(x, *weights_of(self.gates)), hidden.lookback[..., 0])
        return logits.reshape(*x.shape[:-1], field.count, field.size), x

    def _columns(self) -> tuple[Array, Array]:
        """Kernel and bias of the logits. A value's column includes what it shares with its relatives."""
        kernel, bias = weights_of(self.outer)
        if self.shared is not None:
            features = jnp.asarray(self.fields[self.index].features).T
            shared_kernel, shared_bias = weights_of(self.shared)
            kernel, bias = kernel + shared_kernel @ features, bias + shared_bias @ features
        return kernel, bias

    def fold(self) -> dict[str, Any]:
        """Parameters of the same head without features."""
        kernel, bias = self._columns()
        params = {name: value for name, value in nnx.to_pure_dict(nnx.state(self)).items() if name != "shared"}
        earlier = {f"earlier_{field.name}" for field in self.fields[: self.index]}
        return params | {"outer": {"kernel": kernel, "bias": bias}} | {n: getattr(self, n).fold() for n in earlier}

    def _raise(self, logits: Array, gates: Array, values: Array) -> Array:
        """The logits [..., size], with the gates [..., L] added at the values [..., L]; absent ones raise nothing."""
        size = logits.shape[-1]
        rows, gates, values = (array.reshape(-1, array.shape[-1]) for array in (logits, gates, values))
        values = jnp.where(values == ABSENT, size, values)
        index = jnp.arange(values.shape[0])[:, None]
        return jnp.asarray(rows).at[index, values].add(gates, mode="drop").reshape(logits.shape)
