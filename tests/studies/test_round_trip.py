"""What is left of music: of songs whose answer is known, and of random ones."""

import dataclasses

import numpy as np
import pytest
from tiny import CODEC, make_model, make_song
from tiny import make_run as make_tiny_run

from drumjax.codecs.events import EventCodec
from drumjax.codecs.vocabulary import Vocabulary
from drumjax.music.notes import Song, make_notes
from drumjax.runs.run import Run
from drumjax.studies import round_trip
from drumjax.studies.command import StudyError
from drumjax.studies.round_trip import compare, summarize, take_round_trip

EVENTS = EventCodec(None, Vocabulary(tuple(range(60, 68)), 24, (6, 12, 24), 0), ticks_per_beat=12, velocity_bins=4)


@pytest.mark.slow
def test_what_lies_on_ticks_comes_back_and_the_rest_is_counted():
    song = Song(make_notes([0, 1, 1, 2.02, 3, 3], [0.5, 1, 2, 0.5, 1.1, 1], [60, 64, 67, 61, 62, 90],
                           [16, 48, 80, 112, 112, 100]), is_drums=False)  # fmt: skip
    (errors,) = take_round_trip([song], EVENTS)
    assert errors.num_notes == 6
    np.testing.assert_allclose(np.sort(errors.onset_beat), [0, 0, 0, 0, 0.02], atol=1e-6)
    np.testing.assert_allclose(np.sort(errors.duration_beat), [0, 0, 0, 0, 0.1], atol=1e-6)
    assert errors.velocity.max() == 0
    found = summarize([errors], EVENTS)
    assert found["lost, %"] == pytest.approx(100 / 6)
    assert found["onset, most"] == pytest.approx(0.02, abs=1e-6)
    assert found["duration, mean"] == pytest.approx(0.1 / 5, abs=1e-6)


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


def make_run(codec) -> Run:
    return make_tiny_run(make_model(), codec)


def test_every_split_has_a_row_and_songs_that_do_not_fit_are_counted(monkeypatch):
    songs = [dataclasses.replace(make_song(seed, 2), split=split) for seed, split in enumerate(("train", "validation"))]
    songs.append(dataclasses.replace(make_song(2, 2, (7, 16)), split="train"))
    monkeypatch.setattr(round_trip, "load_dataset", lambda settings: type("Found", (), {"songs": songs}))
    train, validation = compare(make_run(CODEC), 100)
    assert (train["split"], train["songs"], train["left out"]) == ("train", "1", "1")
    assert (validation["split"], validation["songs"], validation["left out"]) == ("validation", "1", "0")
    assert "velocity, mean" in train
    assert "duration, mean" not in train  # a grid has none
    assert len(compare(make_run(CODEC), 1)) == 1
    songs[:] = songs[2:]
    with pytest.raises(StudyError, match="no song has bars that fit"):
        compare(make_run(CODEC), 100)
    with pytest.raises(StudyError, match="does not encode when notes are"):
        compare(make_run(dataclasses.replace(EVENTS, timed=False)), 100)
