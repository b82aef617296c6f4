"""best_of: of several draws the one with the likeliest opening, the same whatever the block."""

import dataclasses

import jax
import numpy as np
import pytest
from tiny import CODEC, make_bare_model, make_run, make_song, make_teacher

from drumjax.config.controls import Controls
from drumjax.music.notes import Song
from drumjax.sampling.blocks import play, sample_blocks
from drumjax.sampling.edits import EditError
from drumjax.sampling.piece import Piece
from drumjax.sampling.plan import EditRequest, Plan, make_plan
from drumjax.sampling.request import make_request
from drumjax.sampling.rerank import OPENING_BARS, ranking_of
from drumjax.sampling.sampler import draw

DRAWS = 4
BARE = make_bare_model()


def same(a: Song, b: Song) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a.notes, b.notes, strict=True))


def test_the_likeliest_opening_of_all_draws_is_kept():
    run = make_run(BARE)
    controls = Controls(style="rock", bars=6)
    drawn = play(run, jax.random.key(0), [Piece(controls)] * DRAWS)  # numbers 0..3 are the draws of piece 0
    (kept,) = play(run, jax.random.key(0), [Piece(dataclasses.replace(controls, best_of=DRAWS))])
    request = make_request(run, [Piece(controls)] * DRAWS, range(DRAWS))
    tokens = draw(run.model, CODEC, run.weights, jax.random.key(0), request).tokens
    logits = make_teacher(run.model)(run.weights, np.asarray(tokens), request.context)[0][:, :, 0]
    chosen = np.take_along_axis(np.asarray(jax.nn.log_softmax(logits)), np.asarray(tokens)[..., :1], -1)[..., 0]
    likelihood = chosen[:, : OPENING_BARS * 8].sum(axis=1)
    assert same(kept, drawn[int(likelihood.argmax())])
    assert not all(same(kept, song) for song in drawn)


def test_a_piece_is_the_same_whatever_the_number_of_pieces():
    plan = Plan(make_run(BARE), Controls(style="rock", bars=4, best_of=DRAWS), block_size=16)
    many = [sample.song for block in sample_blocks(plan, 7) for sample in block]
    some = [sample.song for block in sample_blocks(plan, 6, first=5) for sample in block]
    assert len(many) == 7
    assert same(many[5], some[0])
    assert len({song.notes.onset_beat.tobytes() for song in many}) > 1


def test_what_is_worked_on_is_not_ranked_by_an_opening():
    piece = Piece(Controls(best_of=DRAWS))
    song = make_song(0, 4)
    for request, draws in (
        (EditRequest(humanize=song), 1),
        (EditRequest(prompt=song), DRAWS),
        (EditRequest(infill="2-2", to=song, draws=3), 3),
    ):
        plan = make_plan(make_run(), request)
        assert ranking_of(CODEC, piece, plan.edit).draws == draws
    assert ranking_of(CODEC, piece, make_plan(make_run(), EditRequest(prompt=song)).edit).first == 4 * 8
    with pytest.raises(EditError, match="best_of is for pieces of its own"):
        make_plan(make_run(), EditRequest(humanize=song), best_of=4)
