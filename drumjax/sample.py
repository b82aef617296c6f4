"""The jitted sampler: one scan over steps, a batch of independent samples side by side.

Every sample has its own key, fold_in(key, number): sample i is the same whatever its neighbours or the number of hosts.
A *clamp* gives some tokens and leaves the rest free: clamp nothing to play freely, the first bars to continue them, all
hits to humanize them.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from drumjax.codecs import ABSENT, Codec, field_slices
from drumjax.model import Model, Params
from drumjax.notes import Array, Context

# A clamp's token that the sampler chooses; ABSENT is chosen too, where the fields before it make the variable exist.
FREE = -2


class Request(NamedTuple):
    """What to sample. Every leaf is traced: none of them recompiles.

    number       [B] int32, the number of each sample, folded into the key
    context      Context [B]
    clamp        [B, T, F] int32, tokens given, FREE where the sampler chooses
    temperature  [fields] float32, >= 0; 0 takes the most likely value
    top_k        int32, keep only the k most likely values; 0 keeps all
    top_p        float32, in (0, 1]: keep the most likely values that together reach this probability
    """

    number: Array
    context: Context
    clamp: Array
    temperature: Array
    top_k: Array
    top_p: Array


class Samples(NamedTuple):
    """tokens [B, T, F] int32; nll [B, fields], nats of the chosen tokens under the model at temperature 1."""

    tokens: Array
    nll: Array


@dataclasses.dataclass(frozen=True)
class Controls:
    """How to choose values, validated on the host; see Request."""

    temperature: tuple[float, ...]
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self):
        for value in self.temperature:
            if not 0 <= value <= 10:
                raise ValueError(f"temperature is {value}; it must be in 0..10")
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}; it must be at least 0 (0 keeps all)")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; it must be above 0 and at most 1")


def free_clamp(batch: int, num_steps: int, codec: Codec) -> Array:
    """The clamp that gives nothing: [B, T, F]."""
    return jnp.full((batch, num_steps, sum(field.count for field in codec.fields)), FREE, jnp.int32)


@functools.lru_cache(maxsize=8)  # so that the next request of a run does not compile again
def make_sampler(model: Model, codec: Codec) -> Callable[[Params, Params, Array, Request], Samples]:
    """A compiled function (params, stats, key, request) -> Samples; compiled once per shape [B, T] of the clamp."""

    @jax.jit
    def sample(params: Params, stats: Params, key: Array, request: Request) -> Samples:
        batch, num_steps, _ = request.clamp.shape
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(request.number)
        scan_step = functools.partial(_step, model, codec, params, stats, keys, request)
        first = jnp.full(request.clamp[:, 0].shape, ABSENT, jnp.int32)
        steps = (jnp.arange(num_steps, dtype=jnp.int32), jnp.swapaxes(request.clamp, 0, 1))
        _, (tokens, nll) = jax.lax.scan(scan_step, (model.initial_carry(batch), first), steps)
        return Samples(jnp.swapaxes(tokens, 0, 1), jnp.sum(nll, axis=0))

    return sample


def _step(model, codec, params, stats, keys, request, loop, now):
    """One step of the scan: hears the previous tokens [B, F], chooses this step's, field after field."""
    carry, previous = loop
    step, clamp = now
    place = jax.vmap(lambda c: codec.place(c, step[None]))(request.context)
    hidden, carry, _ = model.apply(params, stats, previous[:, None], place, request.context, carry)
    keys = jax.vmap(lambda k: jax.random.fold_in(k, step))(keys)
    tokens, nll = jnp.full_like(previous, ABSENT), []
    for i, where in enumerate(field_slices(model.fields)):
        logits = model.head(params, i, hidden, tokens[:, None])[:, 0]
        field_keys = jax.vmap(lambda k, i=i: jax.random.fold_in(k, i))(keys)
        chosen = choose(field_keys, logits, request.temperature[i], request.top_k, request.top_p)
        exists = codec.present(i, tokens)
        given = clamp[:, where]
        # A given token cannot exist where the fields before it leave no room for it, nor be missing where they do.
        usable = (given != FREE) & (given != ABSENT)
        value = jnp.where(exists, jnp.where(usable, given, chosen), ABSENT)
        tokens = tokens.at[:, where].set(value)
        log_p = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.maximum(value, 0)[..., None], axis=-1)[..., 0]
        nll.append(-jnp.sum(jnp.where(exists, log_p, 0.0), axis=1))
    return (carry, tokens), (tokens, jnp.stack(nll, axis=1))


def choose(keys: Array, logits: Array, temperature: Array, top_k: Array, top_p: Array) -> Array:
    """One value [B, count] per variable from logits [B, count, size], with one key per row [B].

    By the Gumbel trick, argmax(logits + temperature * gumbel), which at temperature 0 is the most likely value.
    """
    narrowed = jax.lax.cond((top_k > 0) | (top_p < 1), _narrow, lambda x, *_: x, logits, temperature, top_k, top_p)
    gumbel = jax.vmap(lambda k: jax.random.gumbel(k, logits.shape[1:]))(keys)
    return jnp.argmax(narrowed + temperature * gumbel, axis=-1).astype(jnp.int32)


def _narrow(logits: Array, temperature: Array, top_k: Array, top_p: Array) -> Array:
    """The logits, -inf for values outside the top k, and outside the smallest set of probability top_p."""
    size = logits.shape[-1]
    order = jnp.argsort(-logits, axis=-1)
    rank = jnp.argsort(order, axis=-1)
    # The nucleus is that of the distribution sampled from (Holtzman et al. 2020), so the temperature comes first.
    ranked = jax.nn.softmax(jnp.take_along_axis(logits, order, axis=-1) / jnp.maximum(temperature, 1e-4))
    before = jnp.take_along_axis(jnp.cumsum(ranked, axis=-1) - ranked, rank, axis=-1)
    limit = jnp.where(top_k > 0, top_k, size)
    return jnp.where((rank < limit) & ((before < top_p) | (top_p >= 1)), logits, -jnp.inf)
