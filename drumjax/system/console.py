"""What all programs do on a terminal: logging, and one clear line for a mistake."""

import logging
import sys
from collections.abc import Callable

from drumjax.system.errors import UserError


def set_up_logging() -> None:
    """drumjax's own messages to standard error, without decoration; warnings of libraries with their name."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", force=True)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("drumjax")
    package.handlers, package.propagate = [handler], False
    package.setLevel(logging.INFO)


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
