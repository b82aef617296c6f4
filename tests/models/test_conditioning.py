"""What a model is told: measured rightly, and hidden as often as it should be."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import CODEC, make_context, random_tokens

from drumjax.codecs.base import ABSENT, field_slices
from drumjax.models.conditioning import drop_controls, hide, hide_history, measure
from drumjax.music.notes import Notes, Window

# All of it is known.
CONTEXT = make_context()._replace(
    density=np.float32(3), dynamics=np.float32(70), steadiness=np.float32(0.5), backbeat=np.float32(1),
    timekeeper=np.int32(2), player=np.int32(1),
)  # fmt: skip
WITHHELD = ("density", "dynamics", "steadiness", "backbeat", "timekeeper", "player")
HIDDEN = ("style", "tempo_bpm", "metre", "fill", *WITHHELD)
# Parts of the context that say what is played; the metre and the tempo say in what.
ASKED = ("style", "fill", *WITHHELD)


def make_window(onset, velocity, mask, num_beats) -> Window:
    size = len(onset)
    columns = (onset, np.full(size, 0.1), np.full(size, 36), velocity, mask)
    dtypes = (np.float32, np.float32, np.int32, np.int32, bool)
    notes = Notes(*(np.asarray(c, d) for c, d in zip(columns, dtypes, strict=True)))
    return Window(notes, make_context(), np.float32(num_beats))


def test_density_and_dynamics_are_those_of_the_notes_inside():
    window = make_window([0, 1, 2, 3, 5, 6], [10, 20, 30, 100, 1, 127], [1, 1, 1, 0, 1, 1], 5)
    context = measure(window, None, 8).context
    assert context.density == pytest.approx(3 / 5)
    assert context.dynamics == pytest.approx(20)


def test_of_silence_nothing_is_known():
    context = measure(make_window([0], [64], [0], 4), None, 8).context
    assert (context.density, context.dynamics) == (0, 0)


@pytest.mark.parametrize(("rate", "measured_rate"), [(0.0, 0.0), (0.1, 0.5), (1.0, 1.0)])
def test_parts_are_hidden_at_their_odds(rate, measured_rate):
    keys = jax.random.split(jax.random.key(0), 4000)
    hidden = jax.vmap(lambda key: hide(key, CONTEXT, jnp.float32(rate), jnp.float32(measured_rate)))(keys)
    measured = measured_rate + (1 - measured_rate) * 0.25
    for name in HIDDEN:
        values = np.asarray(getattr(hidden, name))
        assert set(values.tolist()) <= {0, np.asarray(getattr(CONTEXT, name)).item()}
        assert np.mean(values == 0) == pytest.approx(measured if name in WITHHELD else rate, abs=0.03)
    for one, other in itertools.pairwise(WITHHELD):
        both = np.mean((np.asarray(getattr(hidden, one)) == 0) & (np.asarray(getattr(hidden, other)) == 0))
        assert both == pytest.approx(measured_rate + (1 - measured_rate) / 16, abs=0.03)
    np.testing.assert_array_equal(hidden.beats_per_bar, CONTEXT.beats_per_bar)


@pytest.mark.parametrize("rates", [(0.0, 0.0, 0.0), (0.0, 0.1, 0.5), (1.0, 1.0, 1.0)])
def test_the_history_of_a_field_is_hidden_at_its_odds(rates):
    tokens = random_tokens(0, 8)
    keys = jax.random.split(jax.random.key(0), 2000)
    inputs = jax.vmap(lambda key: hide_history(key, CODEC.fields, tokens, jnp.asarray(rates)))(keys)
    for where, rate in zip(field_slices(CODEC.fields), rates, strict=True):
        there, known = np.asarray(inputs)[..., where], tokens[:, where]
        is_hidden = np.all(there == ABSENT, axis=(1, 2))  # of a whole example, or not at all
        assert np.all(there[~is_hidden] == known)
        assert is_hidden.mean() == pytest.approx(rate, abs=0.03)


def test_what_was_asked_for_is_dropped_and_no_more():
    left = drop_controls(CONTEXT)
    for name in CONTEXT._fields:
        assert getattr(left, name) == (0 if name in ASKED else getattr(CONTEXT, name))
