"""Parsed songs on disk: hit, miss, change, damage."""

import dataclasses
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from song_files import ROWS, assert_same_songs, load_groove, make_groove, write_song
from tiny_run import ROOT

from drumjax.data.packed_songs import pack_songs, unpack_songs
from drumjax.data.song_cache import load_songs, store_songs
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


def put(name, value, at=0):
    """A change of one entry of an array."""

    def change(arrays):
        arrays[name] = arrays[name].copy()
        arrays[name][at] = value

    return change


def text(name, value):
    return lambda arrays: arrays.update({name: np.frombuffer(value, np.uint8)})


FALSE = {
    "onset nan": put("onset_beat", np.nan, 1),
    "onset infinite": put("onset_beat", -np.inf),
    "onset beyond all songs": put("onset_beat", 1e9, 3),
    "onsets not in order": put("onset_beat", 7.0),
    "duration negative": put("duration_beat", -1),
    "duration nan": put("duration_beat", np.nan),
    "duration infinite": put("duration_beat", np.inf),
    "pitch 128": put("pitch", 128),
    "velocity 0": put("velocity", 0),
    "velocity 200": put("velocity", 200),
    "velocity of another type": lambda arrays: arrays.update(velocity=np.full(4, 300, np.int64)),
    "metre 0/0": put("time_signature", 0),
    "metre 4/3": put("time_signature", (4, 3)),
    "metre of one number": lambda arrays: arrays.update(time_signature=np.full(2, 4)),
    "tempo 0": put("tempo_bpm", 0),
    "tempo nan": put("tempo_bpm", np.nan),
    "tempo infinite": put("tempo_bpm", np.inf),
    "program 200": put("program", 200),
    "a song of the last file by a negative number": put("index", -1),
    "a song without notes": put("song_start", 0, 1),
    "songs that begin late": put("song_start", 1),
    "too few programs": lambda arrays: arrays.update(program=arrays["program"][:1]),
    "a reason that is no text": text("failures", b'{"2": 5}'),
    "a reason at a negative place": text("failures", b'{"-1": "bad"}'),
    "notices that are none": text("notices", b'{"0": [["a", "b"]]}'),
}


@pytest.mark.parametrize("name", FALSE)
def test_arrays_that_are_false_are_read_again(name, tmp_path, caplog):
    songs = [Song(make_notes([0, 1], [1, 1], [36, 38], [100, 90]), notices=(Notice("x"),)) for _ in range(2)]
    arrays = pack_songs([*([song] for song in songs), "a reason"])
    store_songs(tmp_path / "songs.npz", arrays)
    found = load_songs(tmp_path / "songs.npz", ["a", "b", "c"])
    assert found is not None
    assert_same_songs([found[0][0], found[1][0]], [dataclasses.replace(songs[k], name="ab"[k]) for k in range(2)])
    FALSE[name](arrays)
    store_songs(tmp_path / "songs.npz", arrays)
    assert load_songs(tmp_path / "songs.npz", ["a", "b", "c"]) is None
    assert "is damaged" in caplog.text


def test_a_cache_without_songs_is_one():
    arrays = pack_songs(["a reason", "another"])
    assert unpack_songs(arrays, ["a", "b"]) == ["a reason", "another"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_file_that_would_fill_the_memory_is_not_unpacked(tmp_path):
    """389 kB, 858 MB once unpacked."""
    path = tmp_path / "songs.npz"
    arrays = pack_songs([[Song(make_notes([0], [1], [36], [100]))]])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                if name != "onset_beat":
                    np.lib.format.write_array(member, array)
                    continue
                header = {"descr": "<f4", "fortran_order": False, "shape": (858 * 250_000,)}
                np.lib.format.write_array_header_1_0(member, header)
                for _ in range(858):
                    member.write(bytes(1_000_000))
    assert path.stat().st_size < 400_000
    code = """if True:
        import pathlib, resource, sys
        from drumjax.data.song_cache import load_songs
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 100 * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        assert load_songs(pathlib.Path(sys.argv[1]), ["a"]) is None
    """
    done = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "858" in done.stderr
    assert "once unpacked" in done.stderr


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
