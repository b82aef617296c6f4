"""Edits of given music: what stays is written as it was, and what is free is sampled."""

import numpy as np
import pytest
from tiny import CODEC, THREE_DRUMS, make_context, make_model, make_run, make_song, make_teacher, stack

from drumjax.codecs.base import ABSENT, field_slices
from drumjax.codecs.grid import GridCodec
from drumjax.config.controls import Controls
from drumjax.music.kits import ROLAND_TD11, KitError, find_drum
from drumjax.music.notes import Song, make_notes
from drumjax.runs.run import Run
from drumjax.sampling.blocks import sample_songs
from drumjax.sampling.edits import (
    KEEP_ALL,
    EditError,
    add_drums,
    continue_song,
    encode_song,
    humanize_song,
    infill_song,
    vary_song,
)
from drumjax.sampling.piece import Piece
from drumjax.sampling.plan import Plan
from drumjax.sampling.request import make_request
from drumjax.sampling.sampler import FREE

SONG = make_song(0, 4, pitches=(36, 38, 42), tempo_bpm=100.0)
STEPS_PER_BAR = 8  # of the tiny codec
TEMPERATURE = dict.fromkeys(("hits", "velocity", "offset"), 1.0)


@pytest.fixture(scope="module")
def run() -> Run:
    return make_run(make_model(num_layers=1))


def make_controls(bars, **changes) -> Controls:
    return Controls(style="rock", bpm=100.0, bars=bars, temperature=TEMPERATURE, **changes)


def play(run, edit, bars, num_samples=4, seed=0) -> list[Song]:
    plan = Plan(run, make_controls(bars), seed, edit, block_size=4)
    return [sample.song for sample in sample_songs(plan, num_samples)]


def cells(song, kit=THREE_DRUMS) -> set[tuple[int, int]]:
    """(step, drum) of every note."""
    step = np.floor(song.notes.onset_beat * CODEC.steps_per_beat + 0.5).astype(int)
    return set(zip(step.tolist(), kit.class_table()[song.notes.pitch].tolist(), strict=True))


def rows_between(notes, first, last) -> set[tuple]:
    """Notes with an onset in [first, last), as they are."""
    return {row for row in zip(*(c.tolist() for c in notes[:4]), strict=True) if first <= row[0] < last}


def test_a_continuation_leaves_the_prompt_as_it_was(run):
    songs = play(run, continue_song(SONG, CODEC, include=True), bars=8)
    for song in songs:
        assert rows_between(SONG.notes, 0, 16) <= rows_between(song.notes, 0, 16)
        assert {step for step, _ in cells(song)} & set(range(32, 64))
    assert len({song.notes.onset_beat.tobytes() for song in songs}) == 4
    for alone, song in zip(play(run, continue_song(SONG, CODEC, include=False), bars=8), songs, strict=True):
        later = rows_between(song.notes, 16 + 0.25, 99)
        assert later == {(onset + 16, *rest) for onset, *rest in rows_between(alone.notes, 0.25, 99)}


def test_humanizing_keeps_every_hit(run):
    songs = play(run, humanize_song(SONG, CODEC), bars=4)
    assert all(cells(song) == cells(SONG) for song in songs)
    assert len({song.notes.velocity.tobytes() for song in songs}) == 4


def test_some_of_what_was_played_is_hidden_from_who_humanizes(run):
    piece = Piece(make_controls(4))
    for edit, hidden in ((None, []), (humanize_song(SONG, CODEC, ("offset",)), ["offset"])):
        request = make_request(run, [piece] * 2, range(2), edit)
        assert [f.name for f, is_hidden in zip(CODEC.fields, request.hidden, strict=True) if is_hidden] == hidden


def test_a_rim_shot_stays_one(run):
    song = make_song(1, 2, pitches=(36, 40, 44))
    for played in play(run, humanize_song(song, CODEC), bars=2):
        assert set(played.notes.pitch.tolist()) == {36, 40, 44}


def test_added_drums_play_beside_the_others(run):
    edit = add_drums(SONG, CODEC, THREE_DRUMS, ["hat"])
    kept = SONG.notes.pitch != 42
    for song in play(run, edit, bars=4):
        others = song.notes.pitch != 42
        for old, new in zip(SONG.notes[:4], song.notes[:4], strict=True):
            np.testing.assert_array_equal(old[kept], new[others])
        assert np.any(~others)


def test_what_is_given_does_not_lean_with_what_is_played(run):
    edit = continue_song(SONG, CODEC, True)
    plans = [Plan(run, make_controls(6, lean=x), edit=edit, block_size=4) for x in (None, 30.0)]
    for (_, free, _), (_, moved, _) in zip(*(sample_songs(plan, 2) for plan in plans), strict=True):
        assert rows_between(moved.notes, -1, 15) == rows_between(SONG.notes, -1, 15)
        new = [song.notes.onset_beat[len(SONG.notes.pitch) :] for song in (free, moved)]
        by = new[1] - new[0]
        assert abs(by[0]) > 0.001
        np.testing.assert_allclose(by, by[0], atol=1e-5)


