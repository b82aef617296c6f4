"""Reading many files: errors, worker processes."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from song_files import ROWS, load_groove, make_groove, write_song

from drumjax.data import song_reader
from drumjax.music.notes import Song


@pytest.fixture
def read_names(monkeypatch) -> list[str]:
    """The names of the files that read_midi is called for in this process."""
    names, read_midi = [], song_reader.read_midi

    def read(path, **kwargs):
        names.append(path.name)
        return read_midi(path, **kwargs)

    monkeypatch.setattr(song_reader, "read_midi", read)
    return names


def test_an_unexpected_error_of_the_reader_stops_nothing(tmp_path, monkeypatch):
    directory = make_groove(tmp_path / "groove", ROWS)
    read_midi = song_reader.read_midi

    def fail_once(path, **kwargs):
        if path.name == "1.mid":
            raise RecursionError("deep")
        return read_midi(path, **kwargs)

    monkeypatch.setattr(song_reader, "read_midi", fail_once)
    dataset = load_groove(directory, tmp_path)
    assert len(dataset.songs) == 2
    assert dataset.skipped["unexpected RecursionError"] == ["drummer1/1.mid"]


@pytest.mark.parametrize("changed", ["drumjax.midi.reader", "drumjax.midi.sanitizer"])
def test_another_reader_is_another_cache_file(monkeypatch, changed):
    def get_key() -> str:
        return song_reader._cache_key([song_reader.SongFile("a.mid", "a.mid", "1")], "folder", "drums")

    key, getsource = get_key(), inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda m: getsource(m) + "#" * (m.__name__ == changed))
    assert get_key() != key


def read_with_two_workers(directory: Path, tmp_path: Path):
    return song_reader.read_songs(
        [song_reader.SongFile(f"{i}.mid", str(directory / f"{i}.mid"), str(i)) for i in range(6)],
        kind="folder", take=song_reader.Take(), cache_dir=tmp_path / "cache", num_workers=2,
    )  # fmt: skip


@pytest.fixture
def six_files(tmp_path, monkeypatch) -> Path:
    """A folder of six files, one of them broken, enough to start workers for."""
    for seed in range(6):
        write_song(tmp_path / "songs" / f"{seed}.mid", seed)
    (tmp_path / "songs" / "4.mid").write_bytes(b"nonsense")
    monkeypatch.setattr(song_reader, "PARALLEL_FROM", 2)
    monkeypatch.setattr(song_reader, "_FILES_PER_WORKER", 3)
    monkeypatch.setattr(song_reader, "_CHUNK_FILES", 2)
    return tmp_path / "songs"


def test_workers_read_the_same_in_the_same_order(tmp_path, six_files, read_names):
    results = read_with_two_workers(six_files, tmp_path)
    assert read_names == []  # not in this process
    assert results[4] == "not a MIDI file"
    velocity = [result.notes.velocity[0] for result in results if isinstance(result, Song)]
    assert velocity == [1, 2, 3, 4, 6]


@pytest.mark.parametrize("error", [OSError("no more processes"), RuntimeError("can't start new thread")])
def test_without_workers_this_process_reads(tmp_path, six_files, monkeypatch, caplog, read_names, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(song_reader.concurrent.futures, "ProcessPoolExecutor", fail)
    assert len(read_with_two_workers(six_files, tmp_path)) == 6
    assert len(read_names) == 6
    assert "cannot read in parallel" in caplog.text


def test_a_script_without_main_guard_runs_once(tmp_path, six_files):
    """Each worker imports such a script again; it must not go on there, e.g. to train."""
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom drumjax.data import song_reader\n"
        "song_reader.PARALLEL_FROM = 2\nsong_reader._FILES_PER_WORKER = 3\n"
        f"folder = Path({str(six_files)!r})\n"
        "files = [song_reader.SongFile(p.name, str(p), '') for p in sorted(folder.iterdir())]\n"
        f"cache = Path({str(tmp_path / 'cache')!r})\n"
        "results = song_reader.read_songs(files, kind='x', take=song_reader.Take(), cache_dir=cache, num_workers=2)\n"
        "print('read', len(results), flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(song_reader.__file__).parents[1])}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "read 6\n"
    assert "cannot read in parallel" in done.stderr
