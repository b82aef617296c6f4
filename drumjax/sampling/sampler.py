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
from drumjax.models.interface import Carry, Weights
from drumjax.models.model import Model
from drumjax.music.notes import Array
from drumjax.sampling.course import at_bar
from drumjax.sampling.drawing import Draw, Setup, SoFar, draw_field
from drumjax.sampling.luck import draw_luck
from drumjax.sampling.request import Request, Samples
from drumjax.system.devices import loop_options
from drumjax.system.kept_programs import CompilerOptions


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


Sampler = Callable[[Weights, Array, Request], Samples]


def draw(model: Model, codec: Codec, weights: Weights, key: Array, request: Request) -> Samples:
    """Samples for a request, on the devices where the weights are."""
    options = loop_options(next(iter(jnp.asarray(key).devices())))
    return make_sampler(model, codec, options, **needs(request, options))(weights, key, request)


def needs(request: Request, options: CompilerOptions) -> dict[str, bool]:
    """What a request, read on the host, needs of make_sampler with these options: each of its flags, by name.

    On an NVIDIA GPU each branch of a step takes some 8 us, and a plain step 45 in all, so that requests without limits
    have a program of their own. Elsewhere one serves all: the next request with a limit does not compile anew.
    """
    limits = request.top_k > 0, request.top_p < 1, request.no_repeat > 0
    return {
        "guided": bool(np.any(np.asarray(request.guidance) != 1)),
        "hears": bool(np.any(np.asarray(request.hears))),
        "limited": not options or bool(np.any(limits)),
    }


@functools.lru_cache(maxsize=8)  # so that the next request of a run does not compile again
def make_sampler(
    model: Model,
    codec: Codec,
    options: CompilerOptions = (),
    *,
    guided: bool = False,
    hears: bool = False,
    limited: bool = True,
) -> Sampler:
    """A compiled function (weights, key, request) -> Samples; compiled once per shape [B, T] of the clamp.

    Args:
      model: whose weights it takes.
      codec: of the tokens.
      options: what XLA is asked for, see devices.loop_options.
      guided: whether it runs the model twice side by side, once as asked and once without what controls ask for
        (classifier-free guidance, Ho & Salimans 2022).
      hears: whether it knows the hits to come where they are given.
      limited: whether top_k, top_p and no_repeat leave values out; one that is not takes no heed of them.
    """

    @functools.partial(jax.jit, compiler_options=dict(options))
    def sample(weights: Weights, key: Array, request: Request) -> Samples:
        batch, num_steps, num_variables = request.clamp.shape
        folded, weights = model.within(num_steps).fold(weights)
        setup = Setup(folded, codec, weights, request, guided, hears, limited)
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


def _give(setup: Setup, key: Array) -> _Given:
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


def _step(setup: Setup, given: _Given, loop: _Loop) -> _Loop:
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
    so_far = SoFar(loop.step, loop.tick, loop.samples.tokens)
    for i, where in enumerate(field_slices(model.fields)):
        exists, clamp = codec.present(i, tokens) & is_on[:, None], now.clamp[:, where]
        keep = now.keep[:, None] if i == codec.partial_field else jnp.full_like(clamp, -1)
        # A given token cannot exist where the fields before it leave no room for it, nor be missing where they do.
        is_given = (clamp != FREE) & (clamp != ABSENT) & (keep == -1)
        is_drawn = exists & ~is_given
        uniform, kept = now.uniform[:, where], jnp.where(clamp < 0, 0, keep)
        by = Draw(hidden, tokens, uniform, kept, clamp, exists, is_given, now.luck)
        drawn = draw_field(setup, i, so_far, by, jnp.any(is_drawn))
        tokens = tokens.at[:, where].set(jnp.where(exists, jnp.where(is_given, clamp, drawn.value), ABSENT))
        points = points.at[:, where].set(jnp.where(is_drawn, drawn.point, CENTRE))
        nll.append(jnp.sum(jnp.where(is_drawn, drawn.nats, 0.0), axis=1))
    written = jnp.asarray(loop.samples.tokens).at[loop.step].set(tokens)
    pointed = jnp.asarray(loop.samples.points).at[loop.step].set(points)
    samples = Samples(written, pointed, loop.samples.nll + jnp.stack(nll, axis=1))
    return _Loop(loop.step + 1, loop.tick + codec.ticks(tokens), carry, samples)
