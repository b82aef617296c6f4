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

from drumjax.codecs.base import ABSENT, CENTRE, FREE, Codec, field_slices, per_variable
from drumjax.models.conditioning import drop_controls
from drumjax.models.interface import Carry, Hidden, Weights
from drumjax.models.joint import choose_kth
from drumjax.models.model import Model
from drumjax.models.scoring import cross_entropy
from drumjax.music.notes import Array
from drumjax.sampling.categorical import choose, choose_point
from drumjax.sampling.course import at_bar
from drumjax.sampling.luck import draw_luck, share_luck
from drumjax.sampling.no_repeat import forbid_repeats
from drumjax.sampling.request import Request, Samples


class _Setup(NamedTuple):
    """What is the same at all steps. A `guided` sampler runs two models side by side, one that `hears` knows the hits
    to come: see make_sampler."""

    model: Model
    codec: Codec
    weights: Weights
    request: Request
    guided: bool
    hears: bool

    def twice(self, x: Array) -> Array:
        """Rows [B, ...] for the model as asked, and again for the one that nothing is asked of."""
        return jnp.concatenate([x, x]) if self.guided else x

    def guide(self, field: int, logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Logits of `twice` the rows -> those of the model as asked [B, ...], and those to draw by."""
        if not self.guided:
            return logits, logits
        asked, unconditioned = jnp.split(logits, 2)
        return asked, unconditioned + self.request.guidance[field] * (asked - unconditioned)


class _Given(NamedTuple):
    """What a step is given, of all steps: clamp [T, B, F], bits of it to keep [T, B], uniform numbers [T, B, F] in
    [0, 1), the first field of the steps to come as far as it is given [T, B, W], and the luck of each step [T, B, 2],
    see luck.draw_luck."""

    clamp: Array
    keep: Array
    uniform: Array
    ahead: Array
    luck: Array


class _Loop(NamedTuple):
    """What goes from step to step.

    step     int32 scalar
    tick     [B] int32, when it begins in each sample
    carry    what the model remembers
    samples  tokens and points [T, B, F], as far as they are chosen, and their nll [B, fields]
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
    exists   [B, count] bool
    given    [B, count] bool, whether the clamp is the value
    luck     [B, 2], of the step
    """

    hidden: Hidden
    tokens: Array
    uniform: Array
    keep: Array
    clamp: Array
    exists: Array
    given: Array
    luck: Array


class _Drawn(NamedTuple):
    """A field's values, where in their bins they are, and their nats under the model as asked, unguided: [B, count]."""

    value: Array
    point: Array
    nats: Array


Sampler = Callable[[Weights, Array, Request], Samples]


def draw(model: Model, codec: Codec, weights: Weights, key: Array, request: Request) -> Samples:
    """Samples for a request, on the devices where the weights are. Its guidance, read on the host, decides whether the
    model runs once or twice."""
    return make_sampler(model, codec, guided=is_guided(request), hears=is_hearing(request))(weights, key, request)


def is_guided(request: Request) -> bool:
    """Whether anything that is asked for is exaggerated, or played down."""
    return bool(np.any(np.asarray(request.guidance) != 1))


def is_hearing(request: Request) -> bool:
    """Whether velocity and timing hear the hits to come."""
    return bool(np.any(np.asarray(request.hears)))


@functools.lru_cache(maxsize=8)  # so that the next request of a run does not compile again
def make_sampler(model: Model, codec: Codec, *, guided: bool = False, hears: bool = False) -> Sampler:
    """A compiled function (weights, key, request) -> Samples; compiled once per shape [B, T] of the clamp.

    A `guided` one runs the model twice side by side, once as asked and once without what controls ask for
    (classifier-free guidance, Ho & Salimans 2022). One that `hears` knows the hits to come where they are given.
    """

    @jax.jit
    def sample(weights: Weights, key: Array, request: Request) -> Samples:
        batch, num_steps, num_variables = request.clamp.shape
        folded, weights = model.within(num_steps).fold(weights)
        setup = _Setup(folded, codec, weights, request, guided, hears)
        body = functools.partial(_step, setup, _give(setup, key))
        first = _Loop(
            step=jnp.int32(0),
            tick=jnp.zeros(batch, jnp.int32),
            carry=folded.initial_carry(2 * batch if guided else batch),
            samples=Samples(
                jnp.full((num_steps, batch, num_variables), ABSENT),
                jnp.full((num_steps, batch, num_variables), CENTRE),
                jnp.zeros((batch, len(model.fields))),
            ),
        )

        def goes_on(loop: _Loop) -> Array:
            return (loop.step < num_steps) & jnp.any(loop.tick < request.end)

        tokens, points, nll = jax.lax.while_loop(goes_on, body, first).samples
        return Samples(jnp.swapaxes(tokens, 0, 1), jnp.swapaxes(points, 0, 1), nll)

    return sample


def _give(setup: _Setup, key: Array) -> _Given:
    """What all steps are given."""
    request, codec = setup.request, setup.codec
    steps_ahead = setup.model.steps_ahead if setup.hears else 0
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(request.number)
    uniform = jax.vmap(lambda k: jax.random.uniform(k, request.clamp.shape[1:]))(keys)
    first = jnp.where((request.clamp[..., 0] >= 0) & (request.keep == -1), request.clamp[..., 0], ABSENT)
    later = jnp.pad(first[:, 1:], ((0, 0), (0, steps_ahead)), constant_values=ABSENT)
    which = jnp.arange(first.shape[1])[:, None] + jnp.arange(steps_ahead)[None]
    luck: Array = jnp.zeros((*first.shape, 2))
    if setup.hears and codec.grid:
        luck = jax.vmap(lambda k: draw_luck(jax.random.fold_in(k, 1), first.shape[1], codec.grid))(keys)
    given = _Given(request.clamp, request.keep, uniform, later[:, which], luck)
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), given)


