"""Edits of given music: what stays is written as it was, and what is free is sampled."""

import dataclasses

import numpy as np
import pytest
from tiny import CODEC, THREE_DRUMS, make_bare_model, make_context, make_run, make_song, make_teacher, stack

from drumjax.codecs.base import ABSENT, field_slices
from drumjax.codecs.grid import GridCodec
from drumjax.config.controls import Controls
from drumjax.music.kits import ROLAND_TD11, KitError, find_drum
from drumjax.music.notes import Song, Timeline, make_notes
from drumjax.runs.run import Run
from drumjax.sampling.blocks import sample_songs
from drumjax.sampling.edits import (
    KEEP_ALL,
    EditError,
    add_drums,
    continue_song,
    count_whole_bars,
    encode_given,
    humanize_song,
    infill_song,
    vary_song,
)
from drumjax.sampling.given_music import give
from drumjax.sampling.piece import Piece
from drumjax.sampling.plan import Plan
from drumjax.sampling.request import make_request
from drumjax.sampling.sampler import FREE

SONG = make_song(0, 4, pitches=(36, 38, 42), tempo_bpm=100.0)
GIVEN = give(SONG, CODEC)
STEPS_PER_BAR = 8  # of the tiny codec
TEMPERATURE = dict.fromkeys(("hits", "velocity", "offset"), 1.0)


@pytest.fixture(scope="module")
def run() -> Run:
    return make_run(make_bare_model())


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
    songs = play(run, continue_song(GIVEN, CODEC, include=True), bars=8)
    for song in songs:
        assert rows_between(SONG.notes, 0, 16) <= rows_between(song.notes, 0, 16)
        assert {step for step, _ in cells(song)} & set(range(32, 64))
    assert len({song.notes.onset_beat.tobytes() for song in songs}) == 4
    for alone, song in zip(play(run, continue_song(GIVEN, CODEC, include=False), bars=8), songs, strict=True):
        later = rows_between(song.notes, 16 + 0.25, 99)
        assert later == {(onset + 16, *rest) for onset, *rest in rows_between(alone.notes, 0.25, 99)}


def written(rows, **fields) -> Song:
    """A song of (onset_beat, pitch, velocity) rows."""
    onset, pitch, velocity = zip(*rows, strict=True)
    return Song(make_notes(onset, np.full(len(rows), 0.125), pitch, velocity), tempo_bpm=100.0, **fields)


def by_pitch(song) -> dict[int, list[float]]:
    return {p: sorted(song.notes.onset_beat[song.notes.pitch == p].tolist()) for p in set(song.notes.pitch.tolist())}


def test_humanizing_keeps_every_hit(run):
    song = written([(beat / 2, pitch, 90) for beat in range(32) for pitch in (36, 38, 42) if (beat * pitch) % 5])
    songs = play(run, humanize_song(give(song, CODEC), CODEC), bars=4)
    assert all(cells(played) == cells(song) for played in songs)
    assert len({played.notes.velocity.tobytes() for played in songs}) == 4


def test_humanizing_keeps_what_is_faster_than_a_step(run):
    """Hits of a drum that share a step move together, keep their distances, and each has a velocity."""
    song = written([(0, 42, 90), (1, 42, 40), (1.1, 42, 100), (1.2, 42, 60), (2, 36, 90), (3, 38, 90)])
    for played in play(run, humanize_song(give(song, CODEC), CODEC), bars=1):
        assert sorted(played.notes.pitch.tolist()) == [36, 38, 42, 42, 42, 42]
        first, *roll = by_pitch(played)[42]
        np.testing.assert_allclose(np.diff(roll), [0.1, 0.1], atol=1e-5)
        assert first != 0
        velocity = played.notes.velocity[played.notes.pitch == 42][1:]
        np.testing.assert_allclose(velocity, np.array([0.4, 1, 0.6]) * velocity[1], atol=1)


