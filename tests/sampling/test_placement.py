"""Given notes follow what is played of their cells, and none of them is lost."""

import numpy as np
import pytest

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


def test_strokes_of_a_cell_differ_as_people_s_do():
    """Two notes to each cell: those given as loud are a roll, in which the second is softer; those not keep their
    relation."""
    cells = np.repeat(np.arange(200), 2)
    onset = np.arange(400) / 8
    given = make_notes(onset, [0.1] * 400, [38] * 400, [100] * 200 + [100, 50] * 100)
    decoded = make_notes(np.arange(200) / 4, [0.1] * 200, [38] * 200, [80] * 200)
    placement = place(given, cells, np.floor(onset * 4) / 4)
    for spread in (0.0, 1.0):
        played = placement.follow(decoded, spread=spread).velocity.reshape(-1, 2)
        assert (played[:, 0] == 80).all()
        assert (played[100:, 1] == 40).all()
        ratio = np.log(played[:100, 1] / 80)
        assert np.median(ratio) == pytest.approx(-0.15, abs=0.15)
        assert ratio.std() == pytest.approx(0.4 * spread, abs=0.12)
    again = placement.follow(decoded)
    np.testing.assert_array_equal(again.velocity, played.ravel())
    other = placement.follow(decoded._replace(onset_beat=decoded.onset_beat + np.float32(0.01)))
    assert (other.velocity != again.velocity).any()
    assert placement.follow(decoded, keep_accents=1.0).velocity.tolist() == given.velocity.tolist()
