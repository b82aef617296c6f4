"""What all programs do on a terminal: text that any terminal can show, logging, and one clear line for a mistake."""

import contextlib
import datetime
import errno
import io
import logging
import os
import signal
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from drumjax.system.errors import UserError
from drumjax.system.stop_signals import STOPPED

AGAIN_SECONDS = 0.05  # until a Ctrl-C that was swallowed comes again

# Of characters that would end a line or change how a terminal goes on, and of bytes that are no text.
_NOT_SHOWN = ("Cc", "Cs", "Zl", "Zp")


def printable(text: str) -> str:
    """The text in one line, with escapes such as `\\n` where a character is none that can be shown."""
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in _NOT_SHOWN else c for c in text)


def set_up_output() -> None:
    """Nothing that is printed ends a program: characters that a terminal does not know are shown as escapes, and what
    nobody reads any more (`| head -1`) is dropped."""
    # Not those that a test or a notebook has put there.
    if sys.stdout is not None and sys.stdout is sys.__stdout__:
        sys.stdout = _lenient(sys.stdout)
    if sys.stderr is not None and sys.stderr is sys.__stderr__:
        sys.stderr = _lenient(sys.stderr)


def _lenient(stream: Any) -> Any:
    """Another stream of the same file, as soon to write."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    raw = _Pipe(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),  # as Python itself does
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Pipe(io.FileIO):
    """A file that takes what is written to it when it is a pipe that nobody reads, too."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self._drop()
            return memoryview(data).nbytes
        except OSError as error:  # it names no file
            self._drop()  # what is still buffered cannot be written as Python ends, either
            raise OSError(error.errno, error.strerror, self._name) from error

    @property
    def _name(self) -> str:
        return "standard output" if self.fileno() == 1 else "standard error"

    def _drop(self) -> None:
        """From now on what is written goes nowhere, whoever else writes there."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)


def set_up_logging() -> None:
    """drumjax's own messages to standard error, on a terminal without decoration, elsewhere with the time and what has
    elapsed; warnings of libraries with their name."""
    set_up_output()
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", force=True)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter() if sys.stderr.isatty() else _TimedFormatter())
    package = logging.getLogger("drumjax")
    package.handlers, package.propagate = [handler], False
    package.setLevel(logging.INFO)


class _TimedFormatter(logging.Formatter):
    """`12:03:44 +0:07:31  message`, the message on lines of its own where it has several, so that tabs stay aligned."""

    def format(self, record: logging.LogRecord) -> str:
        now = time.strftime("%H:%M:%S", time.localtime(record.created))
        text, elapsed = super().format(record), datetime.timedelta(seconds=int(record.relativeCreated / 1000))
        return f"{now} +{elapsed}" + ("\n" if "\n" in text.strip("\n") else "  ") + text


def describe_error(error: Exception) -> str:
    """What it says; of a disk that is full or read-only also what to do."""
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT):
        return f"{error}; make room there, or write elsewhere, and start the same command again"
    if code == errno.EROFS:
        return f"{error}; write elsewhere"
    return str(error)


def run_or_explain(run: Callable[[], int | None]) -> int:
    """Runs it and returns the exit status: what it returns, 0 for None; 1 for a UserError or OSError, whose one line it
    prints; STOPPED for Ctrl-C or SIGTERM."""
    set_up_output()
    try:
        with _sigterm_as_interrupt(), _nothing_swallows_interrupts():
            status = run() or 0
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
    except (UserError, OSError) as error:
        print(f"error: {printable(' '.join(describe_error(error).split()))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before or after training, which answers it by itself
        return _say_interrupted()
    except Exception as error:
        if _is_interrupt(error):
            return _say_interrupted()
        raise


def _say_interrupted() -> int:
    print("interrupted: the same command begins again, or goes on", file=sys.stderr)
    return STOPPED


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C is what became this error: within an import Python and libraries make others of it."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def _nothing_swallows_interrupts() -> Iterator[None]:
    """Within the block Ctrl-C comes again where it came inside of what Python lets nothing be raised from: JAX has
    such a function called by the garbage collector, and that is often at work while libraries are imported."""
    hook, timers = sys.unraisablehook, []

    def again(unraisable: Any) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            return hook(unraisable)
        timer = threading.Timer(AGAIN_SECONDS, os.kill, [os.getpid(), signal.SIGINT])
        timer.daemon = True
        timers.append(timer)
        timer.start()

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for timer in timers:
            timer.cancel()


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Within the block SIGTERM, which job schedulers send, does what Ctrl-C does; unless somebody else handles it."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