def test_another_seed_varies_other_hits(run):
    """Which drums at which steps are let go, not only what is played there; seed 0 is as before seeds counted."""
    rows = [vary_song(SONG, CODEC, THREE_DRUMS, 0.3, seed).rows(range(3), 32, 7)[1] for seed in (0, 1, 0)]
    assert np.any(rows[0] != rows[1])
    np.testing.assert_array_equal(rows[0], rows[2])
    kept = np.random.default_rng(2).random((32, 31)) >= 0.3
    np.testing.assert_array_equal((rows[0][2][:, None] >> np.arange(31)) & 1, kept)
    with_seeds = [play(run, vary_song(SONG, CODEC, THREE_DRUMS, 0.3, seed), 4, seed=seed) for seed in (0, 1)]
    assert cells(with_seeds[0][0]) != cells(with_seeds[1][0])


@pytest.mark.parametrize(("amount", "least", "most"), [(0.1, 0.85, 0.999), (0.8, 0.2, 0.8)])
def test_a_variation_is_as_different_as_asked(run, amount, least, most):
    songs = play(run, vary_song(SONG, CODEC, THREE_DRUMS, amount), bars=4)
    all_cells = 32 * 3
    same = [1 - len(cells(song) ^ cells(SONG)) / all_cells for song in songs]
    assert least < np.mean(same) < most
    assert len({song.notes.onset_beat.tobytes() for song in songs}) == 4


def test_an_infill_changes_its_bars_only(run):
    songs = play(run, infill_song(SONG, CODEC, 2, 2, draws=4), bars=4)
    half_step = 0.25
    for song in songs:
        for first, last in ((-1, 4 - half_step), (8 - half_step, 99)):
            assert rows_between(song.notes, first, last) == rows_between(SONG.notes, first, last)
        assert rows_between(song.notes, 4, 8) != rows_between(SONG.notes, 4, 8)
    assert len({song.notes.onset_beat.tobytes() for song in songs}) == 4


@pytest.mark.slow
def test_more_draws_lead_better_to_what_follows(run):
    """The nats of what follows, averaged over samples, fall with the number of draws."""

    def nats(draws):
        edit = infill_song(SONG, CODEC, 2, 2, draws=draws)
        songs = play(run, edit, bars=4, num_samples=16)
        tokens = np.stack([encode_song(song, CODEC) for song in songs])
        logits = make_teacher(run.model)(run.weights, tokens, stack([make_context()] * 16))
        total = 0.0
        for i, where in enumerate(field_slices(CODEC.fields)):
            values = np.asarray(logits[i], np.float64)
            log_p = values - np.log(np.exp(values).sum(-1, keepdims=True))
            target = tokens[..., where]
            chosen = np.take_along_axis(log_p, np.maximum(target, 0)[..., None], -1)[..., 0]
            total -= np.where(target == ABSENT, 0, chosen)[:, 2 * STEPS_PER_BAR :].sum() / 16
        return total

    assert nats(4) < nats(1)


def test_samples_do_not_depend_on_how_many_are_asked_for(run):
    for edit in (vary_song(SONG, CODEC, THREE_DRUMS, 0.5), infill_song(SONG, CODEC, 2, 2, draws=4)):
        few, many = play(run, edit, 4, num_samples=2), play(run, edit, 4, num_samples=9)
        for a, b in zip(few, many, strict=False):
            for x, y in zip(a.notes, b.notes, strict=True):
                np.testing.assert_array_equal(x, y)


def test_the_end_of_a_song_needs_no_draws():
    edit = infill_song(SONG, CODEC, 4, 4, draws=8)
    assert (edit.draws, edit.ranked_by) == (1, ())


def test_a_song_is_encoded_from_bar_to_bar():
    tokens = encode_song(SONG, CODEC)
    assert tokens.shape == (4 * STEPS_PER_BAR, 7)
    assert tokens[:, 0].min() >= 0
    edit = continue_song(SONG, CODEC, include=True)
    clamp, keep = edit.rows(range(2), 64, 7)
    np.testing.assert_array_equal(clamp[:, :32], np.stack([tokens, tokens]))
    assert np.all(clamp[:, 32:] == FREE)
    assert np.all(keep == KEEP_ALL)


@pytest.mark.parametrize(
    ("name", "drum"),
    [("hihat", 2), ("closed hi-hat", 2), ("HH", 2), ("open hihat", 3), ("ride", 8), ("Kick", 0), ("low_tom", 4)],
)
def test_drums_go_by_many_names(name, drum):
    assert find_drum(ROLAND_TD11, name) == drum


@pytest.mark.parametrize(("name", "reason"), [("cowbell", "no drum"), ("tom", "more than one"), ("", "more than one")])
def test_a_drum_that_is_not_there_or_not_clear_is_named(name, reason):
    with pytest.raises(KitError, match=rf"{reason} .*closed hi-hat \(HH\)"):
        find_drum(ROLAND_TD11, name)


@pytest.mark.parametrize("bars", [(0, 1), (3, 2), (4, 5)])
def test_bars_that_are_not_there(bars):
    with pytest.raises(EditError, match="a song of 4 bars"):
        infill_song(SONG, CODEC, *bars, draws=1)


@pytest.mark.parametrize("amount", [0.0, 1.1])
def test_an_amount_is_a_share(amount):
    with pytest.raises(EditError, match="amount is"):
        vary_song(SONG, CODEC, THREE_DRUMS, amount)


def test_a_plain_model_cannot_humanize():
    plain = GridCodec(THREE_DRUMS, steps_per_beat=2, expressive=False)
    with pytest.raises(EditError, match="expressive"):
        humanize_song(Song(make_notes([0], [1], [36], [64])), plain)
