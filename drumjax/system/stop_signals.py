"""Ctrl-C and SIGTERM: the first asks the run to save and stop, another one ends it at once."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

# The exit status of a program that was stopped and can go on: sysexits.h calls it "try again". 0 is finished, 1 refused
# or failed.
STOPPED = 75
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# timeout(1) and some job schedulers send one signal twice, to the process and to its group.
TWICE_SECONDS = 0.5


@contextlib.contextmanager
def catch_stop_signals() -> Iterator[Callable[[], str]]:
    """Within the block, the yielded function gives the name of the signal that asked to stop, "" if none did.

    Only the main thread can catch signals; elsewhere (a notebook's worker) they are left alone.
    """
    caught: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        logger.info("signals are not caught outside the main thread")
        yield lambda: ""
        return
    # Python runs a handler only between two bytecodes, which a compilation may delay by a minute. The number of a
    # signal reaches this pipe at once, and a thread that waits for it.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    watcher = threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True)
    watcher.start()
    old_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    old_handlers = {
        number: signal.signal(number, lambda number, frame: caught.append(signal.Signals(number).name))
        for number in _STOP_SIGNALS
    }
    try:
        yield lambda: caught[0] if caught else ""
    finally:
        for number, handler in old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_fd)
        os.close(writer)
        watcher.join()


def _watch(reader: int) -> None:
    """Announces the first signal whose number comes down the pipe; at another one ends the process, unless it is the
    same again within TWICE_SECONDS."""
    first, since = 0, 0.0
    with open(reader, "rb", buffering=0) as pipe:
        while number := pipe.read(1):
            if number[0] not in _STOP_SIGNALS:
                continue
            if not first:
                first, since = number[0], time.monotonic()
                name = signal.Signals(number[0]).name
                logger.warning("%s: saving a checkpoint, then stopping (once more stops at once)", name)
            elif number[0] != first or time.monotonic() > since + TWICE_SECONDS:
                os._exit(STOPPED)
