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
import numpy as np

from drumjax.codecs.base import ABSENT, FREE, Codec, Place, field_slices, per_variable
from drumjax.models.conditioning import drop_controls
from drumjax.models.interface import Carry, Hidden, Weights
from drumjax.models.model import Model
from drumjax.models.scoring import cross_entropy
from drumjax.music.notes import FILL_YES, Array
from drumjax.sampling.categorical import choose
from drumjax.sampling.no_repeat import forbid_repeats
from drumjax.sampling.request import Request, Samples


class _Setup(NamedTuple):
    """What is the same at all steps. A `guided` sampler runs two models side by side: see make_sampler."""

    model: Model
    codec: Codec
    weights: Weights
    request: Request
    guided: bool


class _Given(NamedTuple):
    """What a step is given, of all steps: clamp [T, B, F], bits of it to keep [T, B], uniform numbers [T, B, F] in
    [0, 1)."""

    clamp: Array
    keep: Array
    uniform: Array


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


class _Draw(NamedTuple):
    """What a field's values [B, count] are drawn by.

    hidden   what the heads see of the step
    tokens   [B, F], the fields before it
    uniform  [B, count], random numbers in [0, 1)
    keep     [B, count], what is to be kept of the clamp
    clamp    [B, count]
    """

    hidden: Hidden
    tokens: Array
    uniform: Array
    keep: Array
    clamp: Array


Sampler = Callable[[Weights, Array, Request], Samples]


def draw(model: Model, codec: Codec, weights: Weights, key: Array, request: Request) -> Samples:
    """Samples for a request, on the devices where the weights are. Its guidance, read on the host, decides whether the
    model runs once or twice."""
    return make_sampler(model, codec, guided=is_guided(request))(weights, key, request)


def is_guided(request: Request) -> bool:
    """Whether anything that is asked for is exaggerated, or played down."""
    return bool(np.any(np.asarray(request.guidance) != 1))


