"""How well a model predicts tokens: negative log-likelihoods of every field, in nats."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from drumjax.codecs.base import ABSENT, Codec, Place, field_slices
from drumjax.models.coming import hits_ahead
from drumjax.models.interface import Carry, Memory, Noise, Params, Weights
from drumjax.models.model import Model
from drumjax.music.notes import Array, Context


class Example(NamedTuple):
    """Sequences to learn from.

    tokens   [B, T, F] int32, what is predicted
    inputs   [B, T, F] int32, what later steps see of them: the same, but for what is hidden from the example
    place    [B, T, ...] of the steps
    context  [B]
    memory   what came before step 0; None where nothing did
    hears    [B] bool, whether velocity and timing hear the hits to come; None: none does
    """

    tokens: Array
    inputs: Array
    place: Place
    context: Context
    memory: Memory | None = None
    hears: Array | None = None


class Score(NamedTuple):
    """Sums over the variables of one field that exist; divide by `count` for means, add up for more sequences."""

    nll: Array  # nats
    correct: Array  # variables whose most likely value is the true one
    count: Array  # type: ignore[assignment]  # a tuple would have a method of that name
    events: Array  # variables whose value is not a rest
    events_correct: Array


def score_tokens(
    model: Model,
    weights: Weights,
    example: Example,
    carry: Carry,
    noise: Noise | None = None,
    axis: str | None = None,
    first: Array | None = None,
) -> tuple[tuple[Score, ...], Carry, Params]:
    """Scores of every field, each summed over steps and variables: [B]; the carry after the last step; new stats.

    first [B, F] is the token before the first step; without it the sequences start here.
    """
    if first is None:
        first = jnp.full_like(example.inputs[:, 0], ABSENT)
    previous = jnp.concatenate([first[:, None], example.inputs[:, :-1]], axis=1)
    ahead = None
    if model.steps_ahead and example.hears is not None:
        ahead = hits_ahead(example.tokens[..., 0], model.steps_ahead, example.hears)
    hidden, carry, stats = model.apply(weights, previous, example.place, example.context, carry, noise, axis, ahead)
    scores = []
    for i, where in enumerate(field_slices(model.fields)):
        logits = model.head(weights, i, hidden, example.tokens)
        scores.append(_score(logits, jnp.swapaxes(example.tokens[..., where], 0, 1), model.fields[i].rest))
    return tuple(scores), carry, stats


def _score(logits: Array, target: Array, rest: int | None) -> Score:
    """logits [T, B, count, size], target [T, B, count] -> sums [B]."""
    exists = target != ABSENT
    value = jnp.maximum(target, 0)
    nll = cross_entropy(logits, value)
    correct = exists & (jnp.argmax(logits, axis=-1) == value)
    is_event = exists if rest is None else exists & (target != rest)
    columns = jnp.where(exists, nll, 0.0), correct, exists, is_event, correct & is_event
    return Score(*(jnp.sum(column, axis=(0, 2)) for column in columns))


@jax.custom_vjp
def cross_entropy(logits: Array, value: Array) -> Array:
    """-log softmax(logits)[value]: logits [..., size], value [...] int32 -> [...].

    The backward pass keeps the logits and one number per row, and makes softmax - onehot from them in one go. JAX's
    own derivative also keeps the exponentials, as large as the logits, and adds the onehot by a scatter.
    """
    return _cross_entropy_forward(logits, value)[0]


def _cross_entropy_forward(logits, value):
    total = jax.nn.logsumexp(logits, axis=-1)
    chosen = jnp.take_along_axis(logits, value[..., None], axis=-1)[..., 0]
    return total - chosen, (logits, value, total)


def _cross_entropy_backward(saved, slope):
    logits, value, total = saved
    is_chosen = jax.lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1) == value[..., None]
    return slope[..., None] * (jnp.exp(logits - total[..., None]) - is_chosen), None


cross_entropy.defvjp(_cross_entropy_forward, _cross_entropy_backward)


def place_of(codec: Codec, context: Context, tick: Array) -> Place:
    """Places of the steps that begin at tick [B, T], for a batch of contexts [B]."""
    return jax.vmap(codec.place)(context, tick)
