"""The figures of humanization: known answers, and the table of a model."""

import dataclasses

import numpy as np
import pytest
from tiny import CODEC, STYLES, make_bare_model, make_song
from tiny import make_run as make_tiny_run

from drumjax.codecs.base import ABSENT
from drumjax.runs.run import Run
from drumjax.sampling.controls import make_controls
from drumjax.studies import hits as studies_hits
from drumjax.studies import humanization
from drumjax.studies.command import StudyError
from drumjax.studies.hits import Hits, cut, hits_of, humanize
from drumjax.studies.humanization import (
    OFFSET_BINS,
    answer,
    by_place,
    divergence,
    gain,
    measure,
    show,
)
from drumjax.studies.touch import changes


def test_hits_are_read_from_tokens():
    songs = [make_song(seed, 3, tempo_bpm=100.0) for seed in range(2)]
    excerpts = cut(songs, CODEC, STYLES)
    np.testing.assert_array_equal(excerpts.song, [0, 1])
    hits = hits_of(excerpts.tokens, excerpts.context, CODEC)
    is_hit = excerpts.tokens[..., 1:4] != ABSENT
    assert len(hits.velocity) == is_hit.sum()
    # Two steps per beat, four bins of an eighth of 300 ms: centres at -112.5, -37.5, 37.5 and 112.5.
    assert set(np.round(hits.offset_ms, 1)) <= {-112.5, -37.5, 37.5, 112.5}
    assert hits.velocity.min() >= 1
    for column, values in zip((hits.excerpt, hits.grid_beat * 2, hits.drum), np.nonzero(is_hit), strict=True):
        np.testing.assert_array_equal(column, values)
    np.testing.assert_array_equal(hits.position, hits.grid_beat * 2 % 8)


def make_hits(excerpt=(0, 0, 0), drum=(0, 0, 0), grid_beat=(0, 1, 2), velocity=(10, 30, 80), offset_ms=(0, 0, 0)):
    position = np.asarray(grid_beat) * 2 % 8
    return Hits(*map(np.asarray, (excerpt, drum, grid_beat, position, velocity, offset_ms)))


def test_the_middle_of_a_place_is_learned_and_elsewhere_that_of_all():
    learned = make_hits(excerpt=(0,) * 5, drum=(0, 0, 0, 1, 1), grid_beat=(0, 4, 8, 0, 3.5),
                        velocity=(10, 30, 80, 90, 70), offset_ms=(0,) * 5)  # fmt: skip
    asked = make_hits(drum=(0, 1, 0, 1), grid_beat=(4, 0, 3.5, 3.5), excerpt=(0,) * 4, velocity=(0,) * 4)
    np.testing.assert_allclose(by_place(learned, asked, "velocity", np.mean), [40, 90, 56, 70])
    np.testing.assert_allclose(by_place(learned, asked, "velocity", np.median), [30, 90, 70, 70])


def test_changes_are_from_a_hit_to_the_next_of_its_drum():
    hits = make_hits(excerpt=(0, 0, 0, 0, 1, 1), drum=(0, 1, 0, 0, 0, 0), grid_beat=(0, 0.5, 1, 2.5, 3, 3.5),
                     velocity=(10, 99, 30, 50, 80, 81), offset_ms=(0,) * 6)  # fmt: skip
    assert changes(hits, "velocity").tolist() == [20, 1]


def test_a_player_is_measured_by_all_draws():
    real = make_hits(offset_ms=(0, 10, -10))
    song = np.asarray([0, 1, 2])
    assert measure([real], real, song) == {
        "timing_ms": 0, "even_ms": 0, "odd_ms": 0, "velocity": 0, "kl_timing": 0, "kl_velocity": 0,
    }  # fmt: skip
    late = real.offset_ms + np.asarray([6, 12, 6])
    row = measure([real, real._replace(offset_ms=late, velocity=real.velocity + 2)], real, song)
    assert (row["timing_ms"], row["even_ms"], row["odd_ms"], row["velocity"]) == (4, 3, 6, 1)
    assert row["kl_timing"] > 0


