"""Syncopation against sums done by hand, in the weights of the papers."""

import numpy as np
import pytest
from bars import line

from drumjax.evaluate.features.syncopation import longuet_higgins_lee, witek

ON_THE_BEAT = "x---x---x---x---|"
OFF_BEAT = "--x---x---x---x-|"
SILENT = "----------------|"


@pytest.mark.parametrize(
    ("text", "strength"),
    [
        (ON_THE_BEAT * 2, 0),
        (SILENT, 0),
        ("x---------------|" * 2, 0),
        # Rests on beats 2, 3, 4 after 8ths: 1 + 2 + 1 in each bar, and 3 over the bar line.
        (OFF_BEAT * 2, (4 + 3 + 4) / 2),
        # The last 16th, then a silent bar: 0 - (-4).
        ("x--------------x|" + SILENT, 4 / 2),
        # A 16th before beat 3, beat 3 silent: -1 - (-4); beat 4 sounds.
        ("x------x----x---|", 3),
        # The note on beat 3 is as strong as the bar needs: no syncopation.
        ("x-------x-------|", 0),
    ],
)
def test_longuet_higgins_and_lee(text, strength):
    assert longuet_higgins_lee(line(text)) == strength


@pytest.mark.parametrize(
    ("kick", "snare", "cymbals", "strength"),
    [
        # Everything on the beat, the hi-hat in 8ths: the kick's next step is weaker.
        ("x-------x-------", "----x-------x---", "x-x-x-x-x-x-x-x-", 0),
        # A kick on the 16th before 2, where snare and hi-hat answer: -1 + 3, and 2 for the streams.
        ("x--x----x-------", "----x-------x---", "x-x-x-x-x-x-x-x-", 4),
        # The same, where only the hi-hat answers: -1 + 3 + 5.
        ("x--x----x-------", "------------x---", "x-x-x-x-x-x-x-x-", 7),
        # A snare on the last 16th, before kick and hi-hat on 1: 0 + 3, and 1 for the streams.
        ("x-------x-------", "----x----------x", "x-x-x-x-x-x-x-x-", 4),
        # A kick on the 8th before 3, and silence from there to the hi-hat on 1: -1 + 2 + 6.
        ("------x---------", "----------------", "x-x-x-x---------", 7),
        # Nothing but a kick on the last 16th: 3 to the silent 1, and 6.
        ("---------------x", "----------------", "----------------", 9),
    ],
)
def test_witek(kick, snare, cymbals, strength):
    assert witek(line(kick), line(snare), line(cymbals)) == strength


def test_strengths_are_per_bar():
    bar = line("x--x----x-------"), line("----x-------x---"), line("x-x-x-x-x-x-x-x-")
    assert witek(*(np.concatenate([part] * 3) for part in bar)) == witek(*bar)
