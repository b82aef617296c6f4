"""Programs as they are computed with bfloat16 operands, and what that costs a model."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from drumjax.config.data import DataSettings
from drumjax.data.datasets import load_dataset
from drumjax.models import recurrence
from drumjax.models.interface import LSTMState
from drumjax.runs.run import load_run
from drumjax.studies import rounding
from drumjax.studies.rounding import round_products, score_both_ways

X, W = np.random.default_rng(0).normal(size=(2, 5, 5)).astype(np.float32)


def rounded(x):
    return np.asarray(jnp.asarray(x).astype(jnp.bfloat16).astype(jnp.float32))


def test_operands_are_rounded_and_sums_are_not():
    for precision in (None, "highest"):  # whatever the program asks for
        product = round_products(functools.partial(jnp.dot, precision=precision))(X, W)
        np.testing.assert_allclose(product, rounded(X) @ rounded(W), rtol=1e-6, atol=1e-6)
        assert product.dtype == jnp.float32
    assert np.abs(rounded(product) - product).max() > 1e-3
    total = round_products(lambda x, w: {"sum": x + w, "whole": jnp.dot(jnp.int32([1, 2]), jnp.int32([3, 259]))})(X, W)
    np.testing.assert_array_equal(total["sum"], X + W)
    assert total["whole"] == 521


def test_products_in_loops_branches_and_calls_are_rounded():
    def scan(x, w):
        return jax.lax.scan(lambda x, _: (x @ w, None), x, None, length=2)[0]

    def loop(x, w):
        return jax.lax.while_loop(lambda carry: carry[0] < 2, lambda carry: (carry[0] + 1, carry[1] @ w), (0, x))[1]

    def branch(x, w):
        return jax.lax.cond(x[0, 0] > -9, lambda: jax.jit(jnp.dot)(x, w), lambda: x) @ w

    expected = rounded(rounded(X) @ rounded(W)) @ rounded(W)
    for function in (scan, loop, branch):
        np.testing.assert_allclose(round_products(function)(X, W), expected, rtol=1e-6, atol=1e-6)


def test_products_of_gradients_are_rounded():
    gradient = round_products(jax.grad(lambda w: (X @ w).sum()))(W)
    np.testing.assert_allclose(gradient, rounded(X).T @ np.ones((5, 5)), rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_the_recurrence_has_its_products_rounded_and_its_state_not():
    """Forward, where it is a function with a derivative of its own: one step by hand."""
    rng = np.random.default_rng(1)
    x, w_x, w_h, bias = (rng.normal(size=s).astype(np.float32) for s in ((1, 2, 3), (3, 16), (4, 16), (16,)))
    state = LSTMState(*rng.normal(size=(2, 2, 4)).astype(np.float32))
    outputs, last = round_products(recurrence.lstm_layer)(x, w_x, w_h, bias, state)
    i, f, g, o = np.split(rounded(x[0]) @ rounded(w_x) + rounded(state.hidden) @ rounded(w_h) + bias, 4, axis=-1)
    cell = jax.nn.sigmoid(f) * state.cell + jax.nn.sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(last.cell, cell, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs[0], jax.nn.sigmoid(o) * np.tanh(cell), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_rounding_costs_the_model_that_comes_along_next_to_nothing():
    """0.005 nats at most, on grooves that it was not trained on; and not nothing at all, so it is done."""
    run = load_run("rock")
    songs = [song for song in load_dataset(DataSettings(dataset="starter")).songs if song.split == "validation"]
    rows = score_both_ways(run, [song for song in songs if run.codec.accepts(song.beats_per_bar)][:16])
    assert [row["field"] for row in rows] == ["hits", "velocity", "offset"]
    for row in rows:
        assert float(row["cost"]) == pytest.approx(float(row["bfloat16"]) - float(row["float32"]), abs=2e-5)
        assert abs(float(row["cost"])) < 0.005
    assert any(float(row["cost"]) for row in rows)


@pytest.mark.slow
def test_a_training_is_compared_from_the_same_start(monkeypatch, tmp_path):
    """And from there the weights differ a little."""
    config = tmp_path / "small.py"
    config.write_text(
        "from configs import default, tiny\n\n\ndef get_config():\n    config = tiny.get_config()\n"
        "    default.leave_out_parts(config)\n    config.codec.expressive = False\n"
        "    config.model.hidden_size = config.model.embed_size = 8\n    config.model.num_layers = 1\n"
        "    config.train.num_steps = 4\n    config.train.batch_size = 8\n    return config\n"
    )
    sizes = []

    class Measure:
        """In the place of a Validator: the size of the weights for each field's nats."""

        def __init__(self, run, songs):
            self.fields = run.codec.fields

        def score(self, weights):
            sizes.append(float(optax.global_norm(weights.params)))
            return {f"nll_each/{field.name}": sizes[-1] for field in self.fields}

    monkeypatch.setattr(rounding, "Validator", Measure)
    rows = rounding.train_both_ways(config)
    assert [(row["what"], row["field"]) for row in rows] == [("trained, 4 steps", "hits")]
    assert 0 < abs(sizes[1] - sizes[0]) < 1e-3 * sizes[0]
