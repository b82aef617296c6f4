"""Groove-like folders: where they are found, and what info.csv may do to us."""

import os

import pytest
from song_files import ROWS, load_groove, make_groove, write_song

from drumjax.config.data import DataSettings
from drumjax.data.datasets import DatasetError, load_dataset
from drumjax.music.notes import FILL_NO, FILL_YES


def test_groove_context_comes_from_info_csv(tmp_path):
    dataset = load_groove(make_groove(tmp_path / "groove", ROWS), tmp_path)
    first, second, third = dataset.songs
    assert (first.name, first.tempo_bpm, first.time_signature) == ("drummer1/0.mid", 96.5, (4, 4))
    assert (first.style, first.fill, first.split, first.drummer) == ("rock", FILL_NO, "train", "drummer1")
    assert (second.fill, second.split) == (FILL_YES, "validation")
    assert (third.time_signature, third.drummer, third.split) == ((6, 8), "drummer2", "test")
    assert first.notes.pitch.tolist() == [36, 38, 42, 46]
    assert dataset.skipped == {"file listed but absent": ["drummer1/3.mid"]}
    assert dataset.source == f"Groove MIDI Dataset v1.0.0 in {tmp_path / 'groove'}"
    summary = dataset.summary()
    assert "3 songs (1 test, 1 train, 1 validation)" in summary
    assert "skipped 1: file listed but absent (drummer1/3.mid)" in summary


def test_files_without_a_row_are_ignored(tmp_path):
    directory = make_groove(tmp_path / "groove", ROWS)
    write_song(directory / "drummer1" / "unlisted.mid", 99)
    assert len(load_groove(directory, tmp_path).songs) == 3


def test_one_broken_file_among_30_is_named_and_counted(tmp_path):
    directory = make_groove(tmp_path / "groove", [{}] * 30)
    (directory / "drummer1" / "7.mid").write_bytes(b"nonsense")
    dataset = load_groove(directory, tmp_path)
    assert len(dataset.songs) == 29
    assert dataset.skipped == {"not a MIDI file": ["drummer1/7.mid"]}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"bpm": "fast"}, "bad bpm in info.csv"),
        ({"bpm": "nan"}, "bad bpm in info.csv"),
        ({"bpm": "-3"}, "bad bpm in info.csv"),
        ({"time_signature": "4/4"}, "bad time signature in info.csv"),
        ({"time_signature": "0-4"}, "bad time signature in info.csv"),
        ({"split": "valid"}, "unknown split in info.csv"),
        ({"midi_filename": "../outside.mid"}, "path outside the dataset in info.csv"),
        ({"midi_filename": "/outside.mid", "absent": True}, "path outside the dataset in info.csv"),
        ({"midi_filename": "drummer1/0.mid"}, "listed twice in info.csv"),
        ({"midi_filename": "x" * 5000, "absent": True}, "file listed but absent"),
    ],
)
def test_a_row_that_makes_no_sense_is_skipped(tmp_path, row, reason):
    directory = make_groove(tmp_path / "groove", [{}, row | {"absent": True}])
    write_song(tmp_path / "outside.mid", 1)
    dataset = load_groove(directory, tmp_path)
    assert [song.name for song in dataset.songs] == ["drummer1/0.mid"]
    assert list(dataset.skipped) == [reason]


def test_info_csv_with_short_rows_and_a_byte_order_mark(tmp_path):
    directory = make_groove(tmp_path / "groove", ROWS)
    text = (directory / "info.csv").read_text()
    (directory / "info.csv").write_text("\ufeff" + text + "drummer1,rock\n", encoding="utf-8")
    dataset = load_groove(directory, tmp_path)
    assert len(dataset.songs) == 3
    assert dataset.skipped["unknown split in info.csv"] == ["line 6 of info.csv"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lacks the columns drummer, style"),
        (b"style,bpm,beat_type,time_signature,midi_filename,drummer\n", "lacks the columns split"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'a,"' + b"x" * 200_000, "cannot be read"),
        (b"drummer,style,bpm,beat_type,time_signature,midi_filename,split\n", "it lists no file"),
    ],
)
def test_a_broken_info_csv_is_one_clear_error(tmp_path, content, message):
    (tmp_path / "info.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        load_groove(tmp_path, tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_given_folder_that_is_not_groove_is_an_error_without_fallback(tmp_path):
    make_groove(tmp_path / "groove", ROWS)
    with pytest.raises(DatasetError, match="did you mean"):
        load_groove(tmp_path, tmp_path)
    with pytest.raises(DatasetError, match=r"no info\.csv"):
        load_groove(tmp_path / "nowhere", tmp_path)


def test_groove_is_found_in_drumjax_data_then_in_the_cache(tmp_path, monkeypatch, caplog):
    make_groove(tmp_path / "groove", ROWS)
    monkeypatch.setenv("DRUMJAX_DATA", str(tmp_path))
    dataset = load_dataset(DataSettings(fallback=False), cache_dir=tmp_path / "cache")
    assert dataset.source.endswith(str(tmp_path / "groove"))
    os.rename(tmp_path / "groove", tmp_path / "cache" / "groove-v1.0.0")
    dataset = load_dataset(DataSettings(fallback=False), cache_dir=tmp_path / "cache")
    assert dataset.source.endswith(str(tmp_path / "cache" / "groove-v1.0.0"))
    assert f"DRUMJAX_DATA is {tmp_path}" in caplog.text


def test_cached_groove_without_info_csv_is_an_error(tmp_path, monkeypatch):
    monkeypatch.delenv("DRUMJAX_DATA", raising=False)
    write_song(tmp_path / "cache" / "groove-v1.0.0" / "x.mid", 0)
    with pytest.raises(DatasetError, match="delete the folder"):
        load_dataset(DataSettings(), cache_dir=tmp_path / "cache")
