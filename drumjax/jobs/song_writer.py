"""Songs on their way to the disk: written side by side by a few threads, and accounted for in order.

Threads, not processes: to encode a song takes 0.2 ms, and waiting for the disk, which is the rest, holds up nobody.
"""

import collections
import concurrent.futures
import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drumjax.midi.reader import write_midi
from drumjax.music.notes import Song

# More gain nothing on a local disk; a slow one waits for all of them at once.
NUM_THREADS = 8
# Files that may be written but not yet accounted for, so that a kill leaves few of those.
MAX_PENDING = 2 * NUM_THREADS


@dataclasses.dataclass
class _Entry:
    """A row whose file is asked for: whether writing it is over, and whether the file is in place."""

    row: dict[str, Any]
    over: bool = False
    in_place: bool = False


class SongWriter:
    """Writes songs, and calls `done(row)` for each whose file is in place: in the order they came, one call at a time.

    A context manager. On leaving it, by an error or Ctrl-C too, what has not begun never will; the few files under way
    are finished, and accounted for if they succeed. It is the threads that write who account, for Ctrl-C interrupts the
    main thread only: wherever that stands, no file is left without its row.
    """

    def __init__(self, folder: Path, done: Callable[[dict[str, Any]], None]):
        self._folder, self._done = folder, done
        self._pool = concurrent.futures.ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="song_writer")
        self._pending: collections.deque[concurrent.futures.Future[None]] = collections.deque()
        self._entries: collections.deque[_Entry] = collections.deque()  # not yet accounted for
        self._lock = threading.Lock()

    def __enter__(self) -> "SongWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def write(self, song: Song, row: dict[str, Any]) -> None:
        """Starts to write row["file"]; waits first if too many are under way. Raises the OSError of an earlier one."""
        while len(self._pending) >= MAX_PENDING:
            self._settle()
        entry = _Entry(row)
        self._entries.append(entry)
        self._pending.append(self._pool.submit(self._write, song, entry))

    def drain(self) -> None:
        """Returns once all that was written is in place. Raises OSError if it cannot be."""
        while self._pending:
            self._settle()

    def _settle(self) -> None:
        """Waits for the oldest, and raises its error."""
        self._pending.popleft().result()

    def _write(self, song: Song, entry: _Entry) -> None:
        """Writes a file, then accounts for those at the front that are over, itself or others."""
        try:
            write_midi(song, self._folder / entry.row["file"])
            entry.in_place = True
        finally:
            with self._lock:
                entry.over = True
                while self._entries and self._entries[0].over:
                    first = self._entries.popleft()
                    if first.in_place:
                        self._done(first.row)
