"""What both programs do on a terminal: logging, and one clear line for a mistake."""

import logging
import sys
from collections.abc import Callable

from drumjax.config.settings import SettingsError
from drumjax.data.datasets import DatasetError
from drumjax.midi.reader import MidiError
from drumjax.music.kits import KitError
from drumjax.music.tab import TabError
from drumjax.runs.checkpoint import CheckpointError
from drumjax.runs.workdir import RunError
from drumjax.sampling.edits import TaskError
from drumjax.sampling.given_music import PatternError
from drumjax.sampling.prompts import PromptError
from drumjax.sampling.request import RequestError
from drumjax.system.devices import DeviceError
from drumjax.system.download import DownloadError
from drumjax.system.lock import LockError
from drumjax.training.loop import TrainError

# Mistakes and mishaps that a user can mend; anything else is a bug of ours and keeps its traceback.
EXPLAINED = (
    CheckpointError,
    DatasetError,
    DeviceError,
    DownloadError,
    KitError,
    LockError,
    MidiError,
    PatternError,
    PromptError,
    RequestError,
    RunError,
    SettingsError,
    TabError,
    TaskError,
    TrainError,
    OSError,
)


def set_up_logging() -> None:
    """drumjax's own messages to standard error, without decoration; warnings of libraries with their name."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", force=True)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("drumjax")
    package.handlers, package.propagate = [handler], False
    package.setLevel(logging.INFO)


def run_or_explain(run: Callable[[], None]) -> int:
    """Runs it and returns the exit status: 1 for an explained error, whose one line it prints."""
    try:
        run()
    except EXPLAINED as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before or after training, which answers it by itself
        print("interrupted", file=sys.stderr)
        return 130
    return 0
