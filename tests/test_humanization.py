"""The figures of humanization: known answers, and the table of a model."""

import dataclasses

import numpy as np
import pytest
from tiny import CODEC, STYLES, make_model, make_params, make_song

from configs import default
from drumjax.codecs import ABSENT
from drumjax.evaluation import humanization
from drumjax.evaluation.command import make_table
from drumjax.evaluation.humanization import (
    OFFSET_BINS,
    Hits,
    compare,
    cut,
    divergence,
    hits_of,
    lean_as,
    leans_of,
    mean_by_place,
)
from drumjax.runs import Run
from drumjax.settings import make_settings
from drumjax.tasks import TaskError


def test_hits_are_read_from_tokens():
    songs = [make_song(seed, 3, tempo_bpm=100.0) for seed in range(2)]
    excerpts = cut(songs, CODEC, STYLES)
    hits = hits_of(*excerpts, CODEC)
    is_hit = excerpts.tokens[..., 1:4] != ABSENT
    assert len(hits.velocity) == is_hit.sum()
    # Two steps per beat, four bins of an eighth of 300 ms: centres at -112.5, -37.5, 37.5 and 112.5.
    assert set(np.round(hits.offset_ms, 1)) <= {-112.5, -37.5, 37.5, 112.5}
    assert hits.velocity.min() >= 1
    assert hits.place.max() < 3 * 8
    np.testing.assert_array_equal(hits.place % 8, hits.grid_beat * 2 % 8)
    np.testing.assert_array_equal(hits.excerpt, np.nonzero(is_hit)[0])


def test_excerpts_are_moved_to_the_lean_that_is_wanted():
    excerpt, grid_beat = np.asarray([0, 0, 0, 1, 2]), np.asarray([0, 2, 2.5, 1, 0.5])
    hits = Hits(excerpt, grid_beat, np.zeros(5), np.zeros(5), np.asarray([10.0, 20.0, 99.0, -7.0, 5.0]))
    tempo_bpm = np.full(3, 120.0)
    np.testing.assert_allclose(leans_of(hits, tempo_bpm), [15, -7, np.nan], atol=1e-6)
    np.testing.assert_allclose(lean_as(hits, tempo_bpm, -5.0), [-10, 0, 79, -5, 5], atol=1e-6)


def test_the_mean_of_a_place_is_learned_and_elsewhere_that_of_all():
    learned = Hits(np.zeros(3), np.ones(3), np.asarray([0, 0, 3]), np.asarray([10.0, 30.0, 80.0]), np.zeros(3))
    np.testing.assert_allclose(mean_by_place(learned, np.asarray([0, 3, 7]), "velocity"), [20, 80, 40])


def test_divergence_is_nought_between_equals_and_grows():
    values = np.random.default_rng(0).normal(0, 20, 3000)
    assert divergence(values, values, OFFSET_BINS) == 0
    assert divergence(values, values + 5, OFFSET_BINS) < divergence(values, values * 0, OFFSET_BINS)


def make_run(codec=CODEC) -> Run:
    model = make_model(codec, num_layers=1)
    return Run(make_settings(default.get_config().to_dict()), codec, model, *make_params(model), STYLES, step=1)


def test_every_player_has_a_row(monkeypatch):
    songs = [
        dataclasses.replace(make_song(seed, 4, style="rock"), split=split)
        for split in ("train", "validation")
        for seed in range(3)
    ]
    monkeypatch.setattr(humanization, "BATCH", 4)
    monkeypatch.setattr(humanization, "load_dataset", lambda settings: type("Found", (), {"songs": songs}))
    monkeypatch.setattr(humanization, "select", lambda songs, *, split, **_: [s for s in songs if s.split == split])
    rows = compare(make_run(), draws=2)
    assert len(rows) == 7
    quantized, place, late, _, mean, _, moved = rows
    assert late["velocity"] == quantized["velocity"]
    assert late["timing_ms"] != quantized["timing_ms"]
    assert quantized["timing_ms"] > 0
    assert place["velocity"] <= quantized["velocity"]  # train and held out are the same songs
    assert all(np.isfinite(v) for row in rows for v in list(row.values())[1:])
    assert mean["player"] == "the model, mean of 2 draws"
    assert moved["velocity"] == mean["velocity"]
    assert moved["timing_ms"] != mean["timing_ms"]
    assert make_table(rows).count("\n") == 9


def test_a_plain_model_cannot_be_judged():
    with pytest.raises(TaskError, match="expressive"):
        compare(make_run(dataclasses.replace(CODEC, expressive=False)), draws=1)
