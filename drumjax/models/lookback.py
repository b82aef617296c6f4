"""What a model remembers of the tokens before, and how it finds those of some time ago.

A step is found by *when* it was, not by how many steps ago: on a grid that is the same, but where a step is a note,
nobody knows how many notes a bar ago is. Of several steps at one tick (a chord of notes) the first looks back to the
first that was at that time or after, the second to the one after that, and so on.
"""

import jax
import jax.numpy as jnp

from drumjax.codecs.base import ABSENT, Place
from drumjax.models.interface import History
from drumjax.music.notes import Array

# The tick of what was before the beginning.
NEVER = -(2**31)
LAST = 2**31 - 1


def empty_history(batch: int, size: int, num_variables: int) -> History:
    """The history of a sequence that has not begun."""
    return History(
        tokens=jnp.full((batch, size, num_variables), ABSENT, jnp.int32),
        tick=jnp.full((batch, size), NEVER, jnp.int32),
        oldest=jnp.int32(0),
        now=jnp.full(batch, NEVER, jnp.int32),
    )


def recall(history: History, previous: Array, place: Place) -> tuple[Array, History]:
    """Tokens of the lookback places [B, T, L, F], and the history that the next steps look back to.

    previous [B, T, F] is the token before each step. What was never there, or is forgotten, is ABSENT.
    """
    began = jnp.concatenate([history.now[:, None], place.tick[:, :-1]], axis=1)
    if previous.shape[1] == 1:
        return _recall_one(history, previous, began, place)
    return _recall_many(history, previous, began, place)


def _recall_one(history: History, previous: Array, began: Array, place: Place) -> tuple[Array, History]:
    """In place: to shift the ring at every step of sampling would be to copy it.

    The ring holds its tokens in no order: with 4 places, after the steps of ticks 0, 1, ..., 5 it holds those of ticks
    4 5 2 3, and `oldest` is 2. The *age* of a token counts from the oldest: tick 2 has age 0, tick 5 age 3, and a
    token of age a lies at (oldest + a) % size.
    """
    size = history.tick.shape[1]
    tokens = jax.lax.dynamic_update_slice(history.tokens, previous, (0, history.oldest, 0))
    tick = jax.lax.dynamic_update_slice(history.tick, began, (0, history.oldest))
    oldest = (history.oldest + 1) % size
    now = place.tick[:, 0]
    when = now[:, None] - place.lookback[:, 0]
    # The ring is in no order, but to count what was earlier needs none. `rank` is how many tokens began at this very
    # tick already (notes of a chord): the second note of a chord looks back to the second of the chord it finds.
    rank = size - jnp.sum(tick < now[:, None], axis=1)
    # As many tokens began before `when` as the one that is looked for has before it.
    age = jnp.sum(tick[:, None] < when[..., None], axis=2) + rank[:, None]
    begin = jnp.min(jnp.where(tick == NEVER, LAST, tick), axis=1)
    known = (age < size) & (when >= _known_from(tick[:, oldest], begin)[:, None])
    found = jax.vmap(lambda ring, at: ring[at])(tokens, (oldest + age) % size)
    return jnp.where(known[..., None], found, ABSENT)[:, None], History(tokens, tick, oldest, now)


def _recall_many(history: History, previous: Array, began: Array, place: Place) -> tuple[Array, History]:
    """The same for T steps at once: what is remembered, put in order, and then the tokens of these steps."""
    num_steps, size = previous.shape[1], history.tick.shape[1]
    tokens = jnp.concatenate([jnp.roll(history.tokens, -history.oldest, axis=1), previous], axis=1)
    tick = jnp.concatenate([jnp.roll(history.tick, -history.oldest, axis=1), began], axis=1)
    when = place.tick[..., None] - place.lookback
    count = size + 1 + jnp.arange(num_steps, dtype=jnp.int32)  # tokens known at each step
    rank = count[None] - jax.vmap(jnp.searchsorted)(tick, place.tick).astype(jnp.int32)
    at = jax.vmap(jnp.searchsorted)(tick, when).astype(jnp.int32) + rank[..., None]
    begin = jnp.min(jnp.where(tick == NEVER, LAST, tick), axis=1, keepdims=True)
    # What one step at a time would have forgotten is forgotten here too.
    edge = _known_from(tick[:, 1 : num_steps + 1], begin)
    known = (at < count[None, :, None]) & (when >= edge[..., None])
    found = jax.vmap(lambda all_known, index: all_known.at[index].get(mode="clip"))(tokens, at)
    kept = History(tokens[:, num_steps:], tick[:, num_steps:], jnp.int32(0), place.tick[:, -1])
    return jnp.where(known[..., None], found, ABSENT), kept


def _known_from(oldest: Array, begin: Array) -> Array:
    """From which tick on all tokens are remembered, given when the oldest of them began, and the first ever.

    Of those that began with the oldest, some may be forgotten, unless nothing is.
    """
    return jnp.where(oldest == NEVER, begin, oldest + 1)
