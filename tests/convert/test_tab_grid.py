"""Grids of tabs: which one is chosen, and which hits meet on it."""

import numpy as np
import pytest

from drumjax.convert.tab_grid import choose_grid, lay_on_grid
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.music.tab import read_tab, write_tab


def song_of(onsets, pitches=38, velocity=90, metre=(4, 4)):
    n = len(onsets)
    pitches = [pitches] * n if isinstance(pitches, int) else pitches
    velocity = [velocity] * n if isinstance(velocity, int) else velocity
    return Song(make_notes(onsets, [0.25] * n, pitches, velocity), time_signature=metre)


@pytest.mark.parametrize(
    ("onsets", "metre", "steps"),
    [
        ([0, 0.25, 1.75], (4, 4), 4),
        ([0, 1, 2, 3], (4, 4), 4),
        ([0, 1 / 3, 2 / 3], (4, 4), 3),
        ([0, 1 / 6, 1.5], (4, 4), 6),
        ([0, 0.125], (4, 4), 8),
        ([0, 0.25, 1 / 3], (4, 4), 12),
        ([0, 0.125, 1 / 3], (4, 4), 24),
        ([0, 1 / 3], (7, 8), 6),  # 3 are no whole number in 7/8
        ([0, 0.125], (5, 32), 8),
        ([0, 0.26, 0.99], (4, 4), 4),  # ticks are rounded
    ],
)
def test_written_music_is_on_the_coarsest_grid_that_has_it(onsets, metre, steps):
    grid = choose_grid(song_of(onsets, metre=metre), ROLAND_TD11)
    assert (grid.steps_per_beat, grid.num_merged) == (steps, 0)
    assert "in place" in grid.why


@pytest.mark.parametrize(
    ("onsets", "steps", "num_merged"),
    [
        ([0.03, 0.29, 0.45], 4, 0),
        ([0.03, 0.11, 0.45], 8, 0),
        ([0.03, 0.055, 0.45], 12, 0),
        ([0.031, 0.032, 0.45], 4, 1),  # none can keep both, so the coarsest
        ([0.031, 0.032, 0.055, 0.45], 12, 1),
    ],
)
def test_played_music_has_16ths_unless_hits_would_meet(onsets, steps, num_merged):
    grid = choose_grid(song_of(onsets), ROLAND_TD11)
    assert (grid.steps_per_beat, grid.num_merged) == (steps, num_merged)
    assert ("every hit" if num_merged == 0 else "most hits") in grid.why


def test_what_meets_anyway_does_not_make_the_grid_finer():
    grid = choose_grid(song_of([0, 0, 1.25], [38, 40, 38]), ROLAND_TD11)
    assert (grid.steps_per_beat, grid.num_merged) == (4, 1)


def test_a_metre_of_64ths_has_a_grid():
    grid = choose_grid(song_of([0, 1 / 16], metre=(1, 64)), ROLAND_TD11)
    assert grid.steps_per_beat == 16


def test_the_loudest_stays_and_so_does_another_drum():
    song = song_of([0, 0.02, 0.04, 0.05], [38, 40, 38, 36], [50, 100, 60, 10])
    assert lay_on_grid(song, ROLAND_TD11, 4).is_merged.tolist() == [True, False, True, False]


def test_the_move_is_the_furthest_and_early_hits_go_to_the_first_cell():
    assert lay_on_grid(song_of([-0.125, 1.0]), ROLAND_TD11, 4).moved_beat == pytest.approx(0.125)
    assert lay_on_grid(song_of([0.3, 1.0]), ROLAND_TD11, 4).moved_beat == pytest.approx(0.05)


def test_hits_meet_as_they_do_when_the_tab_is_written():
    rng = np.random.default_rng(3)
    song = song_of(rng.uniform(0, 8, 60), rng.choice([36, 38, 40, 42, 46], 60).tolist())
    for steps in (3, 4, 8):
        grid = lay_on_grid(song, ROLAND_TD11, steps)
        written = read_tab(write_tab(song, ROLAND_TD11, steps))
        assert len(written.notes.pitch) == 60 - grid.num_merged