@functools.lru_cache(maxsize=8)  # so that the next request of a run does not compile again
def make_sampler(model: Model, codec: Codec, *, guided: bool = False) -> Sampler:
    """A compiled function (weights, key, request) -> Samples; compiled once per shape [B, T] of the clamp.

    A `guided` one runs the model twice side by side, once as asked and once without what controls ask for
    (classifier-free guidance, Ho & Salimans 2022).
    """

    @jax.jit
    def sample(weights: Weights, key: Array, request: Request) -> Samples:
        batch, num_steps, num_variables = request.clamp.shape
        folded, weights = model.within(num_steps).fold(weights)
        setup = _Setup(folded, codec, weights, request, guided)
        body = functools.partial(_step, setup, _give(key, request))
        first = _Loop(
            step=jnp.int32(0),
            tick=jnp.zeros(batch, jnp.int32),
            carry=folded.initial_carry(2 * batch if guided else batch),
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


def _step(setup: _Setup, given: _Given, loop: _Loop) -> _Loop:
    """One step: sees the previous tokens [B, F], chooses this step's, field after field."""
    model, codec, request = setup.model, setup.codec, setup.request
    now = jax.tree.map(lambda x: x[loop.step], given)
    is_on = loop.tick < request.end
    previous = jnp.where(loop.step > 0, loop.samples.tokens[jnp.maximum(loop.step - 1, 0)], ABSENT)
    place = jax.vmap(codec.place)(request.context, loop.tick[:, None])
    context = request.context._replace(fill=_fill_at(request, place))
    inputs = jnp.where(per_variable(model.fields, request.hidden), ABSENT, previous)
    if setup.guided:
        context = jax.tree.map(_stack, context, drop_controls(context))
        place, inputs = jax.tree.map(lambda x: _stack(x, x), (place, inputs))
    hidden, carry, _ = model.apply(setup.weights, inputs[:, None], place, context, loop.carry)
    tokens, nll = jnp.full_like(previous, ABSENT), []
    for i, where in enumerate(field_slices(model.fields)):
        exists, clamp = codec.present(i, tokens) & is_on[:, None], now.clamp[:, where]
        keep = now.keep[:, None] if i == codec.partial_field else jnp.full_like(clamp, -1)
        # A given token cannot exist where the fields before it leave no room for it, nor be missing where they do.
        is_given = (clamp != FREE) & (clamp != ABSENT) & (keep == -1)
        is_drawn = exists & ~is_given
        # No head where no sample needs it: who humanizes pays for no hits, and a rest for no velocities.
        by = _Draw(hidden, tokens, now.uniform[:, where], jnp.where(clamp < 0, 0, keep), clamp)
        value, surprise = jax.lax.cond(
            jnp.any(is_drawn), functools.partial(_draw_field, setup, i, loop), _draw_nothing, by
        )
        tokens = tokens.at[:, where].set(jnp.where(exists, jnp.where(is_given, clamp, value), ABSENT))
        nll.append(jnp.sum(jnp.where(is_drawn, surprise, 0.0), axis=1))
    written = jnp.asarray(loop.samples.tokens).at[loop.step].set(tokens)
    samples = Samples(written, loop.samples.nll + jnp.stack(nll, axis=1))
    return _Loop(loop.step + 1, loop.tick + codec.ticks(tokens), carry, samples)


def _fill_at(request: Request, place: Place) -> Array:
    """[B]: whether a fill is asked for in the bar of each sample."""
    every = request.fill_every
    is_fill = (every > 0) & (place.bar[:, 0] % jnp.maximum(every, 1) == every - 1)
    return jnp.where(is_fill, FILL_YES, request.context.fill)


def _draw_field(setup: _Setup, field: int, loop: _Loop, by: _Draw) -> tuple[Array, Array]:
    """A field's values [B, count] and their nats under the model as asked, unguided."""
    model, codec, request = setup.model, setup.codec, setup.request
    if setup.guided:
        both = model.head(setup.weights, field, by.hidden, _stack(by.tokens, by.tokens)[:, None])[0]
        logits, unconditioned = jnp.split(both, 2)
        guided_logits = unconditioned + request.guidance[field] * (logits - unconditioned)
    else:
        guided_logits = logits = model.head(setup.weights, field, by.hidden, by.tokens[:, None])[0]
    if field == codec.partial_field:
        allowed = jax.vmap(codec.allows)(by.clamp[:, 0], by.keep[:, 0], loop.tick)
        guided_logits = jnp.where(allowed[:, None], guided_logits, -jnp.inf)
    if field == 0:
        guided_logits = _guard(request, loop, _urge(codec, request, loop, guided_logits[:, 0]))[:, None]
    uniform: Array = by.uniform
    if model.fields[field].is_expression:  # values from least to most, so the middle of the odds is their median
        uniform = 0.5 + request.spread * (uniform - 0.5)
    temperature = jnp.asarray(request.temperature[field])
    if field == 0:
        in_opening = loop.tick < request.opening_end
        temperature = jnp.where(in_opening, request.opening_temperature, temperature)[:, None, None]
    value = choose(uniform, guided_logits, temperature, request.top_k, request.top_p)
    return value, cross_entropy(logits, value)


def _urge(codec: Codec, request: Request, loop: _Loop, logits: jax.Array) -> jax.Array:
    """The first field's logits [B, size], those of chords with drums that are behind their pace raised."""
    if not codec.num_voices:
        return logits

    def raised(logits: jax.Array) -> jax.Array:
        played = jnp.sum(codec.voices(loop.samples.tokens[..., 0]), axis=0)  # steps to come are absent: none
        behind = request.urge.pace * (loop.tick[:, None] + 1) - played
        nats = request.urge.nats * jnp.clip(behind, -1, 1)
        return logits + nats @ codec.voices(jnp.arange(logits.shape[1])).astype(jnp.float32).T

    return jax.lax.cond(jnp.any(request.urge.nats > 0), raised, lambda x: x, logits)


def _guard(request: Request, loop: _Loop, logits: jax.Array) -> jax.Array:
    """The first field's logits [B, size] without the values that no_repeat forbids, unless that leaves none."""
    earlier, length = loop.samples.tokens[..., 0], request.no_repeat
    guard = functools.partial(forbid_repeats, earlier=earlier, step=loop.step, length=length)
    guarded = jax.lax.cond(length > 0, guard, lambda x: x, logits)
    is_possible = jnp.any(jnp.isfinite(guarded), axis=1, keepdims=True)  # else something has to come again
    return jnp.where(is_possible, guarded, logits)


def _draw_nothing(by: _Draw) -> tuple[Array, Array]:
    """In the place of _draw_field, where what it gives would not be used."""
    return jnp.zeros(by.uniform.shape, jnp.int32), jnp.zeros(by.uniform.shape)


def _stack(a: Array, b: Array) -> Array:
    return jnp.concatenate([a, b])
