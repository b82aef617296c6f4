"""Writing side by side: in order, no more at once than allowed, and nothing left behind when it fails."""

import errno
import queue
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from song_files import fail_at

from drumjax.jobs import song_writer
from drumjax.jobs.song_writer import MAX_PENDING, NUM_THREADS, SongWriter
from drumjax.midi.reader import read_midi
from drumjax.midi.writer import encode_song
from drumjax.music.notes import Song, make_notes

MIDI = encode_song(Song(make_notes([0], [0.1], [36], [100])))
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


def rows(num: int) -> list[dict]:
    return [{"file": f"{i:06d}.mid"} for i in range(num)]


_LEFT: set[threading.Thread] = set()  # by tests that interrupt a writer before it has begun or ended


@pytest.fixture(autouse=True)
def earlier_threads():
    _LEFT.update(threading.enumerate())


def writing_threads() -> list[threading.Thread]:
    """Those of this test."""
    return [t for t in threading.enumerate() if t.name.startswith("song_writer") and t not in _LEFT]


def test_songs_are_accounted_for_in_order_once_in_place(tmp_path):
    done = []

    def check(row):
        assert len(read_midi(tmp_path / row["file"]).notes.pitch) == 1
        done.append(row)

    with SongWriter(tmp_path, check) as writer:
        for row in rows(100):
            writer.write(MIDI, row)
        writer.drain()
        assert done == rows(100)
    assert len(list(tmp_path.iterdir())) == 100
    assert not writing_threads()


def test_no_more_are_under_way_than_allowed(tmp_path, monkeypatch):
    """However slow the disk is; and they are written side by side."""
    lock, now, most = threading.Lock(), [0], [0]
    together = threading.Event()

    def write(path, midi):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            if now[0] == NUM_THREADS:
                together.set()
        assert together.wait(10)
        with lock:
            now[0] -= 1

    monkeypatch.setattr(song_writer, "write_atomically", write)
    done = []
    with SongWriter(tmp_path, done.append) as writer:
        for number, row in enumerate(rows(5 * MAX_PENDING)):
            writer.write(MIDI, row)
            assert number + 1 - len(done) <= MAX_PENDING
        writer.drain()
    assert done == rows(5 * MAX_PENDING)
    assert most[0] == NUM_THREADS


def write_all(folder: Path, done: Callable[[dict], None], error: BaseException | None = None) -> None:
    """Writes 40 songs; raises the error while some are under way."""
    with SongWriter(folder, done) as writer:
        for row in rows(40):
            writer.write(MIDI, row)
        if error:
            raise error
        writer.drain()


@pytest.mark.parametrize("index", [0, 7, 39])
def test_a_failure_stops_it_and_what_is_in_place_is_accounted_for(tmp_path, monkeypatch, index):
    fail_at(monkeypatch, index, NO_SPACE)
    done = []
    with pytest.raises(OSError, match="No space left"):
        write_all(tmp_path, done.append)
    assert [row["file"] for row in done] == sorted(path.name for path in tmp_path.iterdir())
    assert done[:index] == rows(40)[:index]
    assert len(done) < index + MAX_PENDING
    assert not writing_threads()


def test_an_interruption_finishes_what_is_under_way(tmp_path):
    done = []
    with pytest.raises(KeyboardInterrupt):
        write_all(tmp_path, done.append, KeyboardInterrupt())
    assert [row["file"] for row in done] == sorted(path.name for path in tmp_path.iterdir())
    assert len(done) >= 40 - MAX_PENDING
    assert not writing_threads()


def test_an_interruption_loses_no_row_wherever_it_falls(tmp_path, monkeypatch):
    """Ctrl-C as a song has just been handed over; and no row is added by the thread that Ctrl-C interrupts."""
    calls, done, threads = [], [], set()

    class Work(queue.SimpleQueue):
        """Interrupts who puts the twentieth song, once that is written."""

        def put(self, item):
            super().put(item)
            if threading.current_thread() is not threading.main_thread():
                return
            calls.append(item)
            if len(calls) == 20:
                while len(done) < 20:
                    time.sleep(0.001)
                raise KeyboardInterrupt

    def account(row):
        done.append(row)
        threads.add(threading.current_thread())

    monkeypatch.setattr(song_writer.queue, "SimpleQueue", Work)
    with pytest.raises(KeyboardInterrupt):
        write_all(tmp_path, account)
    assert done == rows(20)
    assert len(list(tmp_path.iterdir())) == 20
    assert threading.main_thread() not in threads


def test_a_song_that_is_taken_slowly_is_not_passed(tmp_path, monkeypatch):
    """Ctrl-C while a thread has taken the first song and not begun it: no later one is there without its row."""

    class Work(queue.SimpleQueue):
        def get(self):
            item = super().get()
            if item and item[1].row["file"] == "000000.mid":
                time.sleep(0.3)
            return item

    monkeypatch.setattr(song_writer.queue, "SimpleQueue", Work)
    done = []

    def interrupted():
        with SongWriter(tmp_path, done.append) as writer:
            for row in rows(3):
                writer.write(MIDI, row)
            time.sleep(0.1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [row["file"] for row in done] == sorted(path.name for path in tmp_path.iterdir())


def test_an_account_that_cannot_be_kept_is_an_error_not_a_hang(tmp_path):
    def done(row):
        raise NO_SPACE

    with pytest.raises(OSError, match="No space left"):
        write_all(tmp_path, done)
    assert not writing_threads()


def test_an_interruption_while_waiting_hangs_nobody(tmp_path, monkeypatch):
    """Signals at any moment: each is answered, and no thread keeps the program alive."""

    def interrupt(signum, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for i in range(60):
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + i * 0.0003)
            try:
                folder = tmp_path / str(i)
                folder.mkdir()
                write_all(folder, lambda row: None)
            except KeyboardInterrupt:
                pass
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert all(thread.daemon for thread in writing_threads())  # of one that was interrupted before it began or ended


def test_an_interruption_inside_threading_is_one(tmp_path, monkeypatch):
    """While it waits for a new thread Ctrl-C leaves a lock of its own in disorder, and threading says so instead."""

    def start(thread):
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt), SongWriter(tmp_path, lambda row: None):
        pass
