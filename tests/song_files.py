"""MIDI files and Groove-like folders for the tests of everything that reads songs."""

import csv
import dataclasses
from pathlib import Path

import numpy as np

from drumjax.config.data import DataSettings
from drumjax.data.datasets import load_dataset
from drumjax.jobs import song_writer
from drumjax.midi.reader import write_midi
from drumjax.music.notes import Song, make_notes
from drumjax.system.files import write_atomically


def write_song(path: Path, seed: int, *, is_drums: bool = True) -> None:
    """A MIDI file of one bar whose content depends on the seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onset = np.arange(4.0)
    velocity = [1 + seed % 127, 1 + seed // 127 % 127, 90, 100]
    write_midi(Song(make_notes(onset, np.full(4, 0.25), [36, 38, 42, 46], velocity), is_drums=is_drums), path)


def make_groove(directory: Path, rows: list[dict], columns=None) -> Path:
    """A folder like Groove's with these rows of info.csv, and a file for each that has no key "absent"."""
    defaults = {"drummer": "drummer1", "style": "rock", "bpm": "100", "beat_type": "beat", "split": "train"}
    defaults["time_signature"] = "4-4"
    directory.mkdir(exist_ok=True)
    columns = columns or ["drummer", "style", "bpm", "beat_type", "time_signature", "midi_filename", "split"]
    with (directory / "info.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for number, row in enumerate(rows):
            row = defaults | {"midi_filename": f"drummer1/{number}.mid"} | row
            writer.writerow(row)
            if "absent" not in row:
                write_song(directory / row["midi_filename"], number)
    return directory


ROWS: list[dict] = [
    {"style": "rock/halftime", "split": "train", "bpm": "96.5"},
    {"style": "rock", "beat_type": "fill", "split": "validation"},
    {"style": "jazz", "time_signature": "6-8", "drummer": "drummer2", "split": "test"},
    {"style": "jazz", "split": "train", "absent": True},
]


def load_groove(directory: Path, tmp_path: Path, **settings):
    return load_dataset(DataSettings(dir=str(directory), **settings), cache_dir=tmp_path / "cache")


def load_folder(directory: Path, tmp_path: Path, **settings):
    return load_dataset(DataSettings("folder", str(directory), **settings), cache_dir=tmp_path / "cache")


def assert_same_songs(songs, others):
    for song, other in zip(songs, others, strict=True):
        assert dataclasses.replace(song, notes=None) == dataclasses.replace(other, notes=None)
        for array, other_array in zip(song.notes, other.notes, strict=True):
            assert array.dtype == other_array.dtype
            np.testing.assert_array_equal(array, other_array)


def fail_at(monkeypatch, index, error):
    """Lets the file of that sample fail."""

    def write(path, midi):
        if path.name == f"{index:06d}.mid":
            raise error
        write_atomically(path, midi)

    monkeypatch.setattr(song_writer, "write_atomically", write)