def test_humanizing_keeps_the_written_place_within_a_step(run):
    """A triplet stays one: the model's deviation is added to where it is written, not to the nearest step. As that
    is the same token for a note on the step, the two are equally late."""
    rows = [(beat + third / 3, 42, 90) for beat in range(8) for third in range(3)]
    straight = [(np.floor(onset * 2 + 0.5) / 2, pitch, velocity) for onset, pitch, velocity in rows]
    triplets, plain = (
        play(run, humanize_song(give(written(some), CODEC), CODEC), bars=2) for some in (rows, sorted(set(straight)))
    )
    for uneven, even in zip(triplets, plain, strict=True):
        late = {
            step: onset - step
            for onset, step in zip(by_pitch(even)[42], sorted({s for s, *_ in straight}), strict=True)
        }
        expected = sorted(onset + late[step] for (onset, *_), (step, *_) in zip(rows, straight, strict=True))
        np.testing.assert_allclose(by_pitch(uneven)[42], expected, atol=1e-5)


def test_a_performance_is_played_anew_but_for_its_distances(run):
    rng = np.random.default_rng(1)
    song = written([(max(0, beat / 2 + rng.normal(0, 0.04)), 42, 90) for beat in range(32)] + [(9.537, 42, 30)])
    given = give(song, CODEC)
    for played in play(run, humanize_song(given, CODEC), bars=4):
        assert len(played.notes.pitch) == 33
        assert cells(played) == cells(song)


@pytest.mark.parametrize("amount", [0.0001, 0.4])
def test_varying_leaves_what_it_does_not_vary_as_it_was(run, amount):
    song = make_song(3, 4, pitches=(36, 38, 42, 44, 60), notes_per_beat=5.0, tempo_bpm=100.0)
    given = set(zip(*(column.tolist() for column in song.notes[:4]), strict=True))
    for played in play(run, vary_song(give(song, CODEC), CODEC, amount), bars=4):
        rows = set(zip(*(column.tolist() for column in played.notes[:4]), strict=True))
        assert {row for row in given if row[2] == 60} <= rows  # no drum of this kit
        if amount < 0.01:
            assert rows == given
        else:
            new = {cell for cell in cells(played) - cells(song) if cell[1] >= 0}
            assert new
            assert len(rows - given) == len(new)  # and all others are as they were


@pytest.mark.parametrize("how", ["humanize", "vary", "add", "infill", "continue"])
def test_pitches_that_the_kit_lacks_are_kept(run, how, caplog):
    song = written([(0, 36, 90), (1, 39, 77), (1.33, 54, 66), (2, 38, 90), (5, 56, 55), (6, 36, 90), (8, 42, 90)])
    given = give(song, CODEC)
    assert "kept as they are: 39 (1), 54 (1), 56 (1)" in caplog.text
    edit = {
        "humanize": lambda: humanize_song(given, CODEC),
        "vary": lambda: vary_song(given, CODEC, 0.9),
        "add": lambda: add_drums(given, CODEC, THREE_DRUMS, ["hat"]),
        "infill": lambda: infill_song(given, CODEC, 1, 2, 1),
        "continue": lambda: continue_song(given, CODEC, include=True),
    }[how]()
    for played in play(run, edit, bars=4 if how == "continue" else 3):
        rows = set(zip(*(column.tolist() for column in played.notes[:4]), strict=True))
        assert {(1.0, 0.125, 39, 77), (np.float32(1.33), 0.125, 54, 66), (5.0, 0.125, 56, 55)} <= rows


