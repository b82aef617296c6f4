"""Parsed songs on disk: hit, miss, change, damage."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from song_files import ROWS, assert_same_songs, load_groove, make_groove, write_song

from drumjax.data.song_cache import pack_songs, unpack_songs
from drumjax.music.notes import Notice, Song, make_notes


def cache_file(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "cache" / "songs").iterdir()  # exactly one, no temporary files
    return path


def test_the_second_time_comes_from_the_cache(tmp_path, read_names):
    directory = make_groove(tmp_path / "groove", ROWS)
    (directory / "drummer1" / "1.mid").write_bytes(b"nonsense")
    first = load_groove(directory, tmp_path)
    assert len(read_names) == 3
    second = load_groove(directory, tmp_path)
    assert len(read_names) == 3
    assert_same_songs(first.songs, second.songs)
    assert first.skipped == second.skipped
    assert cache_file(tmp_path).name.startswith("groove-")


def test_a_changed_file_a_changed_list_or_another_instrument_is_read_again(tmp_path, read_names):
    directory = make_groove(tmp_path / "groove", ROWS)
    load_groove(directory, tmp_path)
    write_song(directory / "drummer1" / "1.mid", 77)
    os.utime(directory / "drummer1" / "1.mid", ns=(1, 1))
    changed = load_groove(directory, tmp_path)
    assert len(read_names) == 6
    assert changed.songs[1].notes.velocity[0] == 78
    load_groove(directory, tmp_path, instrument="all")
    assert len(read_names) == 9
    (directory / "drummer1" / "1.mid").unlink()
    assert len(load_groove(directory, tmp_path).songs) == 2
    assert len(read_names) == 11


def test_a_change_of_the_rows_needs_no_reading(tmp_path, read_names):
    directory = make_groove(tmp_path / "groove", ROWS)
    load_groove(directory, tmp_path)
    text = (directory / "info.csv").read_text()
    (directory / "info.csv").write_text(text.replace("96.5", "97.5"))
    assert load_groove(directory, tmp_path).songs[0].tempo_bpm == 97.5
    assert len(read_names) == 3


def object_arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, index=np.asarray([{"code": print}], object))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"nonsense",
        lambda data: data[: len(data) // 2],
        lambda data: data[:300] + bytes(byte ^ 8 for byte in data[300:400]) + data[400:],
        lambda data: object_arrays(),
    ],
    ids=["empty", "nonsense", "truncated", "flipped bits", "pickle"],
)
def test_a_damaged_cache_is_rebuilt(tmp_path, read_names, damage, caplog):
    directory = make_groove(tmp_path / "groove", ROWS)
    first = load_groove(directory, tmp_path)
    path = cache_file(tmp_path)
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert_same_songs(load_groove(directory, tmp_path).songs, first.songs)
    assert len(read_names) == 6
    assert "is damaged" in caplog.text
    assert path.read_bytes() == content  # and equal songs make equal files


def test_every_flipped_byte_of_a_cache_is_noticed_or_harmless(tmp_path):
    directory = make_groove(tmp_path / "groove", ROWS[:1])
    first = load_groove(directory, tmp_path)
    path = cache_file(tmp_path)
    content = path.read_bytes()
    for position in np.random.default_rng(0).choice(len(content), 100, replace=False):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x55]) + content[position + 1 :])
        assert_same_songs(load_groove(directory, tmp_path).songs, first.songs)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("pitch"),
        lambda arrays: arrays.update(pitch=arrays["pitch"][:-1]),
        lambda arrays: arrays.update(song_start=arrays["song_start"] * 2),
        lambda arrays: arrays.update(index=arrays["index"] + 1),
        lambda arrays: arrays.update(failures=np.frombuffer(b"{}", np.uint8)),
        lambda arrays: arrays.update(failures=np.frombuffer(b'{"0": "x", "1": "y"}', np.uint8)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change):
    song = Song(make_notes([0, 1], [1, 1], [36, 38], [100, 90]))
    arrays = pack_songs([[song], "a reason"])
    assert unpack_songs(arrays, ["a", "b"])[1] == "a reason"
    change(arrays)
    with pytest.raises((ValueError, KeyError, IndexError)):
        unpack_songs(arrays, ["a", "b"])


def test_the_parts_of_a_file_and_what_was_said_of_it_are_kept():
    notes = make_notes([0, 1], [1, 1], [36, 38], [100, 90])
    parts = [Song(notes, notices=(Notice("silent bars left out", 3),)), Song(notes, time_signature=(3, 4))]
    (back,) = unpack_songs(pack_songs([parts]), ["a.mid"])
    assert [song.name for song in back] == ["a.mid (part 1)", "a.mid (part 2)"]
    assert [song.time_signature for song in back] == [(4, 4), (3, 4)]
    assert [song.notices for song in back] == [parts[0].notices, ()]


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path, caplog):
    directory = make_groove(tmp_path / "groove", ROWS)
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert len(load_groove(directory, tmp_path).songs) == 3
    assert "cannot keep the songs" in caplog.text


def test_a_full_disk_leaves_nothing_in_the_cache(tmp_path, monkeypatch, caplog):
    def fail(source, target):
        raise OSError(28, "No space left on device")

    directory = make_groove(tmp_path / "groove", ROWS)
    monkeypatch.setattr("drumjax.data.song_cache.os.replace", fail)
    assert len(load_groove(directory, tmp_path).songs) == 3
    assert "No space left" in caplog.text
    assert list((tmp_path / "cache" / "songs").iterdir()) == []
