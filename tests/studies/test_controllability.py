"""The measures of controllability, on performances whose answers are known."""

import dataclasses

import pytest
from bars import ROCK, TOMS, make_song
from tiny import make_run

from drumjax.music.grid_view import excerpt_of
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import FILL_NO
from drumjax.studies import controllability
from drumjax.studies.command import StudyError
from drumjax.studies.controllability import NUM_BARS, StyleClassifier


def test_a_style_is_known_by_its_hits(monkeypatch):
    monkeypatch.setattr(controllability, "MIN_EXCERPTS", 1)

    def song(bars, style):
        found = make_song(bars)
        return type(found)(found.notes, style=style, fill=FILL_NO)

    classifier = StyleClassifier([song([ROCK] * NUM_BARS, "rock"), song([TOMS] * NUM_BARS, "tribal")], ROLAND_TD11)
    assert classifier.styles == ["rock", "tribal"]
    for bars, style in ((ROCK, "rock"), (TOMS, "tribal")):
        assert classifier.classify(excerpt_of(make_song([bars] * 2), ROLAND_TD11).hits) == style


def test_a_style_with_few_excerpts_is_left_out():
    found = make_song([ROCK] * NUM_BARS)
    songs = [type(found)(found.notes, style="rock", fill=FILL_NO)]
    with pytest.raises(StudyError, match="no style has"):
        StyleClassifier(songs, ROLAND_TD11)


def test_what_a_model_is_not_conditioned_on_is_not_asked_for():
    run = make_run()
    model = dataclasses.replace(run.settings.model, conditions=())
    run = dataclasses.replace(run, settings=dataclasses.replace(run.settings, model=model))
    remarks = [
        controllability.check_scale(run, "density", (2.0, 3.0), 2, 1.0)["remark"],
        controllability.check_all_styles(run, [], 2, (1.0,))[0]["remark"],
        controllability.check_fills(run, 2, 1.0)["remark"],
    ]
    assert remarks == [f"this model is not conditioned on {name}" for name in ("density", "styles", "fills")]
