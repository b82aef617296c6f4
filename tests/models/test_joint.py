"""Drums that hear each other: all at once is one after another, and nobody hears who comes later."""

import jax.numpy as jnp
import numpy as np
from tiny import (
    CODEC,
    make_bare_model,
    make_context,
    make_model,
    make_module,
    make_teacher,
    make_weights,
    random_tokens,
    stack,
)

from drumjax.codecs.base import ABSENT, field_slices
from drumjax.models.joint import Joint, choose_kth

VELOCITY = CODEC.fields[1]
UNITS, WIDTH = 5, 6


def make_joint():
    return make_module(Joint, VELOCITY, WIDTH, UNITS)


def make_values(seed=0, shape=(4, 3)):
    return random_tokens(seed, *shape)[..., 1 : 1 + VELOCITY.count]


def test_all_at_once_is_one_after_another():
    joint, values = make_joint(), make_values()
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3, WIDTH)), jnp.float32)
    at_once = joint(x, values)
    exists = values != ABSENT
    units, seen = joint.begin(x[0]), 0
    for k in range(VELOCITY.count):
        chosen = choose_kth(exists[0], k)
        said = joint.say(units, chosen)
        for row, which in enumerate(np.asarray(chosen)):
            if which.any():
                np.testing.assert_allclose(said[row], at_once[0, row, which.argmax()], rtol=2e-5, atol=1e-6)
                seen += 1
        value = jnp.sum(jnp.where(chosen > 0, values[0], 0), axis=1)
        units = joint.hear(units, chosen, value)
    assert seen == exists[0].sum() > 0


def test_a_variable_hears_those_before_it_that_exist():
    joint = make_joint()
    x = jnp.ones((1, 1, WIDTH))
    values = np.asarray([[[2, 0, 3]]])
    base = joint(x, values)
    for changed in range(VELOCITY.count):
        other = values.copy()
        other[..., changed] = 1
        differs = np.abs(joint(x, other) - base).max(axis=(0, 1, 3)) > 0
        np.testing.assert_array_equal(differs, np.arange(VELOCITY.count) > changed)
    nobody = joint(x, np.full_like(values, ABSENT))
    np.testing.assert_allclose(nobody[0, 0, 0], base[0, 0, 0], rtol=1e-6)
    assert np.abs(nobody - base).max(axis=(0, 1, 3))[1:].min() > 0


def test_the_variables_that_exist_are_taken_in_order():
    exists = np.asarray([[True, False, True], [False, False, True], [False, False, False]])
    chosen = [np.asarray(choose_kth(exists, k)).astype(int).tolist() for k in range(2)]
    assert chosen == [[[1, 0, 0], [0, 0, 1], [0, 0, 0]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]]


def test_drums_of_a_step_hear_each_other_in_a_model_that_has_units():
    """The offset of the first drum changes those of the others, in its own step; without units it does not."""
    tokens = random_tokens(0, 1, 6)
    tokens[..., 0] = 7
    tokens[..., 1:] = np.maximum(tokens[..., 1:], 0)
    other = tokens.copy()
    offsets = field_slices(CODEC.fields)[2]
    other[:, 2, offsets.start] = (other[:, 2, offsets.start] + 1) % 4
    context = stack([make_context()])
    for units, is_heard in ((4, True), (0, False)):
        model = make_bare_model(joint_units=units)
        logits, changed = (make_teacher(model)(make_weights(model), some, context)[2][:, 2] for some in (tokens, other))
        differs = np.abs(logits - changed).max(axis=(0, 2)) > 0
        assert differs.tolist() == [False, is_heard, is_heard]


def test_a_folded_model_hears_the_same():
    model = make_model(joint_units=4, coming_beats=2)
    weights, tokens, context = make_weights(model), random_tokens(1, 2, 8), stack([make_context()] * 2)
    plain, folded = model.fold(weights)
    pairs = make_teacher(model)(weights, tokens, context), make_teacher(plain)(folded, tokens, context)
    for one, other in zip(*pairs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)
