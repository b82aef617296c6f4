"""Reading many files: errors, worker processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from song_files import ROWS, load_groove, make_groove, write_song

from drumjax.data import read_worker, song_reader


def test_an_unexpected_error_of_the_reader_stops_nothing(tmp_path, monkeypatch):
    directory = make_groove(tmp_path / "groove", ROWS)
    read_midi = read_worker.read_midi

    def fail_once(path, **kwargs):
        if path.name == "1.mid":
            raise RecursionError("deep")
        return read_midi(path, **kwargs)

    monkeypatch.setattr(read_worker, "read_midi", fail_once)
    dataset = load_groove(directory, tmp_path)
    assert len(dataset.songs) == 2
    assert dataset.skipped["unexpected RecursionError"] == ["drummer1/1.mid"]


def test_another_reader_is_another_cache_file(monkeypatch):
    def get_key() -> str:
        return song_reader._cache_key([song_reader.SongFile("a.mid", "a.mid", "1")], "folder", song_reader.Take())

    key = get_key()
    assert get_key() == key
    monkeypatch.setattr(song_reader, "READER_VERSION", song_reader.READER_VERSION + 1)
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
    velocity = [result[0].notes.velocity[0] for result in results if not isinstance(result, str)]
    assert velocity == [1, 2, 3, 4, 6]


def test_of_very_many_files_those_that_were_read_are_not_read_again(tmp_path, six_files, monkeypatch, read_names):
    """They are read and kept in parts, each file in a part by its name."""
    monkeypatch.setattr(song_reader, "PARALLEL_FROM", 99)
    whole = read_with_two_workers(six_files, tmp_path / "whole")
    assert len(read_names) == 6
    read_names.clear()
    monkeypatch.setattr(song_reader, "PART_FILES", 2)
    read_all, parts = song_reader._read_all, []

    def fail_at_last(files, *args):
        parts.append([file.name for file in files])
        if len(parts) == 2:
            raise KeyboardInterrupt
        return read_all(files, *args)

    monkeypatch.setattr(song_reader, "_read_all", fail_at_last)
    with pytest.raises(KeyboardInterrupt):
        read_with_two_workers(six_files, tmp_path)
    assert sorted(read_names) == sorted(parts[0])
    read_names.clear()
    found = read_with_two_workers(six_files, tmp_path)
    assert not set(parts[0]) & set(read_names)
    assert len(read_names) == 6 - len(parts[0])
    for ours, expected in zip(found, whole, strict=True):
        assert isinstance(ours, str) == isinstance(expected, str)
        if not isinstance(ours, str):
            assert ours[0].name == expected[0].name
            assert ours[0].notes.onset_beat.tobytes() == expected[0].notes.onset_beat.tobytes()
    read_names.clear()
    read_with_two_workers(six_files, tmp_path)
    assert not read_names


@pytest.mark.parametrize(
    ("where", "error"),
    [
        (subprocess, OSError("no more processes")),
        (song_reader.concurrent.futures, RuntimeError("can't start new thread")),
    ],
    ids=["error0", "error1"],
)
def test_without_workers_this_process_reads(tmp_path, six_files, monkeypatch, caplog, read_names, where, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(where, "Popen" if where is subprocess else "ThreadPoolExecutor", fail)
    assert len(read_with_two_workers(six_files, tmp_path)) == 6
    assert len(read_names) == 6
    assert "cannot read in parallel" in caplog.text


def test_a_worker_that_dies_does_not_end_the_reading(tmp_path, six_files, monkeypatch, caplog, read_names):
    """Killed by the system, say, for memory."""
    start = song_reader._start_worker

    def start_and_kill():
        worker = start()
        worker.kill()
        worker.wait()
        return worker

    monkeypatch.setattr(song_reader, "_start_worker", start_and_kill)
    assert len(read_with_two_workers(six_files, tmp_path)) == len(read_names) == 6
    assert "cannot read in parallel" in caplog.text


def test_a_worker_ends_when_its_input_does():
    worker = song_reader._start_worker()
    worker.stdin.close()
    assert worker.wait(timeout=60) == 0
    worker.stdout.close()


def write_script(path: Path, folder: Path, cache: Path) -> dict[str, str]:
    """A script without main guard that reads a folder with two workers, and its environment."""
    path.write_text(
        "import signal\nfrom pathlib import Path\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # which nohup lets all ignore that it starts
        "from drumjax.data import song_reader\nprint('begin', flush=True)\n"
        "song_reader.PARALLEL_FROM = 2\nsong_reader._FILES_PER_WORKER = 3\n"
        f"folder = Path({str(folder)!r})\n"
        "files = [song_reader.SongFile(p.name, str(p), '') for p in sorted(folder.iterdir())]\n"
        f"cache = Path({str(cache)!r})\n"
        "results = song_reader.read_songs(files, kind='x', take=song_reader.Take(), cache_dir=cache, num_workers=2)\n"
        "print('read', len(results), flush=True)\n"
    )
    return os.environ | {"PYTHONPATH": str(Path(song_reader.__file__).parents[2])}


@pytest.mark.slow
def test_a_script_without_main_guard_runs_once_and_reads_in_parallel(tmp_path, six_files):
    """A worker must not run such a script again, e.g. to train."""
    environment = write_script(tmp_path / "script.py", six_files, tmp_path / "cache")
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "begin\nread 6\n"
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_no_worker_outlives_its_parent(tmp_path, six_files, number):
    """However it ends while it reads, a process leaves nobody behind."""
    for seed in range(6, 400):
        write_song(six_files / f"{seed}.mid", seed)
    environment = write_script(tmp_path / "script.py", six_files, tmp_path / "cache")
    command = [sys.executable, str(tmp_path / "script.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, start_new_session=True) as process:
        process.stdout.readline()
        deadline = time.monotonic() + 60
        while not (workers := workers_of(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
    assert process.returncode == -number
    assert len(workers) >= 1
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_running, workers))


def workers_of(pid: int) -> list[int]:
    """The processes that read files for a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"read_worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (OSError, ValueError, IndexError):  # gone in the meantime
            continue
    return found


def is_running(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
