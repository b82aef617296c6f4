"""The jitted sampler: one loop over steps, a batch of independent samples side by side.

Every sample has its own key, fold_in(key, number): sample i is the same whatever its neighbours or the number of hosts.
A *clamp* gives some tokens and leaves the rest free: clamp nothing to play freely, the first bars to continue them, all
hits to humanize them. What is given of one field can be a part of it: some drums of a chord, about when a note is.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from drumjax.codecs.base import ABSENT, FREE, Codec, Place, field_slices, per_variable
from drumjax.models.conditioning import forget
from drumjax.models.model import Model, Params
from drumjax.models.network import Carry, Hidden
from drumjax.models.scoring import cross_entropy
from drumjax.music.notes import FILL_YES, Array
from drumjax.sampling.categorical import choose
from drumjax.sampling.no_repeat import forbid_repeats
from drumjax.sampling.request import Request, Samples


class _Loop(NamedTuple):
    """What goes from step to step.

    step     int32 scalar
    tick     [B] int32, when it begins in each sample
    carry    what the model remembers
    samples  tokens [T, B, F], as far as they are chosen, and their nll [B, fields]
    """

    step: Array
    tick: Array
    carry: Carry
    samples: Samples


class _Given(NamedTuple):
    """What a step is given, of all steps: clamp [T, B, F], bits of it to keep [T, B], uniform numbers [T, B, F] in
    [0, 1)."""

    clamp: Array
    keep: Array
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
        batch, num_steps, num_variables = request.clamp.shape
        folded, params = model.fold(params)
        given = _give(key, request)
        body = functools.partial(_step, folded, codec, params, stats, request, guided, given)
        first = _Loop(
            step=jnp.int32(0),
            tick=jnp.zeros(batch, jnp.int32),
            carry=model.initial_carry(2 * batch if guided else batch),
            samples=Samples(jnp.full((num_steps, batch, num_variables), ABSENT), jnp.zeros((batch, len(model.fields)))),
        )

        def goes_on(loop: _Loop) -> Array:
            return (loop.step < num_steps) & jnp.any(loop.tick < request.end)

        tokens, nll = jax.lax.while_loop(goes_on, body, first).samples
        return Samples(jnp.swapaxes(tokens, 0, 1), nll)

    return sample


def _give(key: Array, request: Request) -> _Given:
    """What all steps are given."""
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(request.number)
    uniform = jax.vmap(lambda k: jax.random.uniform(k, request.clamp.shape[1:]))(keys)
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), _Given(request.clamp, request.keep, uniform))


def _step(
    model: Model,
    codec: Codec,
    params: Params,
    stats: Params,
    request: Request,
    guided: bool,
    given: _Given,
    loop: _Loop,
) -> _Loop:
    """One step: hears the previous tokens [B, F], chooses this step's, field after field."""
    now = jax.tree.map(lambda x: x[loop.step], given)
    is_on = loop.tick < request.end
    previous = jnp.where(loop.step > 0, loop.samples.tokens[jnp.maximum(loop.step - 1, 0)], ABSENT)
    place = jax.vmap(codec.place)(request.context, loop.tick[:, None])
    context = request.context._replace(fill=_fill_at(request, place))
    heard = jnp.where(per_variable(model.fields, request.unheard), ABSENT, previous)
    if guided:
        context = jax.tree.map(_stack, context, forget(context))
        place, heard = jax.tree.map(lambda x: _stack(x, x), (place, heard))
    hidden, carry, _ = model.apply(params, stats, heard[:, None], place, context, loop.carry)
    tokens, nll = jnp.full_like(previous, ABSENT), []
    for i, where in enumerate(field_slices(model.fields)):
        exists, clamp = codec.present(i, tokens) & is_on[:, None], now.clamp[:, where]
        keep = now.keep[:, None] if i == codec.partial_field else jnp.full_like(clamp, -1)
        # A given token cannot exist where the fields before it leave no room for it, nor be missing where they do.
        is_given = (clamp != FREE) & (clamp != ABSENT) & (keep == -1)
        is_asked = exists & ~is_given
        ask = functools.partial(_ask, model, codec, params, request, guided, i, loop)
        # No head where no sample asks for it: who humanizes pays for no hits, and a rest for no velocities.
        operands = hidden, tokens, now.uniform[:, where], jnp.where(clamp < 0, 0, keep), clamp
        value, surprise = jax.lax.cond(jnp.any(is_asked), ask, _skip, *operands)
        tokens = tokens.at[:, where].set(jnp.where(exists, jnp.where(is_given, clamp, value), ABSENT))
        nll.append(jnp.sum(jnp.where(is_asked, surprise, 0.0), axis=1))
    samples = Samples(loop.samples.tokens.at[loop.step].set(tokens), loop.samples.nll + jnp.stack(nll, axis=1))
    return _Loop(loop.step + 1, loop.tick + codec.ticks(tokens), carry, samples)


def _fill_at(request: Request, place: Place) -> Array:
    """[B]: whether a fill is asked for in the bar of each sample."""
    every = request.fill_every
    is_fill = (every > 0) & (place.bar[:, 0] % jnp.maximum(every, 1) == every - 1)
    return jnp.where(is_fill, FILL_YES, request.context.fill)


def _ask(
    model: Model,
    codec: Codec,
    params: Params,
    request: Request,
    guided: bool,
    field: int,
    loop: _Loop,
    hidden: Hidden,
    tokens: Array,
    uniform: Array,
    keep: Array,
    clamp: Array,
) -> tuple[Array, Array]:
    """A field's values [B, count] and their nats, given the fields before it in tokens [B, F] and what is to be kept
    [B, count] of the clamp [B, count]."""
    if guided:
        both = model.head(params, field, hidden, _stack(tokens, tokens)[:, None])[0]
        logits, untold = jnp.split(both, 2)
        guided_logits = untold + request.guidance[field] * (logits - untold)
    else:
        guided_logits = logits = model.head(params, field, hidden, tokens[:, None])[0]
    if field == codec.partial_field:
        allowed = jax.vmap(codec.allows)(clamp[:, 0], keep[:, 0], loop.tick)
        guided_logits = jnp.where(allowed[:, None], guided_logits, -jnp.inf)
    if field == 0:
        heard, length = loop.samples.tokens[..., 0], request.no_repeat
        guard = functools.partial(forbid_repeats, heard=heard, step=loop.step, length=length)
        guarded = jax.lax.cond(length > 0, guard, lambda x: x, guided_logits[:, 0])
        is_possible = jnp.any(jnp.isfinite(guarded), axis=1, keepdims=True)  # else something has to come again
        guided_logits = jnp.where(is_possible, guarded, guided_logits[:, 0])[:, None]
    if model.fields[field].is_expression:  # values from least to most, so the middle of the odds is their median
        uniform = 0.5 + request.spread * (uniform - 0.5)
    value = choose(uniform, guided_logits, request.temperature[field], request.top_k, request.top_p)
    return value, cross_entropy(logits, value)


def _skip(hidden: Hidden, tokens: Array, uniform: Array, keep: Array, clamp: Array) -> tuple[Array, Array]:
    """In the place of _ask, where its answer would not be used."""
    return jnp.zeros(uniform.shape, jnp.int32), jnp.zeros(uniform.shape)


def _stack(a: Array, b: Array) -> Array:
    return jnp.concatenate([a, b])
