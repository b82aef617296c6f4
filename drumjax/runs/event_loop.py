"""The event loop that Orbax reads in: what comes after its end is dropped.

Orbax asks for all arrays of a checkpoint at once and closes its loop at the first that cannot be read. The others come
later, in threads of TensorStore, which print a traceback for each that finds the loop closed, and asyncio prints the
errors of those that nobody looked at: a wall of tracebacks where a damaged checkpoint was passed over in one line.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any, TypeVarTuple

Args = TypeVarTuple("Args")


class _Loop(asyncio.SelectorEventLoop):
    def call_soon_threadsafe(
        self, callback: Callable[[*Args], object], *args: *Args, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        try:
            return super().call_soon_threadsafe(callback, *args, context=context)
        except RuntimeError:
            if not self.is_closed():
                raise
            return asyncio.Handle(callback, args, self)  # of a call that never comes

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Of a future that nobody looked at: whoever asked for it has the first error, and raised that."""


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return _Loop()


@contextlib.contextmanager
def late_answers_dropped() -> Iterator[None]:
    """Within the block a new event loop is one that may be closed early. In a notebook, which has a running one, all
    stays as it is."""
    if asyncio._get_running_loop() is not None:  # get_running_loop() raises where there is none
        yield
        return
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(_Policy())
    try:
        yield
    finally:
        asyncio.set_event_loop_policy(before)
