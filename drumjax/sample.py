"""The jitted sampler: one scan over steps, a batch of independent samples side by side.

Every sample has its own key, fold_in(key, number): sample i is the same whatever its neighbours or the number of hosts.
A *clamp* gives some tokens and leaves the rest free: clamp nothing to play freely, the first bars to continue them, all
hits to humanize them. What is given of the first field can be some of its bits: some drums of a chord.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.categorical import choose
from drumjax.codecs import ABSENT, Codec, Place, field_slices
from drumjax.conditions import forget
from drumjax.loss import cross_entropy
from drumjax.model import Model, Params
from drumjax.music_lstm import Carry, Hidden
from drumjax.notes import FILL_YES, Array, Context

# A clamp's token that the sampler chooses; ABSENT is chosen too, where the fields before it make the variable exist.
FREE = -2


class Request(NamedTuple):
    """What to sample. Every leaf is traced: none of them recompiles.

    number       [B] int32, the number of each sample, folded into the key
    context      Context [B]
    clamp        [B, T, F] int32, tokens given, FREE where the sampler chooses
    keep         [B, T] int32, which bits of a given first variable must stay; the others are chosen. -1 keeps all
    fill_every   int32, every so many bars one is a fill, whatever the context says; 0 for none
    guidance     float32, >= 0: how far to go from what the model plays if it is told nothing (0) to what it plays as
                 asked (1) and beyond, where what was asked for is exaggerated; 1 if the sampler is not guided
    temperature  [fields] float32, >= 0; 0 takes the most likely value
    top_k        int32, keep only the k most likely values; 0 keeps all
    top_p        float32, in (0, 1]: keep the most likely values that together reach this probability
    """

    number: Array
    context: Context
    clamp: Array
    keep: Array
    fill_every: Array
    guidance: Array
    temperature: Array
    top_k: Array
    top_p: Array


class Samples(NamedTuple):
    """tokens [B, T, F] int32; nll [B, fields], nats under the model, at temperature 1, of the tokens it chose."""

    tokens: Array
    nll: Array


@dataclasses.dataclass(frozen=True)
class Controls:
    """How to choose values, validated on the host; see Request."""

    temperature: tuple[float, ...]
    top_k: int = 0
    top_p: float = 1.0
    guidance: float = 1.0

    def __post_init__(self):
        for value in self.temperature:
            if not 0 <= value <= 10:
                raise ValueError(f"temperature is {value}; it must be in 0..10")
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}; it must be at least 0 (0 keeps all)")
        if not 0 <= self.guidance <= 10:
            raise ValueError(f"guidance is {self.guidance}; it must be in 0..10")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; it must be above 0 and at most 1")


def free_clamp(batch: int, num_steps: int, codec: Codec) -> Array:
    """The clamp that gives nothing: [B, T, F]."""
    return np.full((batch, num_steps, sum(field.count for field in codec.fields)), FREE, np.int32)


def chosen_tokens(tokens: Array, request: Request) -> Array:
    """The tokens [B, T, F] without what was given: ABSENT where a first variable was given whole, its bits to keep
    taken out where they were given."""
    first, given = tokens[..., 0], request.clamp[..., 0] >= 0
    rest = jnp.where(request.keep == -1, ABSENT, first & ~request.keep)
    return tokens.at[..., 0].set(jnp.where(given, rest, first))


class _Step(NamedTuple):
    """What a step of the scan is given, made for all steps at once: place of each sample, clamp [B, F], bits of it to
    keep [B], fill [B], and uniform numbers [B, F] in [0, 1)."""

    place: Place
    clamp: Array
    keep: Array
    fill: Array
    uniform: Array


@functools.lru_cache(maxsize=8)  # so that the next request of a run does not compile again
def make_sampler(
    model: Model, codec: Codec, *, guided: bool = False
) -> Callable[[Params, Params, Array, Request], Samples]:
    """A compiled function (params, stats, key, request) -> Samples; compiled once per shape [B, T] of the clamp.

    A `guided` one runs the model twice side by side, once as asked and once told nothing (classifier-free guidance, Ho
    & Salimans 2022).
    """

    @jax.jit
    def sample(params: Params, stats: Params, key: Array, request: Request) -> Samples:
        batch = request.clamp.shape[0]
        first = jnp.full(request.clamp[:, 0].shape, ABSENT, jnp.int32)
        folded, params = model.fold(params)
        scan_step = functools.partial(_step, folded, codec, params, stats, request, guided)
        carry = model.initial_carry(2 * batch if guided else batch)
        _, (tokens, nll) = jax.lax.scan(scan_step, (carry, first), _steps(codec, key, request))
        return Samples(jnp.swapaxes(tokens, 0, 1), jnp.sum(nll, axis=0))

    return sample


def _steps(codec: Codec, key: Array, request: Request) -> _Step:
    """All steps, stacked along the first axis."""
    _, num_steps, num_variables = request.clamp.shape
    step = jnp.arange(num_steps, dtype=jnp.int32)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(request.number)
    uniform = jax.vmap(lambda k: jax.random.uniform(k, (num_steps, num_variables)))(keys)
    place = jax.vmap(lambda c: codec.place(c, step))(request.context)
    every = request.fill_every
    is_fill = (every > 0) & (place.bar % jnp.maximum(every, 1) == every - 1)
    fill = jnp.where(is_fill, FILL_YES, request.context.fill[:, None])
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), _Step(place, request.clamp, request.keep, fill, uniform))


def _step(
    model: Model,
    codec: Codec,
    params: Params,
    stats: Params,
    request: Request,
    guided: bool,
    loop: tuple[Carry, Array],
    now: _Step,
) -> tuple[tuple[Carry, Array], tuple[Array, Array]]:
    """One step of the scan: hears the previous tokens [B, F], chooses this step's, field after field."""
    carry, previous = loop
    place = jax.tree.map(lambda x: x[:, None], now.place)
    context, heard = request.context._replace(fill=now.fill), previous
    if guided:
        context = jax.tree.map(_stack, context, forget(context))
        place, heard = jax.tree.map(lambda x: _stack(x, x), (place, previous))
    hidden, carry, _ = model.apply(params, stats, heard[:, None], place, context, carry)
    tokens, nll = jnp.full_like(previous, ABSENT), []
    for i, where in enumerate(field_slices(model.fields)):
        exists, given = codec.present(i, tokens), now.clamp[:, where]
        keep = now.keep[:, None] if i == 0 else jnp.full_like(given, -1)
        # A given token cannot exist where the fields before it leave no room for it, nor be missing where they do.
        is_given = (given != FREE) & (given != ABSENT) & (keep == -1)
        is_asked = exists & ~is_given
        ask = functools.partial(_ask, model, params, request, guided, i)
        # No head where no sample asks for it: who humanizes pays for no hits, and a rest for no velocities.
        operands = hidden, tokens, now.uniform[:, where], jnp.where(given < 0, 0, keep), given
        value, surprise = jax.lax.cond(jnp.any(is_asked), ask, _skip, *operands)
        tokens = tokens.at[:, where].set(jnp.where(exists, jnp.where(is_given, given, value), ABSENT))
        nll.append(jnp.sum(jnp.where(is_asked, surprise, 0.0), axis=1))
    return (carry, tokens), (tokens, jnp.stack(nll, axis=1))


