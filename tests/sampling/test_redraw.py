"""What is asked for is in what is played: samples without it are drawn again, until it is, and that is counted."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from tiny import CODEC, THREE_DRUMS, make_model, make_run, make_song, zero_weights

from drumjax.config.controls import Controls
from drumjax.data.drum_rates import USUAL_RATES, measure_rates
from drumjax.jobs.job import Job, write_samples
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import FILL_YES, Notes, Song, make_notes
from drumjax.runs.run import Run
from drumjax.sampling import blocks
from drumjax.sampling.blocks import sample_songs
from drumjax.sampling.edits import add_drums, continue_song, humanize_song
from drumjax.sampling.given_music import give
from drumjax.sampling.piece import Piece
from drumjax.sampling.plan import Plan
from drumjax.sampling.redraw import MAX_REDRAWS, SILENT, STRIDE, describe_redraws, find_lack, urge
from drumjax.sampling.request import Urge, make_request
from drumjax.sampling.sampler import draw

BARS = 4
CONTROLS = Controls(style="rock", bpm=100.0, bars=BARS, temperature=dict.fromkeys(("hits", "velocity", "offset"), 1.0))
GIVEN = give(make_song(0, BARS, pitches=(36, 38)), CODEC)


@pytest.fixture(scope="module")
def run() -> Run:
    return make_run(make_model(num_layers=1))


def new_notes(*rows) -> Notes:
    """Decoded notes [B, 4] of pitches; 0 is none."""
    pitch = np.asarray(rows)
    return Notes(*np.zeros((2, *pitch.shape)), pitch, np.full(pitch.shape, 90), pitch > 0)


def test_a_free_piece_lacks_notes_if_it_has_none():
    lack = find_lack(None, CODEC, new_notes((0, 0, 0, 0), (0, 36, 0, 0)))
    assert (lack.names, lack.lacks.tolist()) == ((SILENT,), [[True], [False]])
    edit = continue_song(GIVEN, CODEC, include=True)
    assert find_lack(edit, CODEC, new_notes((0, 0, 0, 0))).lacks.tolist() == [[True]]
    edit = humanize_song(GIVEN, CODEC)
    assert not find_lack(edit, CODEC, new_notes((0, 0, 0, 0))).lacks.any()


def test_a_drum_takes_part_from_so_many_hits_on():
    edit = add_drums(GIVEN, CODEC, THREE_DRUMS, ["hat", "snare"], {"hat": (0.5, 1.0), "snare": (0.1, 0.1)})
    assert edit.wanted == ((1, 1, 0.025), (2, 2, 0.25))
    lack = find_lack(edit, CODEC, new_notes((42, 42, 38, 0), (42, 36, 38, 0), (42, 42, 36, 0)))
    assert (lack.names, lack.lacks.tolist()) == (("snare", "hat"), [[False, False], [False, True], [True, False]])
    urged = urge(edit, CODEC, lack.lacks, draw=4)
    np.testing.assert_allclose(urged.nats, [[0, 0, 0], [0, 0, 3], [0, 3, 0]])
    np.testing.assert_allclose(urged.pace, [[0, 0.0125, 0.125]] * 3)  # two steps a beat
    assert urge(None, CODEC, lack.lacks, 1) is None


def test_a_drum_that_is_not_known_to_the_rates_takes_part_at_its_usual_rate():
    edit = add_drums(GIVEN, CODEC, THREE_DRUMS, ["kick"], {})
    assert edit.wanted == ((0, int(USUAL_RATES["kick"][0] * BARS), USUAL_RATES["kick"][1] / 4),)


@pytest.mark.parametrize("pace", [0.125, 0.5])
def test_who_is_urged_keeps_the_pace(run, pace):
    pieces = [Piece(dataclasses.replace(CONTROLS, bars=8))] * 4
    nats = np.zeros((4, 3), np.float32)
    nats[:, 2] = 20
    request = make_request(run, pieces, range(4), urge=Urge(nats, np.full((4, 3), pace, np.float32)))
    hits = np.asarray(draw(run.model, CODEC, run.weights, jax.random.key(0), request).tokens)[..., 0]
    count = ((np.maximum(hits, 0) >> 2) & 1).sum(axis=1)
    np.testing.assert_allclose(count, 64 * pace, atol=2)


def test_without_urge_nothing_changes(run):
    pieces = [Piece(CONTROLS)] * 4
    free, urged = (
        draw(run.model, CODEC, run.weights, jax.random.key(0), make_request(run, pieces, range(4), urge=some))
        for some in (None, Urge(np.zeros((4, 3), np.float32), np.ones((4, 3), np.float32)))
    )
    np.testing.assert_array_equal(free.tokens, urged.tokens)


def test_added_drums_take_part():
    model = make_model(num_layers=1)
    run = make_run(model, weights=zero_weights(model))  # a hat at half of the steps
    rates = {"hat": (6.5, 7.0)}  # of eight a bar
    plan = Plan(run, CONTROLS, edit=add_drums(GIVEN, CODEC, THREE_DRUMS, ["hat"], rates), block_size=4)
    samples = list(sample_songs(plan, 6))
    assert all(26 <= (sample.song.notes.pitch == 42).sum() <= 29 for sample in samples)
    assert all(1 <= sample.redrawn <= MAX_REDRAWS and not sample.lacks for sample in samples)
    (alone,) = sample_songs(plan, 6, first=5)  # whatever is drawn beside it
    for one, other in zip(alone.song.notes, samples[5].song.notes, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_cannot_be_had_is_said(run, tmp_path, caplog):
    rates = {"hat": (99.0, 99.0)}
    plan = Plan(run, CONTROLS, edit=add_drums(GIVEN, CODEC, THREE_DRUMS, ["hat"], rates), block_size=4)
    write_samples(Job(plan, 2), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert [(row["redrawn"], row["lacks"]) for row in rows] == [(MAX_REDRAWS, ["hat"])] * 2
    assert f"no or too few hat after {MAX_REDRAWS} draws more: 2 of 2 pieces" in caplog.text


def test_an_empty_piece_is_drawn_again_under_a_number_of_its_own(run, tmp_path, monkeypatch, caplog):
    plan = Plan(run, CONTROLS, block_size=4)
    (first,) = sample_songs(plan, 3, first=2)
    numbers = []
    begin = blocks.begin

    def silent_at_first(run, key, pieces, number, edit=None, urge=None):
        block = begin(run, key, pieces, number, edit, urge)
        numbers.append(list(number))
        silent = np.asarray(number) % STRIDE == 1  # number 1, at its first two draws
        mask = np.asarray(block.notes.mask) & ~(silent & (np.asarray(number) < 2 * STRIDE))[:, None]
        return block._replace(notes=block.notes._replace(mask=mask))

    monkeypatch.setattr(blocks, "begin", silent_at_first)
    write_samples(Job(plan, 3), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert [row.get("redrawn") for row in rows] == [None, 2, None]
    assert numbers == [[0, 1, 2, 3], [STRIDE + 1] * 4, [2 * STRIDE + 1] * 4]
    assert "in them: 1 of 3 pieces" in caplog.text
    (again,) = sample_songs(plan, 3, first=2)
    np.testing.assert_array_equal(again.song.notes.onset_beat, first.song.notes.onset_beat)


def test_nothing_is_said_of_samples_that_are_as_asked():
    assert describe_redraws([0, 0], [(), ()]) == []


def test_rates_are_those_of_stretches_with_the_drum():
    """Eight bars with 1..4 kicks a bar, and others without."""
    songs = [
        Song(make_notes(np.arange(8 * n) * 4 / n, np.ones(8 * n), [36] * 8 * n, [90] * 8 * n), style="rock")
        for n in (1, 2, 3, 4)
    ]
    songs.append(dataclasses.replace(songs[0], style="jazz"))
    songs.append(dataclasses.replace(songs[3], style="funk", fill=FILL_YES))
    rates = measure_rates(songs, ROLAND_TD11)
    assert rates == {"": {"kick": [1, 2]}, "rock": {"kick": [1.75, 2.5]}, "jazz": {"kick": [1, 1]}}