def _step(setup: _Setup, given: _Given, loop: _Loop) -> _Loop:
    """One step: sees the previous tokens [B, F], chooses this step's, field after field."""
    model, codec, request = setup.model, setup.codec, setup.request
    now = jax.tree.map(lambda x: x[loop.step], given)
    is_on = loop.tick < request.end
    previous = jnp.where(loop.step > 0, loop.samples.tokens[jnp.maximum(loop.step - 1, 0)], ABSENT)
    place = jax.vmap(codec.place)(request.context, loop.tick[:, None])
    context = at_bar(request.course, request.context, place.bar[:, 0])
    inputs = jnp.where(per_variable(model.fields, request.hidden), ABSENT, previous)
    if setup.guided:
        context = jax.tree.map(lambda x, y: jnp.concatenate([x, y]), context, drop_controls(context))
    place, inputs, ahead = jax.tree.map(setup.twice, (place, inputs, now.ahead))
    hidden, carry, _ = model.apply(
        setup.weights, inputs[:, None], place, context, loop.carry, ahead=ahead if ahead.shape[1] else None
    )
    tokens, points, nll = jnp.full_like(previous, ABSENT), jnp.full(previous.shape, CENTRE), []
    for i, where in enumerate(field_slices(model.fields)):
        exists, clamp = codec.present(i, tokens) & is_on[:, None], now.clamp[:, where]
        keep = now.keep[:, None] if i == codec.partial_field else jnp.full_like(clamp, -1)
        # A given token cannot exist where the fields before it leave no room for it, nor be missing where they do.
        is_given = (clamp != FREE) & (clamp != ABSENT) & (keep == -1)
        is_drawn = exists & ~is_given
        # No head where no sample needs it: who humanizes pays for no hits, and a rest for no velocities.
        uniform, kept = now.uniform[:, where], jnp.where(clamp < 0, 0, keep)
        by = _Draw(hidden, tokens, uniform, kept, clamp, exists, is_given, now.luck)
        draw = _draw_jointly if model.is_joint(i) else _draw_apart
        drawn = jax.lax.cond(jnp.any(is_drawn), functools.partial(draw, setup, i, loop), _draw_nothing, by)
        tokens = tokens.at[:, where].set(jnp.where(exists, jnp.where(is_given, clamp, drawn.value), ABSENT))
        points = points.at[:, where].set(jnp.where(is_drawn, drawn.point, CENTRE))
        nll.append(jnp.sum(jnp.where(is_drawn, drawn.nats, 0.0), axis=1))
    written = jnp.asarray(loop.samples.tokens).at[loop.step].set(tokens)
    pointed = jnp.asarray(loop.samples.points).at[loop.step].set(points)
    samples = Samples(written, pointed, loop.samples.nll + jnp.stack(nll, axis=1))
    return _Loop(loop.step + 1, loop.tick + codec.ticks(tokens), carry, samples)


