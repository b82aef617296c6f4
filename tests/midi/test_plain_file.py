"""Plain files are read as read_midi reads them, or not at all."""

import dataclasses

import numpy as np
import pytest
from bars import ROCK, make_song

from drumjax.midi.plain_file import read_plain
from drumjax.midi.reader import read_midi, write_midi
from drumjax.music.notes import Song, make_notes


def assert_same(path, is_drums):
    plain = read_plain(path, is_drums=is_drums)
    other = read_midi(path, instrument="drums" if is_drums else "pitched")
    for column, expected in zip(plain.notes, other.notes, strict=True):
        np.testing.assert_array_equal(column, expected)
    assert plain.tempo_bpm == pytest.approx(other.tempo_bpm)
    for name in ("time_signature", "is_drums", "program", "name"):
        assert getattr(plain, name) == getattr(other, name), name


@pytest.mark.parametrize("is_drums", [True, False])
def test_a_plain_file_is_read_as_others_are(tmp_path, is_drums):
    generator = np.random.default_rng(0)
    for number in range(20):
        count = int(generator.integers(1, 200))
        notes = make_notes(
            generator.uniform(0, 30, count).round(int(generator.integers(0, 4))), generator.uniform(0, 2, count),
            generator.integers(30, 60, count), generator.integers(1, 128, count),
        )  # fmt: skip
        metre = [(4, 4), (7, 8), (3, 4)][number % 3]
        song = Song(notes, float(generator.uniform(40, 300)), metre, is_drums=is_drums, program=0 if is_drums else 40)
        write_midi(song, tmp_path / "song.mid")
        assert_same(tmp_path / "song.mid", is_drums)


def test_what_is_not_plain_is_left_to_the_reader(tmp_path):
    song = make_song([ROCK] * 2)
    timeline = song.timeline
    odd = [
        timeline._replace(tempos=((0.0, 120.0), (4.0, 90.0))),
        timeline._replace(metres=((0.0, (4, 4)), (4.0, (3, 4)))),
        timeline._replace(messages=((1.0, bytes((0xB9, 4, 90))),)),
    ]
    path = tmp_path / "song.mid"
    for one in odd:
        write_midi(dataclasses.replace(song, timeline=one), path)
        assert read_plain(path, is_drums=True) is None
    write_midi(song, path)
    assert read_plain(path, is_drums=True)
    assert read_plain(path, is_drums=False) is None  # of another channel
    data = path.read_bytes()
    for broken in (b"", data[: len(data) // 2], data.replace(b"MThd", b"MThx"), data[:-40]):
        path.write_bytes(broken)
        assert read_plain(path, is_drums=True) is None
    write_midi(Song(make_notes([], [], [], [])), path)
    assert read_plain(path, is_drums=True) is None
