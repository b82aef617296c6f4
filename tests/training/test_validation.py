"""What an evaluation says, from known scores."""

import numpy as np
import pytest
from tiny import make_run, make_song

from drumjax.midi.reader import read_midi
from drumjax.models.scoring import Score
from drumjax.training import validation
from drumjax.training.validation import Validator

# Of two songs and three fields: 4 steps and 6, of which 2 and 3 have a hit.
SCORES = tuple(
    Score(*np.float32([nll, correct, count, count, correct]))
    for nll, correct, count in (
        ([4.0, 8.0], [1, 4], [4, 6]),
        ([3.0, 2.0], [1, 1], [2, 3]),
        ([1.0, 9.0], [2, 3], [2, 3]),
    )
)


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(validation, "make_song_scorer", lambda model, codec: lambda weights, batches: SCORES)
    return make_run()


def test_figures_are_by_step_and_by_variable_and_the_loss_is_weighted(run):
    figures = Validator(run, [make_song(0, 4)]).score(run.weights)
    assert run.settings.train.weights_of(["hits", "velocity", "offset"]) == pytest.approx([1, 0.1, 0.1])
    assert {name: round(value, 6) for name, value in figures.items()} == {
        "loss": round(1.2 + 0.1 * 0.5 + 0.1 * 1.0, 6),
        "nll/hits": 1.2, "nll_each/hits": 1.2, "accuracy/hits": 0.5,
        "nll/velocity": 0.5, "nll_each/velocity": 1.0, "accuracy/velocity": 0.4,
        "nll/offset": 1.0, "nll_each/offset": 2.0, "accuracy/offset": 1.0,
    }  # fmt: skip
    assert all(type(value) is float for value in figures.values())


def test_without_songs_there_are_no_figures(run):
    assert Validator(run, []).score(run.weights) == {}


def test_the_preview_is_four_bars_written_and_told(run, monkeypatch, tmp_path):
    asked = []

    def play(with_weights, key, pieces):
        asked.append((with_weights.weights, *pieces))
        return [make_song(1, 4, pitches=(36, 38))]

    monkeypatch.setattr(validation, "play", play)
    text = Validator(run, []).play("averaged", None, tmp_path / "samples" / "step_000001.mid")
    ((weights, piece),) = asked
    assert (weights, piece.controls.bars) == ("averaged", 4)
    assert len(read_midi(tmp_path / "samples" / "step_000001.mid").notes.pitch) > 4
    assert "BD|" in text
