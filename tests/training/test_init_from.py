"""Starting from another run: the same weights, styles by name, and a clear line where it does not fit."""

import dataclasses
import logging

import jax
import numpy as np
import pytest
from tiny import PLAYERS, STYLES, make_model, make_weights

from configs import default
from drumjax.config.settings import make_settings
from drumjax.runs.run import Run
from drumjax.runs.workdir import RunError
from drumjax.training import init_from
from drumjax.training.init_from import load_initial


@pytest.fixture
def run(monkeypatch) -> Run:
    settings = make_settings(default.get_config().to_dict())
    model = make_model(num_layers=1)
    found = Run(settings, None, model, make_weights(model), STYLES, step=7, players=PLAYERS)  # type: ignore[arg-type]
    monkeypatch.setattr(init_from, "load_run", lambda path: found)
    return found


def tables(weights):
    """All that is by style, styles first."""
    return [np.asarray(weights.params["context"]["style"]["embedding"]), np.asarray(weights.params["beginning"])]


def test_styles_are_matched_by_name(run, caplog):
    caplog.set_level(logging.INFO, logger="drumjax")
    weights = load_initial("there", run.settings, ("", "rock", "salsa", "jazz"))
    rows = [0, STYLES.index("rock"), 0, STYLES.index("jazz")]
    for new, old in zip(tables(weights), tables(run.weights), strict=True):
        np.testing.assert_array_equal(new, old[rows])
    assert "there does not know salsa" in caplog.text
    assert "starting from there, step 7" in caplog.text


def test_players_are_matched_by_name(run, caplog):
    caplog.set_level(logging.INFO, logger="drumjax")
    weights = load_initial("there", run.settings, STYLES, ("", "somebody", PLAYERS[-1]))
    for name in ("context", "player_beginning"):
        new, old = weights.params[name], run.weights.params[name]
        new, old = (x["player"]["embedding"] if name == "context" else x for x in (new, old))
        np.testing.assert_array_equal(new, np.asarray(old)[[0, 0, len(PLAYERS) - 1]])
    assert "there does not know somebody" in caplog.text


def test_everything_else_is_as_it_was(run):
    weights = load_initial("there", run.settings, STYLES, PLAYERS)
    jax.tree.map(np.testing.assert_array_equal, weights, run.weights)


@pytest.mark.parametrize(
    ("group", "name", "value"), [("model", "hidden_size", 9), ("codec", "steps_per_beat", 12), ("model", "skip", False)]
)
def test_another_architecture_is_explained(run, group, name, value):
    changed = dataclasses.replace(getattr(run.settings, group), **{name: value})
    with pytest.raises(RunError, match=rf"init_from=there .*{group}\.{name}"):
        load_initial("there", dataclasses.replace(run.settings, **{group: changed}), STYLES)
