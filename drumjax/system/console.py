"""What all programs do on a terminal: logging, and one clear line for a mistake."""

import datetime
import logging
import sys
import time
from collections.abc import Callable

from drumjax.system.errors import UserError


def set_up_logging() -> None:
    """drumjax's own messages to standard error, on a terminal without decoration, elsewhere with the time and what has
    elapsed; warnings of libraries with their name."""
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


def run_or_explain(run: Callable[[], None]) -> int:
    """Runs it and returns the exit status: 1 for a UserError or OSError, whose one line it prints."""
    try:
        run()
    except (UserError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before or after training, which answers it by itself
        print("interrupted", file=sys.stderr)
        return 130
    return 0
