"""Ctrl-C and SIGTERM: the first asks the run to save and stop, the second ends it at once."""

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def catch_stop_signals() -> Iterator[Callable[[], str]]:
    """Within the block, the yielded function gives the name of the signal that asked to stop, "" if none did.

    Only the main thread can catch signals; elsewhere (a notebook's worker) they are left alone.
    """
    caught: list[str] = []

    def handle(number, frame):
        if caught:
            os._exit(128 + number)
        caught.append(signal.Signals(number).name)
        logger.warning("%s: saving a checkpoint, then stopping (once more stops at once)", caught[0])

    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, handle)
    except ValueError:  # not the main thread
        logger.info("signals are not caught outside the main thread")
    try:
        yield lambda: caught[0] if caught else ""
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
