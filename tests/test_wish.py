"""Wishes from the command line: what goes together, and one line for what does not."""

import dataclasses

import pytest
from tiny import CODEC, STYLES, make_model, make_song

from configs import default
from drumjax.config.settings import make_settings
from drumjax.runs.run import Run
from drumjax.sampling.edits import TaskError
from drumjax.sampling.piece import Groove
from drumjax.sampling.plan import Wish

SONG = make_song(0, 4)
GROOVE = Groove(4, 120.0, "", "4/4")
RUN = Run(make_settings(default.get_config().to_dict()), CODEC, make_model(), {}, {}, STYLES, step=1)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"prompt": "a", "vary": "b"}, "--prompt and --vary do not go together"),
        ({"add": ("ride",)}, "--add needs --to"),
        ({"infill": "1-2"}, "--infill needs --to"),
        ({"to": "a"}, "--to goes with --add or --infill"),
        ({"to": "a", "humanize": "b"}, "--to goes with --add or --infill"),
    ],
)
def test_flags_that_do_not_go_together(flags, reason):
    with pytest.raises(TaskError, match=reason):
        Wish(**flags)


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"prompt": "a"}, "continue"),
        ({"humanize": "a"}, "humanize"),
        ({"vary": "a"}, "vary"),
        ({"add": ("hat",), "to": "a"}, "add"),
        ({"infill": "2", "to": "a"}, "infill"),
        ({"infill": "2-3", "to": "a"}, "infill"),
    ],
)
def test_each_wish_is_a_task(flags, name):
    wish = Wish(**flags)
    assert wish.path == "a"
    assert wish.task(SONG, GROOVE, RUN).name == name


def test_no_wish_needs_no_music():
    assert Wish().path == ""


def test_a_prompt_is_followed_by_something():
    wish = Wish(prompt="a.mid")
    assert wish.num_bars(SONG, None, 8) == 12
    assert wish.num_bars(SONG, 5, 8) == 5
    with pytest.raises(TaskError, match=r"a.mid has 4 bars, .* --bars=12"):
        wish.num_bars(SONG, 4, 8)


def test_other_music_has_the_bars_it_has():
    wish = Wish(humanize="a.mid")
    assert wish.num_bars(SONG, None, 8) == wish.num_bars(SONG, 4, 8) == 4
    with pytest.raises(TaskError, match=r"a.mid has 4 bars; --bars goes with --prompt"):
        wish.num_bars(SONG, 8, 8)


def test_humanizing_has_a_spread_of_its_own():
    sample = dataclasses.replace(RUN.settings.sample, humanize_spread=0.3, guidance=2.0)
    run = dataclasses.replace(RUN, settings=dataclasses.replace(RUN.settings, sample=sample))
    given = Wish(humanize="a.mid").sample_settings(run)
    assert given == dataclasses.replace(sample, spread=0.3, guidance=1.0)
    assert Wish(vary="a.mid").sample_settings(run) == Wish().sample_settings(run) == sample


def test_who_humanizes_does_not_hear_what_it_learned_to_do_without():
    train = dataclasses.replace(RUN.settings.train, history_dropout="offset=0.25,velocity=0")
    run = dataclasses.replace(RUN, settings=dataclasses.replace(RUN.settings, train=train))
    assert Wish(humanize="a.mid").task(SONG, GROOVE, run).unheard == ("offset",)
    assert Wish(humanize="a.mid").task(SONG, GROOVE, RUN).unheard == ()
    assert Wish(vary="a.mid").task(SONG, GROOVE, run).unheard == ()


@pytest.mark.parametrize("infill", ["a", "-2", "2-b", "1.5"])
def test_bars_are_numbers(infill):
    with pytest.raises(TaskError, match="such as 5-6"):
        Wish(infill=infill, to="a").task(SONG, GROOVE, RUN)


def test_bars_that_do_not_fit_the_steps():
    with pytest.raises(TaskError, match="do not fit"):
        Wish(vary="a").task(make_song(0, 2, (7, 16)), Groove(2, 120.0, "", "4/4"), RUN)