def test_a_loop_that_ends_with_a_crash_is_gone_on_with_in_that_bar(run):
    beat = [(onset, pitch, 90) for bar in (0, 4) for onset, pitch in ((bar, 36), (bar + 2, 38))]
    loop = give(written([*beat, (8, 42, 100)]), CODEC)
    assert (count_whole_bars(loop.song), loop.song.num_bars) == (2, 3)
    edit = continue_song(loop, CODEC, include=True)
    assert len(edit.clamp) == 2 * STEPS_PER_BAR + 1
    songs = play(run, edit, bars=4)
    assert all({step for step, _ in cells(song)} & set(range(17, 24)) for song in songs)
    assert all((8.0, 0.125, 42, 100) in rows_between(song.notes, 8, 9) for song in songs)
    alone = play(run, continue_song(loop, CODEC, include=False), bars=4)
    assert all(
        rows_between(song.notes, 0, 0.1) == {(0.0, 0.125, 42, 100)} | rows_between(song.notes, 0, 0.1) for song in alone
    )
    assert count_whole_bars(written([*beat, (8, 42, 100), (8.5, 42, 100)])) == 3


def test_the_file_around_the_notes_is_kept(run):
    """A tempo map, a pickup, chokes: what was there is written back; what follows a prompt is in the song's own."""
    timeline = Timeline(
        start_beat=3.0, tempos=((3.0, 100.0), (5.0, 60.0)), metres=((3.0, (1, 4)), (4.0, (4, 4))),
        messages=((4.5, bytes((0xA9, 49, 127))),),
    )  # fmt: skip
    song = dataclasses.replace(SONG, timeline=timeline)
    given = give(song, CODEC)
    for edit in (
        humanize_song(given, CODEC), vary_song(given, CODEC, 0.3), add_drums(given, CODEC, THREE_DRUMS, ["hat"]),
        infill_song(given, CODEC, 2, 2, 1),
    ):  # fmt: skip
        assert edit.timeline == timeline
    later = continue_song(given, CODEC, include=True).timeline
    assert later == timeline._replace(tempos=(*timeline.tempos, (16.0, 100.0)))
    assert continue_song(given, CODEC, include=False).timeline == Timeline()
    assert given.at_tempo(90.0).song.timeline.tempos == ()
    assert play(run, humanize_song(given, CODEC), bars=4)[0].timeline == timeline


def test_silent_bars_before_the_music_are_not_given_to_the_model(run):
    late = dataclasses.replace(SONG, notes=SONG.notes._replace(onset_beat=SONG.notes.onset_beat + np.float32(160)))
    given = give(late, CODEC)
    assert (given.lead_bars, given.song.num_bars, given.song.timeline.start_beat) == (40, 4, -160)
    with pytest.raises(EditError, match="4 bars that begins in bar 41"):
        infill_song(given, CODEC, 2, 2, 1)
    assert infill_song(given, CODEC, 42, 42, 1).clamp[8:16].tolist() == np.full((8, 7), FREE).tolist()


def test_given_hits_that_are_played_anew_are_said(caplog):
    add_drums(GIVEN, CODEC, THREE_DRUMS, ["hat"])
    count = int((SONG.notes.pitch == 42).sum())
    assert f"has {count} hits of hat, which are played anew" in caplog.text


def test_some_of_what_was_played_is_hidden_from_who_humanizes(run):
    piece = Piece(make_controls(4))
    for edit, hidden in ((None, []), (humanize_song(GIVEN, CODEC, ("offset",)), ["offset"])):
        request = make_request(run, [piece] * 2, range(2), edit)
        assert [f.name for f, is_hidden in zip(CODEC.fields, request.hidden, strict=True) if is_hidden] == hidden


def test_a_rim_shot_stays_one(run):
    song = make_song(1, 2, pitches=(36, 40, 44))
    for played in play(run, humanize_song(give(song, CODEC), CODEC), bars=2):
        assert set(played.notes.pitch.tolist()) == {36, 40, 44}


def test_added_drums_play_beside_the_others(run):
    edit = add_drums(GIVEN, CODEC, THREE_DRUMS, ["hat"])
    kept = SONG.notes.pitch != 42
    for song in play(run, edit, bars=4):
        others = song.notes.pitch != 42
        for old, new in zip(SONG.notes[:4], song.notes[:4], strict=True):
            np.testing.assert_array_equal(old[kept], new[others])
        assert np.any(~others)


