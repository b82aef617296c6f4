"""Songs on their way to the disk: written side by side by a few threads, and accounted for in order.

They come as the bytes of their files. Threads, not processes: they wait for the disk, which holds up nobody.

Not an executor of concurrent.futures: its futures and its submit() lock conditions in the thread that waits, and Ctrl-C
between locking one and leaving it is a program that never ends. A SimpleQueue locks nothing that Python can be
interrupted in.
"""

import collections
import dataclasses
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drumjax.system.files import write_atomically

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

    has_ended  nothing is being written any more, which a second Ctrl-C does not wait for
    """

    def __init__(self, folder: Path, done: Callable[[dict[str, Any]], None]):
        self._folder, self._done = folder, done
        self._work: queue.SimpleQueue[tuple[bytes, _Entry] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._pending = 0  # results to come
        self._is_over = self.has_ended = False
        self._entries: collections.deque[_Entry] = collections.deque()  # not yet accounted for
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        # Daemons: a Ctrl-C before they are told to end must not keep the program alive.
        self._threads = [
            threading.Thread(target=self._run, name=f"song_writer_{i}", daemon=True) for i in range(NUM_THREADS)
        ]

    def __enter__(self) -> "SongWriter":
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError as error:  # what Ctrl-C becomes inside threading's own wait for the new thread
            if isinstance(error.__context__, KeyboardInterrupt):
                raise error.__context__ from None
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over = True
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()
        self.has_ended = True

    def write(self, midi: bytes, row: dict[str, Any]) -> None:
        """Starts to write row["file"]; waits first if too many are under way. Raises the OSError of an earlier one."""
        while self._pending and len(self._entries) >= MAX_PENDING:
            self._settle()
        entry = _Entry(row)
        self._entries.append(entry)
        self._pending += 1
        self._work.put((midi, entry))

    def drain(self) -> None:
        """Returns once all that was written is in place. Raises OSError if it cannot be."""
        while self._pending:
            self._settle()

    def _settle(self) -> None:
        """Waits for one more, and raises its error."""
        error = self._results.get()
        self._pending -= 1
        if error is not None:
            raise error

    def _run(self) -> None:
        """What each thread does until it is told to end."""
        while True:
            with self._turn:  # in order, so that what never begins comes after all that does
                work, is_late = self._work.get(), self._is_over
            if work is None:
                return
            error: BaseException | None = None
            try:
                if not is_late:
                    self._write(*work)
            except BaseException as caught:
                error = caught
            self._results.put(error)

    def _write(self, midi: bytes, entry: _Entry) -> None:
        """Writes a file, then accounts for those at the front that are over, itself or others."""
        try:
            write_atomically(self._folder / entry.row["file"], midi)
            entry.in_place = True
        finally:
            with self._lock:
                entry.over = True
                while self._entries and self._entries[0].over:
                    first = self._entries.popleft()
                    if first.in_place:
                        self._done(first.row)
