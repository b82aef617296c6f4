"""Any folder of MIDI files: which files, in which split."""

import os

import pytest
from song_files import load_folder, write_song

from drumjax.config.data import DataSettings
from drumjax.data import midi_folder
from drumjax.data.datasets import DatasetError, load_dataset
from drumjax.midi.reader import write_midi
from drumjax.music.notes import Song, make_notes


def test_folder_is_sorted_recursive_and_case_insensitive(tmp_path):
    for seed, name in enumerate(["b.mid", "a/z.MIDI", "a/b/c.Mid"]):
        write_song(tmp_path / "songs" / name, seed)
    (tmp_path / "songs" / "notes.txt").write_text("not a song")
    dataset = load_folder(tmp_path / "songs", tmp_path)
    assert [song.name for song in dataset.songs] == ["a/b/c.Mid", "a/z.MIDI", "b.mid"]
    assert {song.split for song in dataset.songs} == {"train", "validation"}
    assert {song.style for song in dataset.songs} == {""}
    assert dataset.source == f"MIDI files in {tmp_path / 'songs'}"


def test_split_depends_on_the_content_only(tmp_path):
    folder = tmp_path / "songs"
    for seed in range(40):
        write_song(folder / f"{seed}.mid", seed)
    before = {song.name: song.split for song in load_folder(folder, tmp_path, validation_fraction=0.3).songs}
    assert 4 <= list(before.values()).count("validation") <= 20
    os.rename(folder / "3.mid", folder / "renamed.mid")
    for seed in range(40, 60):
        write_song(folder / f"{seed}.mid", seed)
    after = {song.name: song.split for song in load_folder(folder, tmp_path, validation_fraction=0.3).songs}
    assert after.pop("renamed.mid") == before.pop("3.mid")
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("fraction", [1e-9, 1 - 1e-9])
def test_both_splits_exist_from_two_songs_on(tmp_path, fraction):
    for seed in range(2):
        write_song(tmp_path / "songs" / f"{seed}.mid", seed)
    dataset = load_folder(tmp_path / "songs", tmp_path, validation_fraction=fraction)
    assert sorted(song.split for song in dataset.songs) == ["train", "validation"]


def test_the_song_that_moves_is_the_nearest():
    songs = [Song(make_notes([0], [1], [36], [100]))] * 3
    hashes = [letter * 64 for letter in "8a9"]
    assert [s.split for s in midi_folder.assign_splits(songs, hashes, 0.1)] == ["validation", "train", "train"]
    assert [s.split for s in midi_folder.assign_splits(songs, hashes, 0.9)] == ["validation", "train", "validation"]
    assert [s.split for s in midi_folder.assign_splits(songs[:1], hashes[:1], 0.1)] == ["train"]


def test_duplicates_are_skipped_and_counted(tmp_path):
    for name in ("a.mid", "b.mid", "c/a.mid"):
        write_song(tmp_path / "songs" / name, 5)
    write_song(tmp_path / "songs" / "d.mid", 6)
    dataset = load_folder(tmp_path / "songs", tmp_path)
    assert [song.name for song in dataset.songs] == ["a.mid", "d.mid"]
    assert dataset.skipped == {"duplicate of another file": ["b.mid", "c/a.mid"]}


def test_odd_files_are_skipped_by_reason(tmp_path):
    folder = tmp_path / "songs"
    write_song(folder / "good.mid", 0)
    write_song(folder / "piano.mid", 1, is_drums=False)
    write_song(folder / ".hidden" / "a.mid", 2)
    (folder / "._good.mid").write_bytes(b"what macOS leaves")
    (folder / "folder.mid").mkdir()
    (folder / "nowhere.mid").symlink_to(folder / "missing")
    os.mkfifo(folder / "pipe.mid")
    (folder / "large.mid").write_bytes(bytes(midi_folder.MAX_FILE_BYTES + 1))
    (folder / os.fsdecode(b"caf\xe9.mid")).write_bytes(b"not text, not MIDI")
    dataset = load_folder(folder, tmp_path)
    assert [song.name for song in dataset.songs] == ["good.mid"]
    assert dataset.skipped == {
        "not a regular file": ["nowhere.mid", "pipe.mid"],
        "file too large": ["large.mid"],
        "no drum track": ["piano.mid"],
        "not a MIDI file": ["caf�.mid"],
    }
    dataset.summary().encode()
    assert len(load_folder(folder, tmp_path, instrument="all").songs) == 2


def test_a_folder_without_songs_is_one_clear_error(tmp_path):
    folder = tmp_path / "songs"
    with pytest.raises(DatasetError, match=r"set config\.data\.dir"):
        load_dataset(DataSettings(dataset="folder"))
    with pytest.raises(DatasetError, match="songs is not a folder"):
        load_folder(folder, tmp_path)
    folder.mkdir()
    with pytest.raises(DatasetError, match="holds no"):
        load_folder(folder, tmp_path)
    for seed in range(5):
        (folder / f"{seed}.mid").write_bytes(b"nonsense %d" % seed)
    with pytest.raises(DatasetError, match=r"no usable song .* 5: not a MIDI file \(0.mid, 1.mid, 2.mid, \.\.\.\)"):
        load_folder(folder, tmp_path)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    def walk(directory, onerror):
        onerror(PermissionError(13, "Permission denied", str(directory / "secret")))
        return real_walk(directory)

    write_song(tmp_path / "songs" / "a.mid", 0)
    real_walk = os.walk
    monkeypatch.setattr(midi_folder.os, "walk", walk)
    dataset = load_folder(tmp_path / "songs", tmp_path)
    assert dataset.skipped == {"folder cannot be listed": [str(tmp_path / "songs" / "secret")]}


def test_a_folder_of_piano_suggests_the_other_instrument(tmp_path):
    write_song(tmp_path / "songs" / "piano.mid", 1, is_drums=False)
    with pytest.raises(DatasetError, match=r"no drum track \(piano.mid\).*config\.data\.instrument=all"):
        load_folder(tmp_path / "songs", tmp_path)


def test_a_folder_of_pieces_of_songs_and_odd_endings(tmp_path):
    """Files with lyrics or in a RIFF container are MIDI files, too; silence is left out, and counted."""
    notes = make_notes([160, 161, 200], [1] * 3, [36] * 3, [90] * 3)
    (tmp_path / "songs").mkdir()
    write_midi(Song(notes), tmp_path / "songs" / "late.mid")
    for number, name in enumerate(("a.kar", "b.smf", "c.MIDI"), 1):
        write_song(tmp_path / "songs" / name, number)
    data = (tmp_path / "songs" / "a.kar").read_bytes().replace(b"a.kar", b"x")
    (tmp_path / "songs" / "d.rmi").write_bytes(b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + data)
    dataset = load_folder(tmp_path / "songs", tmp_path)
    assert [song.name for song in dataset.songs] == [
        "a.kar", "b.smf", "c.MIDI", "d.rmi", "late.mid (part 1)", "late.mid (part 2)",
    ]  # fmt: skip
    assert [song.num_bars for song in dataset.songs] == [1] * 6
    assert len({song.split for song in dataset.songs[-2:]}) == 1
    assert dataset.notices == {"silent bars left out": {"late.mid (part 1)": 40 + 9}}
    assert "1 files were read otherwise than they are written" in dataset.summary()
