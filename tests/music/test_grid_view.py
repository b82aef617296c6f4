"""Stretches of performances, cell by cell."""

import numpy as np
import pytest
from bars import ROCK, make_song

from drumjax.music.grid_view import cut_excerpts, excerpt_of
from drumjax.music.kits import ROLAND_TD11

KICK, SNARE = 0, 1


def test_cells_hold_what_was_played_and_how():
    whole = excerpt_of(make_song([[(0, 36, 100), (1.05, 38, 40)]], tempo_bpm=120.0), ROLAND_TD11)
    assert whole.hits.shape == (1, 16, 9)
    assert whole.hits.sum() == 2
    assert (whole.velocity[0, 0, KICK], whole.velocity[0, 4, SNARE]) == (100, 40)
    assert whole.offset_ms[0, 4, SNARE] == pytest.approx(25, abs=0.01)  # 0.05 beats of half a second
    assert whole.offset_ms[0, 0, KICK] == whole.velocity[0, 1, KICK] == 0


@pytest.mark.parametrize("louder", [0, 1])
def test_of_two_hits_in_a_cell_the_louder_counts(louder):
    velocity = [30, 90] if louder else [90, 30]
    song = make_song([[(1.0, 38, velocity[0]), (1.1, 38, velocity[1])]], tempo_bpm=60.0)
    whole = excerpt_of(song, ROLAND_TD11)
    assert whole.velocity[0, 4, SNARE] == 90
    assert whole.offset_ms[0, 4, SNARE] == pytest.approx(100 * louder, abs=0.01)


def test_an_early_hit_belongs_to_the_next_bar():
    whole = excerpt_of(make_song([[(0, 36), (3.95, 36)], [(1, 38)]]), ROLAND_TD11)
    assert whole.hits[1, 0, KICK]
    assert whole.hits[0].sum() == 1
    assert whole.offset_ms[1, 0, KICK] == pytest.approx(-25, abs=0.01)


def test_rests_at_the_end_count_if_the_length_is_known():
    assert excerpt_of(make_song([ROCK]), ROLAND_TD11, 3).hits.shape == (3, 16, 9)


def test_pitches_that_are_no_drum_are_left_out():
    assert excerpt_of(make_song([[(0, 36), (1, 60)]]), ROLAND_TD11).hits.sum() == 1


def test_excerpts_do_not_overlap_and_drop_the_rest():
    songs = [make_song([ROCK] * 5), make_song([ROCK]), make_song([[(0, 36), (2.75, 38)]] * 4, (3, 4))]
    found = list(cut_excerpts(songs, ROLAND_TD11, 2))
    assert [cut.hits.shape for _, cut in found] == [(2, 16, 9)] * 2 + [(2, 12, 9)] * 2
    assert [song is songs[i] for (song, _), i in zip(found, (0, 0, 2, 2), strict=True)] == [True] * 4
    np.testing.assert_array_equal(found[1][1].hits, excerpt_of(songs[0], ROLAND_TD11).hits[2:4])
