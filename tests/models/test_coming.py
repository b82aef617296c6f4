"""The hits to come: who hears them, how far, and that nothing is heard unless it is given."""

import jax
import jax.numpy as jnp
import numpy as np
from tiny import CODEC, make_bare_model, make_context, make_weights, random_tokens, stack

from drumjax.codecs.base import ABSENT
from drumjax.models.coming import hits_ahead
from drumjax.models.scoring import Example, place_of, score_tokens

MODEL = make_bare_model(coming_beats=2)  # four steps
NUM_STEPS = 8


def logits_of(ahead, tokens):
    """Per field [T, B, count, size] of steps that hear `ahead`, a whole of theirs."""
    return [np.asarray(x) for x in _logits_of(ahead, jnp.asarray(tokens))]


@jax.jit
def _logits_of(ahead, tokens):
    context = stack([make_context()] * len(tokens))
    place = place_of(CODEC, context, jnp.tile(jnp.arange(tokens.shape[1]), (len(tokens), 1)))
    previous = jnp.concatenate([jnp.full_like(tokens[:, :1], ABSENT), tokens[:, :-1]], axis=1)
    carry = MODEL.initial_carry(len(tokens))
    hidden, *_ = MODEL.apply(make_weights(MODEL), previous, place, context, carry, ahead=ahead)
    return [MODEL.head(make_weights(MODEL), i, hidden, tokens) for i in range(len(MODEL.fields))]


def test_a_window_ends_with_what_is_known():
    hits = np.asarray([[3, 5, 7], [1, 2, 4]])
    ahead = hits_ahead(hits, 2, np.asarray([True, False]))
    assert ahead.tolist() == [[5, 7, ABSENT, ABSENT], [ABSENT] * 4]


def test_expression_hears_the_next_steps_and_hits_do_not():
    tokens = random_tokens(0, 1, NUM_STEPS)
    tokens[..., 1:] = np.maximum(tokens[..., 1:], 0)
    ahead = np.asarray(hits_ahead(tokens[..., 0], 4, np.asarray([True])))
    base = logits_of(ahead, tokens)
    for place in range(ahead.shape[1]):  # place p is step p + 1
        other = ahead.copy()
        other[0, place] = (other[0, place] + 1) % 8
        hears = (np.arange(NUM_STEPS) <= place) & (np.arange(NUM_STEPS) > place - 4)
        for field, (one, two) in enumerate(zip(base, logits_of(other, tokens), strict=True)):
            differs = np.abs(one - two).max(axis=(1, 2, 3)) > 0
            np.testing.assert_array_equal(differs, hears & (field > 0))


def test_what_is_not_known_is_as_nothing():
    tokens = random_tokens(1, 2, NUM_STEPS)
    nothing = np.full((2, NUM_STEPS + 3), ABSENT)
    for one, two in zip(logits_of(nothing, tokens), logits_of(None, tokens), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_examples_that_hear_are_scored_with_what_comes():
    """Hits cost the same; velocity and offset do not; of the example that does not hear all is the same."""
    tokens = random_tokens(2, 2, NUM_STEPS)
    context = stack([make_context()] * 2)
    place = place_of(CODEC, context, jnp.tile(jnp.arange(NUM_STEPS), (2, 1)))

    @jax.jit
    def nats(hears):
        example = Example(tokens, tokens, place, context, hears=hears)
        return [s.nll for s in score_tokens(MODEL, make_weights(MODEL), example, MODEL.initial_carry(2))[0]]

    free, heard = nats(jnp.asarray([False, False])), nats(jnp.asarray([True, False]))
    np.testing.assert_allclose(free[0], heard[0], rtol=1e-6)
    for one, two in zip(free[1:], heard[1:], strict=True):
        assert abs(one[0] - two[0]) > 1e-4
        np.testing.assert_allclose(one[1], two[1], rtol=1e-6)