def test_what_is_given_does_not_lean_with_what_is_played(run):
    edit = continue_song(GIVEN, CODEC, True)
    plans = [Plan(run, make_controls(6, lean=x), edit=edit, block_size=4) for x in (None, 30.0)]
    for (_, free, *_), (_, moved, *_) in zip(*(sample_songs(plan, 2) for plan in plans), strict=True):
        assert rows_between(moved.notes, -1, 15) == rows_between(SONG.notes, -1, 15)
        new = [song.notes.onset_beat[len(SONG.notes.pitch) :] for song in (free, moved)]
        by = new[1] - new[0]
        assert abs(by[0]) > 0.001
        np.testing.assert_allclose(by, by[0], atol=1e-5)


def test_another_seed_varies_other_hits(run):
    """Which drums at which steps are let go, not only what is played there; seed 0 is as before seeds counted."""
    rows = [vary_song(GIVEN, CODEC, 0.3, seed).rows(range(3), 32, 7)[1] for seed in (0, 1, 0)]
    assert np.any(rows[0] != rows[1])
    np.testing.assert_array_equal(rows[0], rows[2])
    kept = np.random.default_rng(2).random((32, 31)) >= 0.3
    np.testing.assert_array_equal((rows[0][2][:, None] >> np.arange(31)) & 1, kept)
    with_seeds = [play(run, vary_song(GIVEN, CODEC, 0.3, seed), 4, seed=seed) for seed in (0, 1)]
    assert cells(with_seeds[0][0]) != cells(with_seeds[1][0])


@pytest.mark.parametrize(("amount", "least", "most"), [(0.1, 0.85, 0.999), (0.8, 0.2, 0.8)])
def test_a_variation_is_as_different_as_asked(run, amount, least, most):
    songs = play(run, vary_song(GIVEN, CODEC, amount), bars=4)
    all_cells = 32 * 3
    same = [1 - len(cells(song) ^ cells(SONG)) / all_cells for song in songs]
    assert least < np.mean(same) < most
    assert len({song.notes.onset_beat.tobytes() for song in songs}) == 4


def test_an_infill_changes_its_bars_only(run):
    songs = play(run, infill_song(GIVEN, CODEC, 2, 2, draws=4), bars=4)
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
        edit = infill_song(GIVEN, CODEC, 2, 2, draws=draws)
        songs = play(run, edit, bars=4, num_samples=16)
        tokens = np.stack([encode_given(give(song, CODEC), CODEC) for song in songs])
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
    for edit in (vary_song(GIVEN, CODEC, 0.5), infill_song(GIVEN, CODEC, 2, 2, draws=4)):
        few, many = play(run, edit, 4, num_samples=2), play(run, edit, 4, num_samples=9)
        for a, b in zip(few, many, strict=False):
            for x, y in zip(a.notes, b.notes, strict=True):
                np.testing.assert_array_equal(x, y)


def test_the_end_of_a_song_needs_no_draws():
    edit = infill_song(GIVEN, CODEC, 4, 4, draws=8)
    assert (edit.draws, edit.ranked_by) == (1, ())


def test_a_song_is_encoded_from_bar_to_bar():
    tokens = encode_given(GIVEN, CODEC)
    assert tokens.shape == (4 * STEPS_PER_BAR, 7)
    assert tokens[:, 0].min() >= 0
    edit = continue_song(GIVEN, CODEC, include=True)
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
        infill_song(GIVEN, CODEC, *bars, draws=1)


@pytest.mark.parametrize("amount", [0.0, 1.1])
def test_an_amount_is_a_share(amount):
    with pytest.raises(EditError, match="amount is"):
        vary_song(GIVEN, CODEC, amount)


def test_a_plain_model_cannot_humanize():
    plain = GridCodec(THREE_DRUMS, steps_per_beat=2, expressive=False)
    with pytest.raises(EditError, match="expressive"):
        humanize_song(give(Song(make_notes([0], [1], [36], [64])), plain), plain)
