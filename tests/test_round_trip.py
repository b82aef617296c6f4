"""What is left of music: of songs whose answer is known, and of random ones."""

import numpy as np
import pytest
from tiny import CODEC, make_song

from drumjax.codecs.events import EventCodec
from drumjax.codecs.vocabulary import Vocabulary
from drumjax.evaluation.round_trip import summarize, take_round_trip
from drumjax.notes import Song, make_notes

EVENTS = EventCodec(None, Vocabulary(tuple(range(60, 68)), 24, (6, 12, 24), 0), ticks_per_beat=12, velocity_bins=4)


def test_what_lies_on_ticks_comes_back_and_the_rest_is_counted():
    song = Song(make_notes([0, 1, 1, 2.02, 3, 3], [0.5, 1, 2, 0.5, 1.1, 1], [60, 64, 67, 61, 62, 90],
                           [16, 48, 80, 112, 112, 100]), is_drums=False)  # fmt: skip
    (errors,) = take_round_trip([song], EVENTS)
    assert errors.num_notes == 6
    np.testing.assert_allclose(np.sort(errors.onset_beat), [0, 0, 0, 0, 0.02], atol=1e-6)
    np.testing.assert_allclose(np.sort(errors.duration_beat), [0, 0, 0, 0, 0.1], atol=1e-6)
    assert errors.velocity.max() == 0
    assert summarize([errors])["lost_percent"] == pytest.approx(100 / 6)


def test_a_grid_loses_what_falls_on_one_step():
    song = Song(make_notes([0, 1, 1.05, 2], np.full(4, 0.1), [36, 38, 38, 36], [16, 48, 80, 112]), is_drums=True)
    (errors,) = take_round_trip([song], CODEC)
    assert (errors.num_notes, len(errors.onset_beat)) == (4, 3)
    assert errors.onset_beat.max() <= 0.5 / 2 / 4  # half a bin of a quarter of half a beat


def test_songs_keep_their_places_whatever_their_length():
    songs = [make_song(seed, bars) for seed, bars in ((0, 9), (1, 2), (2, 5))]
    together = take_round_trip(songs, CODEC)
    for song, errors in zip(songs, together, strict=True):
        (alone,) = take_round_trip([song], CODEC)
        for one, other in zip(alone, errors, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
