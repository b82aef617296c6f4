"""Given notes follow what is played of their cells, and none of them is lost."""

import numpy as np

from drumjax.midi.reader import read_midi, write_midi
from drumjax.music.notes import Notes, Song, make_notes
from drumjax.sampling.placement import place


def test_notes_of_a_pitch_that_are_moved_to_one_place_stay_different(tmp_path):
    """Two snares, early and late, are both played on the beat; a third comes at once after; a kick is there too."""
    given = make_notes([0.9, 1.1, 1.2, 1.0], [0.1] * 4, [38, 38, 38, 36], [90, 80, 70, 100])
    cell = np.arange(4)
    order = np.argsort(np.asarray(given.onset_beat))
    decoded = Notes(*(np.array(column) for column in given))
    decoded = decoded._replace(onset_beat=np.full(4, 1.0, np.float32))
    played = place(given, cell, np.asarray(given.onset_beat, np.float64)).follow(decoded)
    assert len(set(zip(played.onset_beat.tolist(), played.pitch.tolist(), strict=True))) == 4
    assert np.abs(played.onset_beat - 1).max() < 1e-6
    path = tmp_path / "song.mid"
    write_midi(Song(make_notes(*(np.asarray(column)[order] for column in played[:4]))), path)
    back = read_midi(path)
    assert sorted(back.notes.pitch.tolist()) == [36, 38, 38, 38]
    assert np.unique(back.notes.onset_beat[back.notes.pitch == 38]).size == 3


def test_notes_at_different_places_are_where_they_are_played():
    given = make_notes([0.0, 1.0, 1.0], [0.1] * 3, [38, 38, 36], [90, 80, 70])
    decoded = given._replace(onset_beat=np.asarray([0.25, 1.5, 1.5], np.float32))
    played = place(given, np.arange(3), np.asarray(given.onset_beat, np.float64)).follow(decoded)
    assert played.onset_beat.tolist() == [0.25, 1.5, 1.5]
