"""Styles mixed by weights."""

import dataclasses

import jax
import numpy as np
import pytest
from tiny import CODEC, STYLES, make_model
from tiny import make_run as make_tiny_run

from drumjax.config.controls import Controls
from drumjax.config.spelling import spell_style
from drumjax.runs.run import Run
from drumjax.sampling.blocks import play as play_pieces
from drumjax.sampling.piece import Piece, RequestError
from drumjax.sampling.plan import make_plan
from drumjax.sampling.style_mix import add_mix


@pytest.fixture(scope="module")
def run() -> Run:
    codec = dataclasses.replace(CODEC, expressive=False)
    return make_tiny_run(make_model(codec, num_layers=1), codec)


def test_a_mix_lies_between_its_styles(run):
    mixed = add_mix(run, "rock=3,jazz=1")
    params = mixed.weights.params
    for table in map(np.asarray, (params["context"]["style"]["embedding"], params["beginning"])):
        expected = 0.75 * table[STYLES.index("rock")] + 0.25 * table[STYLES.index("jazz")]
        np.testing.assert_allclose(table[-1], expected, rtol=1e-6)
    assert mixed.styles == (*STYLES, "rock=3,jazz=1")
    assert run.weights.params["context"]["style"]["embedding"].shape[0] == len(STYLES)


@pytest.mark.slow
def test_a_mix_can_be_played_and_a_pure_one_is_the_style(run):
    def play(style):
        temperature = dict.fromkeys(("hits", "velocity", "offset"), 1.0)
        piece = Piece(Controls(style=style, bars=2, temperature=temperature))
        songs = play_pieces(add_mix(run, style), jax.random.key(0), [piece] * 4)
        return [np.concatenate(columns) for columns in zip(*(song.notes for song in songs), strict=True)]

    for a, b in zip(play("rock=1"), play("rock"), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(play("rock=1,jazz=9")[0], play("rock")[0])


@pytest.mark.parametrize("style", ["rock", "", "polka"])
def test_what_is_no_mix_is_left_alone(run, style):
    assert add_mix(run, style) is run


@pytest.mark.parametrize(
    ("style", "reason"),
    [("rock=x", "weights above 0"), ("rock=0,jazz=1", "weights above 0"), ("polka=1", "it knows: jazz, rock"),
     ("rock=1,", "weights above 0"), ("=1", "does not know the style ''"), ("rock=nan", "weights above 0")],
)  # fmt: skip
def test_mixes_that_cannot_be_played(run, style, reason):
    with pytest.raises(RequestError, match=reason):
        add_mix(run, style)


@pytest.mark.parametrize(
    ("style", "spelled"),
    [("Rock", "rock"), (" JAZZ", "jazz"), ("Rock=3, Jazz =1", "rock=3,jazz=1"), ("polka", "polka"), ("", "")],
)
def test_upper_and_lower_case_are_the_same(run, style, spelled):
    assert spell_style(style, run.styles) == spelled
    if spelled != "polka":
        assert make_plan(run, style=style).controls.style == spelled


def test_a_style_that_only_differs_by_case_is_itself():
    assert spell_style("ROCK", ("rock", "ROCK")) == "ROCK"
    assert spell_style("bossa", ("", "Bossa")) == "Bossa"
    assert spell_style("bossa=1,rock=2", ("", "Bossa", "rock")) == "Bossa=1,rock=2"
