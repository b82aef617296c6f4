"""The judges of controllability, on performances whose answers are known."""

import pytest
from bars import ROCK, TOMS, make_song
from tiny import CODEC, STYLES, make_model

from configs import default
from drumjax.config.settings import make_settings
from drumjax.music.grid_view import excerpt_of
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import FILL_NO
from drumjax.runs.run import Run
from drumjax.sampling.edits import TaskError
from drumjax.studies import controllability
from drumjax.studies.controllability import NUM_BARS, StyleClassifier


def test_a_style_is_known_by_its_hits(monkeypatch):
    monkeypatch.setattr(controllability, "MIN_EXCERPTS", 1)

    def song(bars, style):
        found = make_song(bars)
        return type(found)(found.notes, style=style, fill=FILL_NO)

    judge = StyleClassifier([song([ROCK] * NUM_BARS, "rock"), song([TOMS] * NUM_BARS, "tribal")], ROLAND_TD11)
    assert judge.styles == ["rock", "tribal"]
    for bars, style in ((ROCK, "rock"), (TOMS, "tribal")):
        assert judge.classify(excerpt_of(make_song([bars] * 2), ROLAND_TD11).hits) == style


def test_a_style_with_few_excerpts_is_not_judged():
    found = make_song([ROCK] * NUM_BARS)
    songs = [type(found)(found.notes, style="rock", fill=FILL_NO)]
    with pytest.raises(TaskError, match="no style has"):
        StyleClassifier(songs, ROLAND_TD11)


def test_what_a_model_is_never_told_is_not_asked_for():
    config = default.get_config()
    default.leave_out_parts(config)
    run = Run(make_settings(config.to_dict()), CODEC, make_model(), {}, {}, STYLES, step=1)
    remarks = [
        controllability.check_scale(run, "density", (2.0, 3.0), 2, 1.0)["remark"],
        controllability.check_all_styles(run, [], 2, (1.0,))[0]["remark"],
        controllability.check_fills(run, 2, 1.0)["remark"],
    ]
    assert remarks == [f"this model is never told of {name}" for name in ("density", "styles", "fills")]
