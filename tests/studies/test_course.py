"""What is counted of pieces that were asked to change, on performances whose answers are known."""

import dataclasses

import numpy as np
import pytest
from bars import ROCK, TOMS, make_song
from tiny import make_run

from drumjax.codecs.factory import make_codec
from drumjax.config.controls import Controls
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import FILL_YES
from drumjax.studies import course
from drumjax.studies.command import StudyError
from drumjax.studies.controllability import NUM_BARS

HAT, RIDE = ([(beat, pitch) for beat in range(4)] for pitch in (42, 51))
BUSY = [*TOMS, (2, 43), (3, 43)]


@pytest.fixture
def run():
    """Of nine drums; no test of these lets it play."""
    run = make_run()
    return dataclasses.replace(run, codec=make_codec(run.settings.codec))


def pretend(monkeypatch, *songs):
    """Plays these, whatever is asked for; returns what was."""
    asked = []

    def play(run, num_samples, **flags):
        asked.append(flags)
        Controls(**{"bars": NUM_BARS, **flags})  # which are checked
        return list(songs)

    monkeypatch.setattr(course, "play", play)
    return asked


def test_fills_are_counted_apart(run, monkeypatch):
    song = make_song([ROCK, ROCK, ROCK, TOMS, ROCK, ROCK, ROCK, BUSY])
    asked = pretend(monkeypatch, song)
    row = course.check_fills(run, 1, {"density": 4.0})
    assert asked == [{"time_signature": "4/4", "fill": 4, "density": 4.0}]
    assert row["asked"] == "--density 4"
    assert row["hits in a fill"] == (len(TOMS) + len(BUSY)) / 2
    assert row["of at most 4"] == 0.5
    assert row["hits elsewhere"] == len(ROCK)


def test_people_s_fills(run):
    songs = [make_song([BUSY]), make_song([BUSY, TOMS])]
    row = course.check_people(songs, ROLAND_TD11)
    assert row["hits in a fill"] == pytest.approx((2 * len(BUSY) + len(TOMS)) / 3)
    assert row["of at most 4"] == pytest.approx(1 / 3)
    assert course.check_people([dataclasses.replace(songs[0], time_signature=(3, 4))], ROLAND_TD11) == {
        "asked": "people's"
    }


def test_a_crescendo_is_measured_bar_by_bar(run, monkeypatch):
    song = make_song([HAT] * NUM_BARS)
    bar = song.notes.onset_beat.astype(int) // 4
    wanted = np.linspace(40, 100, NUM_BARS)
    louder = song.notes._replace(velocity=np.rint(wanted + 10)[bar].astype(np.int32))
    pretend(monkeypatch, dataclasses.replace(song, notes=louder))
    row = course.check_crescendo(run, 1, "40-100")
    assert (row["bar 1"], row["bar 8"]) == (50, 110)
    assert row["off by"] == pytest.approx(10, abs=0.5)


def test_sections_have_a_row_each(run, monkeypatch):
    pretend(monkeypatch, make_song([HAT, ROCK, ROCK, RIDE]))
    rows = course.check_form(run, 1, "intro:1,verse:2,chorus:1:timekeeper=ride")
    assert [row["section"] for row in rows] == ["intro", "verse", "chorus"]
    assert [row["notes per beat"] for row in rows] == [1, len(ROCK) / 4, 1]
    assert [row["on the ride"] for row in rows][::2] == [0, 1]
    assert np.isnan(rows[1]["on the ride"])


def test_swing_is_measured(run, monkeypatch):
    swung = [(beat + place, 42) for beat in range(4) for place in (0, 2 / 3)]
    asked = pretend(monkeypatch, make_song([swung] * NUM_BARS))
    row = course.check_timing(run, 1, {"swing": 1.0})
    assert asked[0]["swing"] == 1
    assert row["swing"] == pytest.approx(2, abs=0.01)
    assert row["notes per beat"] == pytest.approx(2)
    assert course.name_of({"half_time": True}) == "--half_time"


def test_all_of_it_is_asked_of_a_model(run, monkeypatch):
    people = dataclasses.replace(make_song([TOMS]), fill=FILL_YES)
    monkeypatch.setattr(course, "load_dataset", lambda settings: type("Found", (), {"songs": [people]}))
    asked = pretend(monkeypatch, make_song([ROCK + HAT] * 17))
    found = course.answer(run, 1)
    assert len(asked) == len(course.FILLS) + len(course.CRESCENDOS) + 1 + len(course.TIMING)
    assert all(len(rows) > 1 for rows in found.values())
    assert "people's" in course.show(found)
    plain = dataclasses.replace(run, codec=dataclasses.replace(run.codec, expressive=False))
    with pytest.raises(StudyError, match="no velocity and timing"):
        course.answer(plain, 1)
