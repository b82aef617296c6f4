"""Rolls are found, written down and measured; and a model's are played."""

import dataclasses

import numpy as np
import pytest
from bars import make_song
from tiny import make_bare_model, make_run

from drumjax.config.data import DataSettings
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import make_notes
from drumjax.studies import rolls
from drumjax.studies.command import StudyError

ROLL = [(1 + i / 8 + 0.01 * (i % 2), 38, 90 - 20 * (i % 2)) for i in range(6)]
BAR = [(0, 36, 100), *ROLL, (3, 38, 80)]


def song(num_bars=4, **known):
    return make_song([BAR] * num_bars, style="rock", split="validation", **known)


def test_a_roll_is_of_strokes_that_are_near_and_no_flam():
    (found,) = rolls.find_rolls(song(1), ROLAND_TD11)
    assert song(1).notes.velocity[found].tolist() == [90, 70] * 3
    flams = make_song([[(beat + gap, 38) for beat in range(4) for gap in (0, 0.04)]])
    assert rolls.find_rolls(flams, ROLAND_TD11) == []
    three = make_song([BAR[:4]])
    assert rolls.find_rolls(three, ROLAND_TD11) == []


def test_rolls_are_described():
    found = rolls.describe_rolls([song(2)], ROLAND_TD11)
    assert (found["rolls"], found["strokes"], found["velocity"]) == (2, 6, 80)
    assert (found["change of velocity"], found["of at most 1"]) == (20, 0)
    assert found["second of a 16th"] == pytest.approx(np.log(9 / 7))  # on 1.24 and 1.385, say, are 90 and 70
    assert found["spacing, ms"] == pytest.approx(0.01 * 500 * np.std([1, -1, 1, -1, 1]), rel=0.01)
    assert rolls.describe_rolls([make_song([[(0, 36)]])], ROLAND_TD11) == {"rolls": 0}


def test_what_is_written_lies_on_its_place_and_is_equally_loud():
    written = rolls.write_down(song(1))
    assert set(written.notes.velocity.tolist()) == {rolls.VELOCITY}
    assert written.notes.onset_beat.tolist() == [0, *(1 + i / 8 for i in range(6)), 3]
    met = dataclasses.replace(song(1), notes=make_notes([1.0, 1.01, 1.0], [0.1] * 3, [38, 38, 36], [90, 80, 70]))
    assert len(rolls.write_down(met).notes.pitch) == 2


def test_stretches_begin_at_beat_0_and_those_with_most_strokes_come_first():
    plain = make_song([[(0, 36)]] * 8, split="validation")
    busy = make_song([[(0, 36)]] * 4 + [BAR] * 4, split="validation")
    found = rolls.find_stretches([plain, make_song([BAR] + [[(0, 36)]] * 3), busy], ROLAND_TD11, 9)
    assert [len(rolls.find_rolls(stretch, ROLAND_TD11)) for stretch in found] == [4, 1]
    assert found[0].notes.onset_beat.min() == 0


@pytest.mark.slow
def test_a_model_s_rolls_have_a_row(monkeypatch):
    run = make_run(make_bare_model())
    settings = dataclasses.replace(run.settings, data=DataSettings())
    songs = [song()]
    monkeypatch.setattr(rolls, "load_dataset", lambda settings: type("Found", (), {"songs": songs}))
    monkeypatch.setattr(rolls, "PERFORMANCES", 1)
    found = rolls.answer(dataclasses.replace(run, settings=settings), 1)
    assert [row["player"] for row in found][1:3] == ["the drummers", "as it is written"]
    assert found[0] == {"player": "others, of the training split", "rolls": 0}
    assert found[2]["change of velocity"] == 0
    assert found[-1]["player"] == "the model, spread 1"
    assert found[-1].get("change of velocity", 1) > 0
    songs[:] = [make_song([[(0, 36)]] * 4, split="validation")]
    with pytest.raises(StudyError, match="no held-out performance has a roll"):
        rolls.answer(run, 1)
