"""Figures of notes on music whose figures are known."""

import numpy as np
import pytest

from drumjax.evaluate.features.notes import FEATURES, cut_song, find_stretches, measure
from drumjax.music.notes import Song, make_notes

NAMES = [feature.name for feature in FEATURES]


def figures(beats, pitches, durations=None, velocities=None, num_bars=2, time_signature=(4, 4)):
    size = len(beats)
    notes = make_notes(beats, durations or [0.5] * size, pitches, velocities or [64] * size)
    song = Song(notes, time_signature=time_signature, is_drums=False)
    return dict(zip(NAMES, measure([song], num_bars)[0], strict=True))


def test_a_scale():
    found = figures(range(8), [60, 62, 64, 65, 67, 69, 71, 72], durations=[1.0] * 8)
    assert found["density"] == 1
    assert found["chord size"] == 1
    assert found["sounding"] == pytest.approx(1)
    assert found["range"] == 12
    assert found["leap"] == pytest.approx(12 / 7)
    assert found["in key"] == 1
    assert found["interval"] == 1
    assert found["rhythm in common"] == 1


def test_chords_and_a_chromatic_line():
    chords = figures([0, 0, 0, 4, 4, 4], [60, 64, 67, 60, 64, 67], durations=[4.0] * 6)
    assert (chords["chord size"], chords["sounding"], chords["interval"]) == (3, 3, 4)
    assert chords["pitch classes"] == pytest.approx(np.log2(3))
    line = figures(np.arange(12) / 2, range(60, 72))
    assert line["in key"] == pytest.approx(7 / 12)
    assert line["pitch classes"] == pytest.approx(np.log2(12))


def test_rhythms_that_differ_and_silence():
    found = figures([0, 1, 2, 3, 4.5, 5.5, 6.5, 7.5], [60] * 8)
    assert found["rhythm in common"] == pytest.approx(0.5)  # half of the 16 places differ
    silent = figures([], [])
    assert silent["density"] == 0
    assert np.isnan(silent["pitch"])


def test_stretches():
    notes = make_notes([0.0, 9.0, 23.99, 40.0], [1] * 4, [60, 62, 64, 65], [64] * 4)
    song = Song(notes, is_drums=False)
    assert song.num_bars == 11
    found = find_stretches([song], 2)
    assert [first for _, first in found] == [0, 2, 6]  # bars 5 and 6 are silent, 11 is no whole stretch
    assert cut_song(song, 6, 2).notes.onset_beat.tolist() == [0.0]
    assert cut_song(song, 2, 2).notes.onset_beat.tolist() == [1.0]
