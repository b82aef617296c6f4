"""Figures of repetition on performances whose answers are known."""

import numpy as np
import pytest

from drumjax.evaluation.repetition import bars_of, distance, excerpts, measure_repetition
from drumjax.kits import ROLAND_TD11
from drumjax.notes import Song, make_notes


def make_song(bars: list[list[tuple[float, int]]], time_signature=(4, 4)) -> Song:
    length = 4 * time_signature[0] / time_signature[1]
    hits = [(bar * length + beat, pitch) for bar, hits in enumerate(bars) for beat, pitch in hits]
    onset, pitch = zip(*hits, strict=True)
    notes = make_notes(onset, np.full(len(onset), 0.1), pitch, np.full(len(onset), 90))
    return Song(notes, time_signature=time_signature)


ROCK = [(0, 36), (1, 38), (2, 36), (3, 38)]
TOMS = [(0, 43), (0.5, 47), (1, 50), (3.75, 49)]


def test_a_loop_is_stable_and_not_distinct():
    figures = measure_repetition(bars_of(make_song([ROCK] * 4), ROLAND_TD11), ROLAND_TD11)
    assert figures == (1.0, 0.25, 1.0, 0.0, 1.0)


def test_bars_that_share_nothing():
    figures = measure_repetition(bars_of(make_song([ROCK, TOMS]), ROLAND_TD11), ROLAND_TD11)
    assert figures == (0.0, 1.0, 0.5, 0.5, 1.0)


def test_half_of_the_hits_in_common():
    bars = bars_of(make_song([ROCK, [*ROCK[:2], (2.5, 36), (3.5, 38)]]), ROLAND_TD11)
    assert measure_repetition(bars, ROLAND_TD11).stability == pytest.approx(2 / 6)


def test_an_early_hit_belongs_to_the_next_bar():
    bars = bars_of(make_song([[(0, 36), (3.95, 36)], [(1, 38)]]), ROLAND_TD11)
    assert bars[1, 0, 0]
    assert bars[0].sum() == 1


def test_rests_at_the_end_count_if_the_length_is_known():
    assert bars_of(make_song([ROCK]), ROLAND_TD11, 3).shape == (3, 16, 9)


def test_excerpts_do_not_overlap_and_drop_the_rest():
    songs = [make_song([ROCK] * 5), make_song([ROCK]), make_song([[(0, 36), (2.75, 38)]] * 4, (3, 4))]
    assert [bars.shape for bars in excerpts(songs, ROLAND_TD11, 2)] == [(2, 16, 9)] * 2 + [(2, 12, 9)] * 2


def test_distance_is_in_standard_deviations():
    a = np.random.default_rng(0).normal(5, 2, 4000)
    assert distance(a, a) == 0
    assert distance(a + 2, a) == pytest.approx(1, rel=0.05)
