"""The measures of controllability, on performances whose answers are known."""

import dataclasses

import numpy as np
import pytest
from bars import ROCK, TOMS, make_song
from tiny import make_run

from drumjax.codecs.grid import GridCodec
from drumjax.music.grid_view import excerpt_of
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import FILL_NO
from drumjax.studies import controllability
from drumjax.studies.command import StudyError
from drumjax.studies.controllability import NUM_BARS, Classifier, measure_songs


def test_a_style_is_known_by_its_hits(monkeypatch):
    monkeypatch.setattr(controllability, "MIN_EXCERPTS", 1)

    def song(bars, style):
        found = make_song(bars)
        return type(found)(found.notes, style=style, fill=FILL_NO)

    songs = [song([ROCK] * NUM_BARS, "rock"), song([TOMS] * NUM_BARS, "tribal")]
    classifier = Classifier(songs, ROLAND_TD11, lambda song: song.style)
    assert classifier.names == ["rock", "tribal"]
    for bars, style in ((ROCK, "rock"), (TOMS, "tribal")):
        assert classifier.classify(excerpt_of(make_song([bars] * 2), ROLAND_TD11).hits) == style


def test_a_style_with_few_excerpts_is_left_out():
    found = make_song([ROCK] * NUM_BARS)
    songs = [type(found)(found.notes, style="rock", fill=FILL_NO)]
    with pytest.raises(StudyError, match="none has"):
        Classifier(songs, ROLAND_TD11, lambda song: song.style)


def test_what_a_model_is_not_conditioned_on_is_not_asked_for():
    run = make_run()
    model = dataclasses.replace(run.settings.model, conditions=())
    run = dataclasses.replace(run, settings=dataclasses.replace(run.settings, model=model))
    remarks = [
        controllability.check_scale(run, "density", (2.0, 3.0), 2, 1.0)["remark"],
        *(controllability.check_all_names(run, [], name, 2, (1.0,))[0]["remark"] for name in ("style", "player")),
        controllability.check_fills(run, 2, 1.0)["remark"],
        controllability.check_timekeeper(run, 2, 1.0)["remark"],
    ]
    names = ("density", "style", "player", "fill", "timekeeper")
    assert remarks == [f"this model is not conditioned on {name}" for name in names]


def test_what_was_played_is_measured_as_in_training(monkeypatch):
    """Silent bars at the end count; a pretended model plays as it is asked."""
    rock, hats = [(0, 36), (1, 38), (3, 38)], [(beat, 42) for beat in range(4)]
    songs = [make_song([rock] * NUM_BARS), make_song([rock, []] * 2), make_song([rock + hats] * NUM_BARS)]
    found = measure_songs(songs, ROLAND_TD11)
    np.testing.assert_allclose(found.steadiness, [1, 4 / 7, 1])
    np.testing.assert_allclose(found.backbeat, [1, 2 / 8, 1])
    np.testing.assert_allclose(found.density, [3 / 4, 6 / 32, 7 / 4])
    assert found.timekeeper.tolist() == [4, 4, 1]

    def play(run, num_samples, *, backbeat=None, timekeeper="", **asked):
        bars = round(NUM_BARS * (backbeat or 0))
        pitch = {"hi-hat": 46, "ride": 51, "crash": 49}.get(timekeeper, 43)
        keeps = [(beat, pitch) for beat in range(4)]
        return [make_song([rock + keeps] * bars + [keeps] * (NUM_BARS - bars))] * num_samples

    monkeypatch.setattr(controllability, "play", play)
    codec = GridCodec(ROLAND_TD11)
    run = dataclasses.replace(make_run(), codec=codec)
    scale = controllability.check_scale(run, "backbeat", controllability.LEVELS["backbeat"], 2, 1.0)
    assert scale["rank_correlation"] == pytest.approx(1)
    assert scale["played"] == {"0": 0, "0.25": 0.25, "0.5": 0.5, "0.75": 0.75, "1": 1}
    keeps = controllability.check_timekeeper(run, 2, 1.0)
    assert (keeps["right"], keeps["unasked"]) == (1, {"hi-hat": 0, "ride": 0, "crash": 0, "none": 1})
