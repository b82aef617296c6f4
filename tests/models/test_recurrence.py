"""The fast recurrence against the formulas, in values and gradients."""

import functools
import re

import jax
import numpy as np
import pytest
from jax.test_util import check_grads
from tiny import make_module

from drumjax.models import recurrence
from drumjax.models.interface import LSTMState
from drumjax.models.recurrence import LSTMLayer, lstm_layer, lstm_layer_reference

# A backward pass of its own, as users have it compiled.
pytestmark = [pytest.mark.optimized, pytest.mark.slow]


def make_inputs(steps, batch, size, hidden, seed=0):
    """(x, w_x, w_h, bias, state) in float64."""
    rng = np.random.default_rng(seed)
    shapes = [(steps, batch, size), (size, 4 * hidden), (hidden, 4 * hidden), (4 * hidden,)]
    x, w_x, w_h, bias = (rng.normal(size=shape) for shape in shapes)
    return x, w_x, w_h / np.sqrt(hidden), bias, LSTMState(*rng.normal(size=(2, batch, hidden)))


def make_cotangents(steps, batch, hidden):
    """Of the outputs and of both states carried out."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(steps, batch, hidden)), LSTMState(*rng.normal(size=(2, batch, hidden)))


@functools.partial(jax.jit, static_argnums=0)
def values_and_gradients(layer, inputs, cotangents):
    values, backward = jax.vjp(layer, *inputs)
    return values, backward(cotangents)


def as_float32(tree):
    return jax.tree.map(np.float32, tree)


def assert_close(actual, expected, error):
    """Each array as a whole: the largest deviation relative to the largest value."""
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert a.shape == e.shape
        assert np.abs(np.asarray(a, np.float64) - e).max() <= error * np.abs(e).max()


@pytest.mark.parametrize(("steps", "batch", "size", "hidden"), [(7, 3, 5, 6), (1, 2, 3, 1), (2, 1, 1, 3)])
def test_values_and_gradients_are_those_of_the_formulas(steps, batch, size, hidden):
    """With cotangents on the outputs and on both states carried out, with respect to everything that goes in."""
    inputs, cotangents = make_inputs(steps, batch, size, hidden), make_cotangents(steps, batch, hidden)
    with jax.enable_x64(True):
        expected = values_and_gradients(lstm_layer_reference, inputs, cotangents)
        assert jax.tree.leaves(expected)[0].dtype == np.float64
        assert_close(values_and_gradients(lstm_layer, inputs, cotangents), expected, 1e-12)
        expected = jax.tree.map(np.asarray, expected)
    actual = values_and_gradients(lstm_layer, as_float32(inputs), as_float32(cotangents))
    assert jax.tree.leaves(actual)[0].dtype == np.float32
    assert_close(actual, expected, 1e-5)


@pytest.mark.parametrize("steps", [1, 7, 8, 19])
def test_steps_compiled_as_one_are_the_same(monkeypatch, steps):
    """As on a GPU, whatever the number of steps."""
    inputs, cotangents = make_inputs(steps, 2, 3, 4), make_cotangents(steps, 2, 4)
    monkeypatch.setattr(recurrence, "UNROLLED_ON", ("cpu",))
    with jax.enable_x64(True):
        expected = values_and_gradients(lstm_layer_reference, inputs, cotangents)
        actual = values_and_gradients(lambda *inputs: lstm_layer(*inputs), inputs, cotangents)
        assert_close(actual, expected, 1e-12)


def test_two_halves_with_carried_state_are_the_whole():
    x, *weights, state = as_float32(make_inputs(10, 2, 3, 5))
    layer = jax.jit(lstm_layer)
    outputs, last = layer(x, *weights, state)
    first, middle = layer(x[:5], *weights, state)
    second, end = layer(x[5:], *weights, middle)
    assert_close((np.concatenate([first, second]), end), (outputs, last), 1e-6)
    assert_close(last.hidden, outputs[-1], 0)


def test_batches_of_weights():
    """A population of layers with one vmap, gradients too."""
    population = [as_float32(make_inputs(7, 3, 5, 6, seed)) for seed in range(3)]
    cotangents = as_float32(make_cotangents(7, 3, 6))
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *population)
    together = jax.vmap(lambda i: values_and_gradients(lstm_layer, i, cotangents))(stacked)
    for row, inputs in enumerate(population):
        alone = values_and_gradients(lstm_layer, inputs, cotangents)
        assert_close(jax.tree.map(lambda leaf, row=row: leaf[row], together), alone, 1e-5)


def test_the_sequences_of_a_batch_do_not_mix():
    x, *weights, state = as_float32(make_inputs(5, 3, 2, 4))
    slope = jax.jit(jax.grad(lambda x: lstm_layer(x, *weights, state)[0][:, 1].sum()))(x)
    assert np.all(slope[:, 1])
    assert not np.any(slope[:, [0, 2]])


def test_initial_parameters():
    layer = make_module(LSTMLayer, 3, 5)
    assert layer.w_x[...].shape == (3, 20)
    for gate in np.split(np.asarray(layer.w_h[...]), 4, axis=1):
        np.testing.assert_allclose(gate @ gate.T, np.eye(5), atol=1e-5)
    assert layer.bias[...].tolist() == [0] * 5 + [1] * 5 + [0] * 10  # i, f, g, o: nothing is forgotten at first
    state = LSTMLayer.initial_state(2, 5)
    assert state.hidden.shape == state.cell.shape == (2, 5)
    assert not np.any(state)


def test_slopes_are_those_of_finite_differences():
    inputs = make_inputs(4, 2, 3, 5)
    with jax.enable_x64(True):
        check_grads(lstm_layer, inputs, order=1, modes=["rev"], eps=1e-5, atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize(("platform", "at_once"), [("cuda", 8), ("rocm", 8), ("tpu", 1), ("cpu", 1)])
def test_the_recurrence_is_that_of_the_platform_it_is_compiled_for(platform, at_once):
    """Not of the one it is traced on: gradients too, as plain loops and products, several steps as one on GPUs."""
    inputs, cotangents = as_float32(make_inputs(16, 3, 5, 6)), as_float32(make_cotangents(16, 3, 6))
    traced = jax.jit(lambda i, c: values_and_gradients(lstm_layer, i, c)).trace(inputs, cotangents)
    text, plain = (traced.lower(lowering_platforms=(name,)).as_text() for name in (platform, "cpu"))
    assert text.count("stablehlo.while") == 2
    assert "custom_call" not in text
    # A step is a function, which JAX 0.11 writes out wherever it is called.
    steps, one_by_one = (len(re.findall(r"call @closed_call\w*\(|stablehlo\.dot_general", t)) for t in (text, plain))
    assert steps - one_by_one == 2 * (at_once - 1)
