"""How a step of the sampler draws the values of a field: from which logits, with which temperature, and what is left
out of them."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from drumjax.codecs.base import CENTRE, Codec
from drumjax.models.interface import Hidden, Weights
from drumjax.models.joint import choose_kth
from drumjax.models.model import Model
from drumjax.models.scoring import cross_entropy
from drumjax.music.notes import Array
from drumjax.sampling.categorical import choose, choose_point
from drumjax.sampling.luck import share_luck
from drumjax.sampling.no_repeat import forbid_repeats
from drumjax.sampling.request import Request

# Where a branch takes longer than the head that it would leave out.
ALWAYS_DRAWN_ON = ("cuda",)


class Setup(NamedTuple):
    """What is the same at all steps.

    guided   whether two models run side by side, see sampler.make_sampler
    hears    whether the model knows the hits to come
    limited  whether top_k, top_p and no_repeat may leave values out
    """

    model: Model
    codec: Codec
    weights: Weights
    request: Request
    guided: bool
    hears: bool
    limited: bool

    def twice(self, x: Array) -> Array:
        """Rows [B, ...] for the model as asked, and again for the one that nothing is asked of."""
        return jnp.concatenate([x, x]) if self.guided else x

    def guide(self, field: int, logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Logits of `twice` the rows -> those of the model as asked [B, ...], and those to draw by."""
        if not self.guided:
            return logits, logits
        asked, unconditioned = jnp.split(logits, 2)
        return asked, unconditioned + self.request.guidance[field] * (asked - unconditioned)


class SoFar(NamedTuple):
    """Where the samples are: step int32 scalar, tick [B] int32 when it begins in each, tokens [T, B, F] of the steps
    before, ABSENT from this one on."""

    step: Array
    tick: Array
    tokens: Array


class Draw(NamedTuple):
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


class Drawn(NamedTuple):
    """A field's values, where in their bins they are, and their nats under the model as asked, unguided: [B, count]."""

    value: Array
    point: Array
    nats: Array


def draw_field(setup: Setup, field: int, so_far: SoFar, by: Draw, is_needed: Array) -> Drawn:
    """What a step draws of a field. No head where no sample needs it: who humanizes pays for no hits, and a rest for
    no velocities."""
    is_joint = setup.model.is_joint(field)
    draw = functools.partial(_draw_jointly if is_joint else _draw_apart, setup, field, so_far)

    def draw_if_needed(by: Draw) -> Drawn:
        return jax.lax.cond(is_needed, draw, _draw_nothing, by)

    if is_joint:
        return draw_if_needed(by)
    return jax.lax.platform_dependent(by, default=draw_if_needed, **dict.fromkeys(ALWAYS_DRAWN_ON, draw))


def _draw_apart(setup: Setup, field: int, so_far: SoFar, by: Draw) -> Drawn:
    """Draws a field whose variables do not hear each other."""
    model, codec, request = setup.model, setup.codec, setup.request
    both = model.head(setup.weights, field, by.hidden, setup.twice(by.tokens)[:, None])[0]
    asked, logits = setup.guide(field, both)
    if field == codec.partial_field:
        allowed = jax.vmap(codec.allows)(by.clamp[:, 0], by.keep[:, 0], so_far.tick)
        logits = jnp.where(allowed[:, None], logits, -jnp.inf)
    if field == 0:
        wanted = _urge(codec, request, so_far, logits[:, 0])
        possible = _leave_out(codec, request, by, wanted)
        logits = (_guard(request, so_far, possible) if setup.limited else possible)[:, None]
    temperature = jnp.asarray(request.temperature[field])
    if field == 0:
        in_opening = so_far.tick < request.opening_end
        temperature = jnp.where(in_opening, request.opening_temperature, temperature)[:, None, None]
    value, point = _choose(setup, field, by.uniform, logits, temperature)
    return Drawn(value, point, cross_entropy(asked, value))


def _draw_jointly(setup: Setup, field: int, so_far: SoFar, by: Draw) -> Drawn:
    """Draws a field whose variables hear each other: the first that exists of each sample, then the second, and on."""
    del so_far
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
        new = Drawn(value, point, cross_entropy(asked, value))
        drawn = jax.tree.map(lambda old, now: jnp.where(chosen > 0, now[:, None], old), drawn, new)
        return k + 1, units, drawn

    first = jnp.int32(0), units, _draw_nothing(by)
    return jax.lax.while_loop(lambda loop: loop[0] < most, draw_next, first)[2]


def _choose(setup: Setup, field: int, uniform: Array, logits: Array, temperature: Array) -> tuple[Array, Array]:
    """Values, and where in their bins they are."""
    request = setup.request
    limits = (request.top_k, request.top_p) if setup.limited else ()
    if not setup.model.fields[field].is_expression:
        value = choose(uniform, logits, temperature, *limits)
        return value, jnp.full(value.shape, CENTRE)
    # Values go from least to most, so the middle of the odds is their median.
    uniform = 0.5 + request.spread * (uniform - 0.5)
    return choose_point(uniform, logits, temperature, *limits)


def _urge(codec: Codec, request: Request, so_far: SoFar, logits: jax.Array) -> jax.Array:
    """The first field's logits [B, size], those of chords with drums that are behind their pace raised."""
    if not request.urge.nats.shape[1]:
        return logits

    def raised(logits: jax.Array) -> jax.Array:
        played = jnp.sum(codec.voices(so_far.tokens[..., 0]), axis=0)  # steps to come are absent: none
        behind = request.urge.pace * (so_far.tick[:, None] + 1) - played
        nats = request.urge.nats * jnp.clip(behind, -1, 1)
        return logits + nats @ codec.voices(jnp.arange(logits.shape[1])).astype(jnp.float32).T

    return jax.lax.cond(jnp.any(request.urge.nats > 0), raised, lambda x: x, logits)


def _leave_out(codec: Codec, request: Request, by: Draw, logits: jax.Array) -> jax.Array:
    """The first field's logits [B, size] without the chords that have an unwanted drum, unless that is given."""
    if not codec.num_voices:
        return logits
    unwanted = request.unwanted[None] & ~codec.voices(by.clamp[:, 0] & by.keep[:, 0])
    chords = codec.voices(jnp.arange(logits.shape[1]))
    return jnp.where(unwanted.astype(jnp.float32) @ chords.astype(jnp.float32).T > 0, -jnp.inf, logits)


def _guard(request: Request, so_far: SoFar, logits: jax.Array) -> jax.Array:
    """The first field's logits [B, size] without the values that no_repeat forbids, unless that leaves none."""
    earlier, length = so_far.tokens[..., 0], request.no_repeat
    guard = functools.partial(forbid_repeats, earlier=earlier, step=so_far.step, length=length)
    guarded = jax.lax.cond(length > 0, guard, lambda x: x, logits)
    is_possible = jnp.any(jnp.isfinite(guarded), axis=1, keepdims=True)  # else something has to come again
    return jnp.where(is_possible, guarded, logits)


def _draw_nothing(by: Draw) -> Drawn:
    """What is drawn where nothing of it is used."""
    shape = by.uniform.shape
    return Drawn(jnp.zeros(shape, jnp.int32), jnp.full(shape, CENTRE), jnp.zeros(shape))