def _draw_apart(setup: _Setup, field: int, loop: _Loop, by: _Draw) -> _Drawn:
    """Draws a field whose variables do not hear each other."""
    model, codec, request = setup.model, setup.codec, setup.request
    both = model.head(setup.weights, field, by.hidden, setup.twice(by.tokens)[:, None])[0]
    asked, logits = setup.guide(field, both)
    if field == codec.partial_field:
        allowed = jax.vmap(codec.allows)(by.clamp[:, 0], by.keep[:, 0], loop.tick)
        logits = jnp.where(allowed[:, None], logits, -jnp.inf)
    if field == 0:
        wanted = _urge(codec, request, loop, logits[:, 0])
        logits = _guard(request, loop, _leave_out(codec, request, by, wanted))[:, None]
    temperature = jnp.asarray(request.temperature[field])
    if field == 0:
        in_opening = loop.tick < request.opening_end
        temperature = jnp.where(in_opening, request.opening_temperature, temperature)[:, None, None]
    value, point = _choose(setup, field, by.uniform, logits, temperature)
    return _Drawn(value, point, cross_entropy(asked, value))


def _draw_jointly(setup: _Setup, field: int, loop: _Loop, by: _Draw) -> _Drawn:
    """Draws a field whose variables hear each other: the first that exists of each sample, then the second, and on."""
    del loop
    model, weights, request = setup.model, setup.weights, setup.request
    alone, units = model.begin_joint(weights, field, by.hidden, setup.twice(by.tokens))
    most = jnp.max(jnp.sum(by.exists, axis=1))

    def draw_next(loop):
        k, units, drawn = loop
        chosen = choose_kth(by.exists, k)
        both = setup.twice(chosen)
        logits = jnp.einsum("bc,bcv->bv", both, alone) + model.say_joint(weights, field, units, both)
        asked, logits = setup.guide(field, logits)
        uniform, clamp, given = (jnp.sum(x * chosen, axis=1) for x in (by.uniform, by.clamp, by.given))
        if setup.hears and setup.codec.grid:
            uniform = jnp.where(request.hidden[field], share_luck(uniform, by.luck, k == 0), uniform)
        value, point = _choose(setup, field, uniform, logits, request.temperature[field])
        value = jnp.where(given > 0, clamp.astype(jnp.int32), value)
        units = model.hear_joint(weights, field, units, both, setup.twice(value))
        new = _Drawn(value, point, cross_entropy(asked, value))
        drawn = jax.tree.map(lambda old, now: jnp.where(chosen > 0, now[:, None], old), drawn, new)
        return k + 1, units, drawn

    first = jnp.int32(0), units, _draw_nothing(by)
    return jax.lax.while_loop(lambda loop: loop[0] < most, draw_next, first)[2]


def _choose(setup: _Setup, field: int, uniform: Array, logits: Array, temperature: Array) -> tuple[Array, Array]:
    """Values, and where in their bins they are."""
    request = setup.request
    if not setup.model.fields[field].is_expression:
        value = choose(uniform, logits, temperature, request.top_k, request.top_p)
        return value, jnp.full(value.shape, CENTRE)
    # Values go from least to most, so the middle of the odds is their median.
    uniform = 0.5 + request.spread * (uniform - 0.5)
    return choose_point(uniform, logits, temperature, request.top_k, request.top_p)


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


def _leave_out(codec: Codec, request: Request, by: _Draw, logits: jax.Array) -> jax.Array:
    """The first field's logits [B, size] without the chords that have an unwanted drum, unless that is given."""
    if not codec.num_voices:
        return logits
    unwanted = request.unwanted[None] & ~codec.voices(by.clamp[:, 0] & by.keep[:, 0])
    chords = codec.voices(jnp.arange(logits.shape[1]))
    return jnp.where(unwanted.astype(jnp.float32) @ chords.astype(jnp.float32).T > 0, -jnp.inf, logits)


def _guard(request: Request, loop: _Loop, logits: jax.Array) -> jax.Array:
    """The first field's logits [B, size] without the values that no_repeat forbids, unless that leaves none."""
    earlier, length = loop.samples.tokens[..., 0], request.no_repeat
    guard = functools.partial(forbid_repeats, earlier=earlier, step=loop.step, length=length)
    guarded = jax.lax.cond(length > 0, guard, lambda x: x, logits)
    is_possible = jnp.any(jnp.isfinite(guarded), axis=1, keepdims=True)  # else something has to come again
    return jnp.where(is_possible, guarded, logits)


def _draw_nothing(by: _Draw) -> _Drawn:
    """What is drawn where nothing of it is used."""
    shape = by.uniform.shape
    return _Drawn(jnp.zeros(shape, jnp.int32), jnp.full(shape, CENTRE), jnp.zeros(shape))
