"""Songs on their way to the disk: written side by side by a few threads, and accounted for in order.

Threads, not processes: to encode a song takes 0.2 ms, and waiting for the disk, which is the rest, holds up nobody.
"""

import collections
import concurrent.futures
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drumjax.midi.reader import write_midi
from drumjax.music.notes import Song

# More gain nothing on a local disk; a slow one waits for all of them at once.
NUM_THREADS = 8
# Files that may be written but not yet accounted for, so that a kill leaves few of those.
MAX_PENDING = 2 * NUM_THREADS


class SongWriter:
    """Writes songs, and calls `done(row)` for each whose file is in place, in the order they came.

    A context manager. On leaving it, by an error or Ctrl-C too, what has not begun never will; the few files under way
    are finished, and accounted for if they succeed.
    """

    def __init__(self, folder: Path, done: Callable[[dict[str, Any]], None]):
        self._folder, self._done = folder, done
        self._pool = concurrent.futures.ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="song_writer")
        self._pending: collections.deque[tuple[dict[str, Any], concurrent.futures.Future[None]]] = collections.deque()

    def __enter__(self) -> "SongWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        for _, future in self._pending:
            future.cancel()
        self._pool.shutdown()
        while self._pending:
            row, future = self._pending.popleft()
            if not future.cancelled() and future.exception() is None:
                self._done(row)

    def write(self, song: Song, row: dict[str, Any]) -> None:
        """Starts to write row["file"]; waits first if too many are under way. Raises the OSError of an earlier one."""
        while len(self._pending) >= MAX_PENDING:
            self._settle()
        self._pending.append((row, self._pool.submit(write_midi, song, self._folder / row["file"])))

    def drain(self) -> None:
        """Returns once all that was written is in place. Raises OSError if it cannot be."""
        while self._pending:
            self._settle()

    def _settle(self) -> None:
        """Waits for the oldest."""
        self._pending[0][1].result()
        self._done(self._pending.popleft()[0])