def _ask(
    model: Model,
    params: Params,
    request: Request,
    guided: bool,
    field: int,
    hidden: Hidden,
    tokens: Array,
    uniform: Array,
    keep: Array,
    given: Array,
) -> tuple[Array, Array]:
    """A field's values [B, count] and their nats, given the fields before it in tokens [B, F] and kept bits."""
    if guided:
        both = model.head(params, field, hidden, _stack(tokens, tokens)[:, None])[0]
        logits, untold = jnp.split(both, 2)
        guided_logits = untold + request.guidance * (logits - untold)
    else:
        guided_logits = logits = model.head(params, field, hidden, tokens[:, None])[0]
    if field == 0:
        values = jnp.arange(logits.shape[-1], dtype=jnp.int32)
        differs = (values[None, None] ^ given[..., None]) & keep[..., None]
        guided_logits = jnp.where(differs == 0, guided_logits, -jnp.inf)
    value = choose(uniform, guided_logits, request.temperature[field], request.top_k, request.top_p)
    return value, cross_entropy(logits, value)


def _skip(hidden: Hidden, tokens: Array, uniform: Array, keep: Array, given: Array) -> tuple[Array, Array]:
    """In the place of _ask, where its answer would not be used."""
    return jnp.zeros(uniform.shape, jnp.int32), jnp.zeros(uniform.shape)


def _stack(a: Array, b: Array) -> Array:
    return jnp.concatenate([a, b])
