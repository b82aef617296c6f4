"""Order, bars and metres of songs."""

import numpy as np
import pytest

from drumjax.music.metre import METRES
from drumjax.music.notes import Song, make_notes


def test_make_notes_orders_by_onset_then_pitch():
    notes = make_notes([2, 0, 2, 1], [0.1, 0.2, 0.3, 0.4], [42, 38, 36, 40], [1, 2, 3, 4])
    assert notes.onset_beat.tolist() == [0, 1, 2, 2]
    assert notes.pitch.tolist() == [38, 40, 36, 42]
    assert notes.velocity.tolist() == [2, 4, 3, 1]
    np.testing.assert_allclose(notes.duration_beat, [0.2, 0.4, 0.3, 0.1])
    assert notes.mask.all()
    assert [column.dtype.name for column in notes] == ["float32", "float32", "int32", "int32", "bool"]


def test_make_notes_of_nothing():
    assert [column.shape for column in make_notes([], [], [], [])] == [(0,)] * 5


@pytest.mark.parametrize(
    ("time_signature", "last_onset", "num_bars"),
    [
        ((4, 4), 0.0, 1),
        ((4, 4), 3.87, 1),
        ((4, 4), 3.88, 2),  # nearer to the next bar's first 16th: it anticipates that bar
        ((4, 4), 4.0, 2),
        ((3, 4), 3.0, 2),
        ((6, 8), 2.9, 2),
        ((7, 8), 3.3, 1),
        ((7, 8), 3.5, 2),
        ((5, 8), 4.99, 3),
    ],
)
def test_number_of_bars(time_signature, last_onset, num_bars):
    song = Song(make_notes([0, last_onset], [0, 0], [36, 36], [1, 1]), time_signature=time_signature)
    assert song.num_bars == num_bars


def test_a_song_without_notes_has_no_bars():
    assert Song(make_notes([], [], [], [])).num_bars == 0


@pytest.mark.parametrize(("time_signature", "beats"), [((4, 4), 4), ((6, 8), 3), ((7, 8), 3.5), ((2, 2), 4)])
def test_beats_are_quarter_notes(time_signature, beats):
    assert Song(make_notes([], [], [], []), time_signature=time_signature).beats_per_bar == beats


def test_metres():
    song = Song(make_notes([], [], [], []), time_signature=(6, 8))
    assert METRES[song.metre] == (6, 8)
    assert Song(song.notes, time_signature=(11, 16)).metre == 0
    # Checkpoints hold one embedding per index: a metre may be added at the end, none may move.
    known = ((0, 0), (4, 4), (3, 4), (6, 8), (5, 4), (7, 8), (5, 8), (2, 4), (12, 8), (9, 8), (7, 4), (6, 4), (2, 2))
    assert METRES[: len(known)] == known
