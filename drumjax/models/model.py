"""Model: a MusicLSTM as pure functions over Weights, plain nested dicts."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from drumjax.codecs.base import ABSENT, Field, Place
from drumjax.config.model import ModelSettings
from drumjax.models.heads import FieldHead
from drumjax.models.initial import Keys, draw_all
from drumjax.models.interface import Carry, Hidden, Memory, Noise, Params, Shape, Weights
from drumjax.models.layers import FieldInput
from drumjax.models.lookback import NEVER, empty_history
from drumjax.models.network import MusicLSTM
from drumjax.models.pointer import first_match
from drumjax.models.recurrence import LAYERS
from drumjax.music.notes import Array, Context

# Sums over the places a pointer sees are the same to the last bit for any multiple of this, but for zeros.
LAGS_AT_ONCE = 32


@dataclasses.dataclass(frozen=True)
class Model:
    """Static: hashable, so that it can be closed over by jit."""

    settings: ModelSettings
    fields: tuple[Field, ...]
    shape: Shape

    def init(self, key: jax.Array) -> Weights:
        """Fresh weights."""
        _, params, stats = _describe(self)
        return Weights(*draw_all((nnx.to_pure_dict(params), nnx.to_pure_dict(stats)), key))

    def _module(self, weights: Weights) -> MusicLSTM:
        graph, *abstract = _describe(self)
        states = jax.tree.map(lambda leaf: leaf, abstract)  # copies, whose leaves are then the weights
        for state, values in zip(states, weights, strict=True):
            if values:
                nnx.replace_by_pure_dict(state, values)
        return nnx.merge(graph, *states)

    def fold(self, weights: Weights) -> tuple["Model", Weights]:
        """A model and weights that compute the same in fewer operations, for use where they are used many times.

        What features add to tables and kernels is added to them once.
        """
        params, module = weights.params, self._module(weights)
        has_features = {name for name in params if isinstance(getattr(module, name), FieldInput | FieldHead)}
        folded = {name: getattr(module, name).fold() if name in has_features else params[name] for name in params}
        plain = dataclasses.replace(self, settings=dataclasses.replace(self.settings, features=False))
        return plain, weights._replace(params=folded)

    def within(self, num_steps: int) -> "Model":
        """The same model, for use on sequences of at most so many steps: no pointer sees further than they are long."""
        unit = max(self.shape.grid, 1)
        most = -(-num_steps // (unit * LAGS_AT_ONCE)) * LAGS_AT_ONCE
        name = "pointer_beats" if self.shape.grid else "pointer_notes"
        lags = min(getattr(self.settings, name), most)
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, **{name: lags}))

    def apply(
        self,
        weights: Weights,
        previous: Array,
        place: Place,
        context: Context,
        carry: Carry,
        noise: Noise | None = None,
        axis: str | None = None,
        ahead: Array | None = None,
    ) -> tuple[Hidden, Carry, Params]:
        """Runs the stack. previous [B, T, F] holds the token before each step, place and context are batched; ahead
        [B, T + steps_ahead - 1] is what is known of the first field of the steps to come, see coming.Coming.

        `axis` names the mapped axis whose devices share a training batch, so that batch norm speaks of all of it.
        Returns what the heads of each step need, the carry after the last step, and the stats, updated if `axis`.
        """
        module = self._module(weights)
        hidden, carry = module(previous, place, context, carry, noise, axis, ahead)
        return hidden, carry, nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))

    def head(self, weights: Weights, field: int, hidden: Hidden, tokens: Array) -> jax.Array:
        """Logits [T, B, count, size] of a field, given the fields before it in the step's own tokens [B, T, F], and
        where its variables hear each other those before each."""
        module = self._module(weights)
        head = self._head(module, field)
        logits = head(hidden, jnp.swapaxes(tokens, 0, 1))
        if field == 0 and hidden.votes is not None:
            logits = module.gate(hidden.output, logits[:, :, 0], hidden.votes)[:, :, None]
        return jnp.asarray(logits)

    def is_joint(self, field: int) -> bool:
        """Whether the variables of a field hear each other, and are drawn one after another."""
        return self.settings.joint_units > 0 and field > 0 and self.fields[field].count > 1

    def begin_joint(self, weights: Weights, field: int, hidden: Hidden, tokens: Array) -> tuple[Array, Array]:
        """Of one step of a joint field: logits [B, count, size] of each variable alone, and the units [B, K] before one
        is heard. hidden and tokens [B, F] as in `head`."""
        head = self._head(self._module(weights), field)
        logits, x = head.alone(hidden, tokens[None])
        return logits[0], head.joint.begin(x[0])

    def say_joint(self, weights: Weights, field: int, units: Array, chosen: Array) -> Array:
        """What is added to the logits [B, size] of the chosen variable of each row [B, count], see joint.Joint.say."""
        return self._head(self._module(weights), field).joint.say(units, chosen)

    def hear_joint(self, weights: Weights, field: int, units: Array, chosen: Array, value: Array) -> Array:
        """The units after the chosen variables had these values [B]."""
        return self._head(self._module(weights), field).joint.hear(units, chosen, value)

    @property
    def steps_ahead(self) -> int:
        """How many steps to come the heads of expression may hear of, where their hits are given."""
        return self.settings.steps_ahead(self.shape.grid)

    def _head(self, module: MusicLSTM, field: int) -> Any:
        return getattr(module, f"head_{self.fields[field].name}")

    def initial_carry(self, batch: int) -> Carry:
        """The carry before the first step of a sequence."""
        s = self.settings
        layers = tuple(LAYERS[s.cell].initial_state(batch, s.hidden_size) for _ in range(s.num_layers))
        num_variables = sum(field.count for field in self.fields)
        size = self.shape.memory_steps if s.lookback else 1
        if not s.pointer:
            return Carry(layers, empty_history(batch, size, num_variables), ())
        lags = s.lags(self.shape.grid)
        size = max(size, max(self.shape.grid, 1) * lags + 1)
        return Carry(layers, empty_history(batch, size, num_variables), first_match(batch, lags))

    def remember(self, weights: Weights, memory: Memory) -> tuple[Carry, Array]:
        """The carry of sequences that come after a memory, and the token before their first step [B, F].

        What is looked back to and pointed at is all there; the recurrence has heard nothing of it.
        """
        tokens = memory.tokens
        carry = self.initial_carry(len(tokens))
        size = carry.history.tick.shape[1]
        past = tokens[:, :-1][:, -size:]  # the last token is the input of step 0, and remembered by it
        fresh = size - past.shape[1]
        tick = jnp.where(tokens[..., 0] == ABSENT, NEVER, memory.tick)
        history = carry.history._replace(
            tokens=jnp.asarray(carry.history.tokens).at[:, fresh:].set(past),
            tick=jnp.asarray(carry.history.tick).at[:, fresh:].set(tick[:, :-1][:, -size:]),
            now=tick[:, -1],
        )
        if self.settings.pointer:
            carry = carry._replace(match=self._module(weights).pointer.match_memory(tokens[:, :-1, 0]))
        return carry._replace(history=history), tokens[:, -1]


@functools.lru_cache(maxsize=32)  # every program that is traced asks several times
def _describe(model: Model) -> tuple[Any, ...]:
    """The module's graph, and its states with what they begin as in the place of values."""
    module = MusicLSTM(model.settings, model.fields, model.shape, Keys())
    parts: Any = nnx.split(module, nnx.Param, nnx.BatchStat)
    return tuple(parts)
