"""MusicLSTM: an LSTM stack over tokens that knows where it is in the bar and what was played there in earlier bars.

The input of a step is a sum of linear maps: of the previous step's token, of the tokens some bars and beats ago
(*lookback*), of what followed similar moments of the whole song (*pointer*), of the position in the bar and of the
context. Heads predict the fields of the step one after another, each seeing the ones before it; the first is mixed with
what the pointers copy, and those of expression may hear what is coming. The model knows fields, sizes and places; it
does not know drums.

Tokens and places, small integers, come batch-major, [B, T, ...], and are turned at once: what is computed of them is
time-major, [T, B, ...], from the embeddings to the logits, as the recurrence wants it.

One forward path serves training (T steps, fresh carry) and sampling (T = 1, its own carry).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from drumjax.codecs.base import ABSENT, Field, Place, field_slices
from drumjax.config.conditions import CONDITIONS
from drumjax.config.model import ModelSettings
from drumjax.models.coming import Coming
from drumjax.models.gate import Gate
from drumjax.models.heads import FieldHead
from drumjax.models.initial import Keys, embedding
from drumjax.models.interface import Carry, Hidden, History, Shape
from drumjax.models.layers import (
    INPUT_INIT,
    ContextInput,
    FieldInput,
    Norm,
    dropout,
    how_far,
    identity,
    num_rows,
    repeat,
)
from drumjax.models.lookback import recall
from drumjax.models.pointer import Pointer, Votes
from drumjax.models.recurrence import LAYERS
from drumjax.music.notes import Array, Context

# Tables of beginnings stand for all that is not there to look back to. At a gain of 1 they grow too slowly for the few
# steps that use them: after 400 steps a snare on 2 in the first bar was given 0.47 (0.58 at 4) where it is 0.67.
BEGINNING_GAIN = 4.0
# Bars are counted modulo this: phrases of drum music are 2, 4 or 8 bars long.
PHRASE_BARS = 8


class MusicLSTM(nnx.Module):
    """Describes the parameters and the forward pass; `model.Model` is how the rest of drumjax sees it."""

    def __init__(self, settings: ModelSettings, fields: tuple[Field, ...], shape: Shape, keys: Keys):
        s, size = settings, settings.embed_size
        self.settings, self.fields, self.shape = s, fields, shape
        for field in fields:
            setattr(self, f"previous_{field.name}", FieldInput(field, 1, size, s.features, keys))
            if self.num_lookbacks:
                inputs = FieldInput(field, self.num_lookbacks, size, s.features, keys)
                setattr(self, f"lookback_{field.name}", inputs)
        self.bias = nnx.Param(np.zeros(size, np.float32))
        if s.position:
            self.position = embedding(shape.num_positions, size, keys, INPUT_INIT)
            self.phrase = embedding(PHRASE_BARS, size, keys, INPUT_INIT)
        placed = [name for name in s.conditions if CONDITIONS[name].placed and s.position]
        self.placed = tuple(name for name in placed if not CONDITIONS[name].rows)
        for name in self.placed:
            by_place = embedding(shape.num_positions, size, keys, INPUT_INIT)
            setattr(self, f"{name}_places", by_place)
        if s.position and self.num_lookbacks:
            places = shape.num_styles if "style" in s.conditions else 1, shape.num_positions, size
            self.beginning = nnx.Param(INPUT_INIT(keys.params(), places))
        self.beginnings = tuple(name for name in placed if CONDITIONS[name].rows and self.num_lookbacks)
        for name in self.beginnings:
            places = num_rows(name, shape), shape.num_positions, size
            setattr(self, f"{name}_beginning", nnx.Param(INPUT_INIT(keys.params(), places)))
        self.context = ContextInput(s.conditions, shape, size, keys)
        width = size
        for i in range(s.num_layers):
            setattr(self, f"lstm_{i}", LAYERS[s.cell](width, s.hidden_size, keys))
            setattr(self, f"norm_{i}", Norm(s.norm, s.hidden_size))
            width = s.hidden_size
        width += size if s.skip else 0
        if s.pointer:
            self.pointer = Pointer(fields, shape.grid, s.lags(shape.grid), s.pointer_heads, size, keys)
            self.gate = Gate(width, s.pointer_heads, keys)
        steps_ahead = s.steps_ahead(shape.grid)
        if steps_ahead:
            self.coming = Coming(fields[0], steps_ahead, size, keys)
        for i, field in enumerate(fields):
            slots = self.num_lookbacks if s.copy and i == 0 else 0
            head = FieldHead(fields, i, width, size, slots, s.features, keys, s.joint_units, hears=steps_ahead > 0)
            setattr(self, f"head_{field.name}", head)

    @property
    def num_lookbacks(self) -> int:
        return self.shape.num_lookbacks if self.settings.lookback else 0

    def __call__(self, previous, place, context, carry, noise, axis, ahead) -> tuple[Hidden, Carry]:
        votes, match = self._point(previous, place, carry)
        lookback, history = self._look_back(previous, place, carry.history)
        folded = noise is None and self._can_fold
        project = self._layer(0).project if folded else identity
        previous, lookback, place = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (previous, lookback, place))
        x = self._embed(previous, lookback, place, context, project)
        inputs = x = x if votes is None else x + self.pointer.embed(votes)
        keys = iter(_split_rows(noise.keys, self.settings.num_layers + 1) if noise else ())
        states = []
        for i in range(self.settings.num_layers):
            x = dropout(x, next(keys), noise.rate) if noise else x
            layer = self._layer(i)
            out, state = (layer.recur if folded and i == 0 else layer)(x, carry.layers[i])
            out = getattr(self, f"norm_{i}")(out, axis)
            x = out + x if self.settings.residual and i > 0 else out
            states.append(state)
        if self.settings.skip:
            x = jnp.concatenate([x, inputs], axis=-1)
        x = dropout(x, next(keys), noise.rate) if noise else x
        coming = self.coming(ahead, x.shape[:2]) if self.settings.steps_ahead(self.shape.grid) else None
        return Hidden(x, lookback, votes, coming), Carry(tuple(states), history, match)

    def _layer(self, i: int) -> Any:
        return getattr(self, f"lstm_{i}")

    @property
    def _can_fold(self) -> bool:
        """Whether to gather the first layer's projected input from projected tables.

        Their rows are far fewer than the steps of a batch (a fifth of a training step's arithmetic at 2 layers is
        saved), but wider than the embeddings, so it pays only where few rows are added up.
        """
        s = self.settings
        return not s.lookback and not s.pointer and not s.skip and all(field.count == 1 for field in self.fields)

    def _point(self, previous: Array, place: Place, carry: Carry) -> tuple[Votes | None, Any]:
        """What the pointers find, and the matches after these steps."""
        if not self.settings.pointer:
            return None, ()
        return self.pointer(carry.history, previous, carry.match, place.bar_ticks[:, 0])

    def _look_back(self, previous: Array, place: Place, history: History) -> tuple[Array, History]:
        """Tokens of the lookback places [B, T, L, F], and what is remembered after these steps."""
        if not self.num_lookbacks and not self.settings.pointer:
            return previous[:, :, None][:, :, :0], history
        found, history = recall(history, previous, place)
        return found[:, :, : self.num_lookbacks], history

    def _embed(
        self, previous: Array, lookback: Array, place: Place, context: Context, project: Callable[[Array], Array]
    ) -> Array:
        """The stack's input [T, B, E], or what the linear map `project` makes of it."""
        x = repeat(project(self.context(context) + self.bias[...][None]), previous.shape[0])
        for field, where in zip(self.fields, field_slices(self.fields), strict=True):
            x = x + getattr(self, f"previous_{field.name}")(previous[:, :, None, where], project)
            if self.num_lookbacks:
                x = x + getattr(self, f"lookback_{field.name}")(lookback[..., where], project)
        if self.settings.position:
            x = x + project(self.position.embedding[...])[place.position]
            x = x + project(self.phrase.embedding[...])[place.bar % PHRASE_BARS]
            for name in self.placed:
                _, far = how_far(name, context)
                x = x + far[None, :, None] * project(getattr(self, f"{name}_places").embedding[...])[place.position]
            if self.num_lookbacks:
                is_first = lookback[:, :, :1, 0] == ABSENT
                x = x + BEGINNING_GAIN * jnp.where(is_first, self._begin(place.position, context), 0.0)
        return x

    def _begin(self, position: Array, context: Context) -> Array:
        """What there is to go by in a first bar [T, B, E]: the place, the style, and what else is known."""
        style = context.style if "style" in self.settings.conditions else jnp.zeros_like(context.style)
        total = self.beginning[...][style[None], position]
        for name in self.beginnings:
            value = getattr(context, CONDITIONS[name].field)
            total = total + getattr(self, f"{name}_beginning")[...][value[None], position]
        return total


def _split_rows(keys: Array, num: int) -> Array:
    """num keys [num, B] from each key [B]."""
    return jax.vmap(lambda key: jax.random.split(key, num), out_axes=1)(keys)
