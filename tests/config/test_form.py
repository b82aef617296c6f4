"""Forms as text: read, or refused."""

import pytest

from drumjax.config.control import ControlError
from drumjax.config.controls import Controls
from drumjax.config.form import KINDS, Section, count_form_bars, is_form, parse_form


def test_a_form_is_its_sections():
    form = "intro:4, verse:8:density=3:timekeeper=ride,fill:1,chorus:8:dynamics=100"
    assert parse_form(form) == [
        Section("intro", 4, {}),
        Section("verse", 8, {"density": 3.0, "timekeeper": "ride"}),
        Section("fill", 1, {}),
        Section("chorus", 8, {"dynamics": 100.0}),
    ]
    assert count_form_bars(form) == 21
    assert parse_form("fill:1")[0].kind.is_fill
    assert KINDS["chorus"].density > 1 > KINDS["break"].density


def test_no_form_asks_for_nothing():
    assert is_form("")
    assert count_form_bars("") == 0


@pytest.mark.parametrize(
    "text",
    ["verse", "verse:0", "verse:-1", "refrain:4", "verse:4,", "verse:4:density", "verse:4:density=much",
     "verse:4:density=0", "verse:4:dynamics=200", "verse:4:timekeeper=bongo", "verse:4:swing=1", "verse:1.5"],
)  # fmt: skip
def test_what_is_no_form_is_refused(text):
    assert not is_form(text)
    with pytest.raises(ControlError, match="it must be sections with their bars"):
        Controls(form=text)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"form": "verse:4", "bars": 8}, "form has 4 bars, and bars is 8; leave bars out"),
        ({"form": "verse:8", "crescendo": "40-100"}, "form and crescendo"),
        ({"form": "verse:8", "num_notes": 9}, "num_notes"),
        ({"crescendo": "40-100", "num_notes": 9}, "num_notes"),
        ({"crescendo": "40"}, "crescendo is '40'; it must be two mean velocities"),
        ({"crescendo": "0-100"}, "crescendo is"),
        ({"fill": 4, "fill_bars": 5}, "fill_bars is 5; of every 4 bars it can be 4 at most"),
        ({"fill_bars": 2}, "fill_bars and fill_intensity are about fills"),
        ({"fill_intensity": 0.5, "form": "verse:8"}, "fill_bars and fill_intensity are about fills"),
        ({"half_time": True, "double_time": True}, "half_time and double_time"),
        ({"half_time": True, "bpm": 30.0}, "bpm is 30; at 0.5 times the speed it must be in 40..800"),
        ({"without": "crash", "only": "kick"}, "without and only"),
        ({"swing": 0.5, "time_signature": "6/8"}, "swing is for metres of quarter notes"),
        ({"swing": 1.5}, "swing is 1.5; it must be in 0..1"),
        ({"balance": "kick"}, "balance is 'kick'; it must be velocities by drum"),
        ({"balance": "kick=200"}, "balance"),
    ],
)
def test_what_does_not_go_together_is_refused(asked, message):
    with pytest.raises(ControlError, match=message):
        Controls(**asked)