def test_a_gain_has_the_interval_of_songs():
    distance, nearest, song = np.asarray([1.0, 1, 1, 4]), np.asarray([2.0, 2, 2, 2]), np.asarray([0, 0, 0, 2])
    row = gain(distance, nearest, song)
    assert row["nearer_ms"] == pytest.approx(0.25)
    assert row["low_ms"] == -2
    assert row["high_ms"] == 1


def test_divergence_is_nought_between_equals_and_grows():
    values = np.random.default_rng(0).normal(0, 20, 3000)
    assert divergence(values, values, OFFSET_BINS) == 0
    assert divergence(values, values + 5, OFFSET_BINS) < divergence(values, values * 0, OFFSET_BINS)


def make_run(codec=CODEC, **history_dropout) -> Run:
    """A run that humanizes at a spread of 0.4, and has learned to do without earlier values of some fields."""
    run = make_tiny_run(make_bare_model(codec), codec)
    sample = dataclasses.replace(run.settings.sample, humanize={"spread": 0.4, "guidance": 1.0})
    train = dataclasses.replace(run.settings.train, history_dropout=history_dropout)
    return dataclasses.replace(run, settings=dataclasses.replace(run.settings, sample=sample, train=train))


@pytest.mark.slow
def test_every_player_has_a_row(monkeypatch):
    songs = [
        dataclasses.replace(make_song(seed, 4, style="rock"), split=split)
        for split in ("train", "validation")
        for seed in range(3)
    ]
    monkeypatch.setattr(studies_hits, "BATCH", 4)
    monkeypatch.setattr(humanization, "load_dataset", lambda settings: type("Found", (), {"songs": songs}))
    monkeypatch.setattr(humanization, "select", lambda songs, *, split, **_: [s for s in songs if s.split == split])
    found = answer(make_run(offset=0.25), draws=2)
    rows = found["near"]
    assert len(rows) == 11
    drummers, quantized, place, _, late, drawn, mean, unknown, _, loose, _ = rows
    assert (drummers["timing_ms"], drummers["velocity"], drummers["kl_timing"]) == (0, 0, 0)
    assert late["velocity"] == quantized["velocity"]
    assert late["timing_ms"] != quantized["timing_ms"]
    assert quantized["timing_ms"] > 0
    assert unknown["timing_ms"] != drawn["timing_ms"]
    assert place["velocity"] <= quantized["velocity"]  # train and held out are the same songs
    assert all(np.isfinite(v) for row in rows for v in list(row.values())[1:])
    assert [row["player"] for row in (drawn, mean, unknown, loose)] == [
        "the model, spread 0.4, one draw", "the model, spread 0.4, mean of 2 draws",
        "the same, style unknown, one draw", "the model, spread 1, one draw",
    ]  # fmt: skip
    assert {row["player"] for row in found["loudness"]} == {row["player"] for row in found["touch"]}
    assert found["loudness"][0]["snare"] > 0
    touch = {row["player"]: row for row in found["touch"]}
    assert touch["the model, spread 0.4, one draw"]["change_ms"] < touch["the model, spread 1, one draw"]["change_ms"]
    assert "the drummers" in touch
    (protocol,) = found["protocol"]
    assert protocol["windows"] == 6  # of two bars, of three songs of four
    assert all(np.isfinite(value) for value in protocol.values())
    assert show(found).count("\n") == 13 + 2 * (3 + len(touch)) + 5 + 4


@pytest.mark.slow
def test_what_a_model_learned_to_do_without_is_hidden_from_it(monkeypatch):
    monkeypatch.setattr(studies_hits, "BATCH", 4)
    excerpts = cut([make_song(0, 4)], CODEC, STYLES)
    without, with_all = make_run(offset=0.25), make_run()
    controls = make_controls(without.settings.sample, CODEC.fields)
    hits, others = (next(humanize(some, excerpts, controls, 1)) for some in (without, with_all))
    np.testing.assert_array_equal(hits.drum, hits_of(excerpts.tokens, excerpts.context, CODEC).drum)
    assert np.any(hits.offset_ms != others.offset_ms)


def test_a_plain_model_cannot_be_measured():
    with pytest.raises(StudyError, match="expressive"):
        answer(make_run(dataclasses.replace(CODEC, expressive=False)), draws=1)
