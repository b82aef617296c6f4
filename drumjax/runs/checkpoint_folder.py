"""The folder of a run's checkpoints: which steps it holds, what they say of themselves, and what is cleared away.

`<directory>/<step>/metadata/metadata` is JSON, sealed with a CRC-32; what else a step holds, checkpoint.py knows. Of
several processes only the first renames and removes.
"""

import errno
import json
import logging
import os
import shutil
import zlib
from pathlib import Path
from typing import Any, Literal

import jax

from drumjax.system.command_name import command_name
from drumjax.system.errors import UserError
from drumjax.system.strict_json import read_json, with_null

_KEEP_NEWEST = 2  # were the newest damaged, resuming loses one interval, not the whole run

Which = int | Literal["best", "latest"]

# No permission, too many open files, a file server that does not answer.
_NOT_READ = (
    errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT
)  # fmt: skip

_log = logging.getLogger(__name__)


class CheckpointError(UserError):
    """A checkpoint cannot be written or read; one line says where, what, and what to do."""


class CheckpointFolder:
    """With `read_only` nothing in it changes; else it is made if missing, and leftovers of a killed writer go."""

    def __init__(self, directory: str | os.PathLike, *, read_only: bool):
        self.directory = Path(directory).absolute()
        self.read_only = read_only
        if read_only:
            if not self.directory.is_dir():
                raise CheckpointError(f"no checkpoint in {self.directory}; train first with {command_name('train')}")
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"cannot make {self.directory}: {error.strerror}; choose another --workdir"
            ) from error
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise CheckpointError(f"cannot write to {self.directory}: no permission; choose another --workdir")
        self.remove_leftovers()

    def path(self, step: int) -> Path:
        return self.directory / str(step)

    def candidates(self, which: Which) -> list[int]:
        """Directories named by a step, whatever is in them, in the order in which to try them."""
        names = [path.name for path in self.directory.iterdir() if path.is_dir() and path.name.isdecimal()]
        steps = sorted((int(name) for name in names if str(int(name)) == name), reverse=True)
        if which == "latest":
            return steps
        if which == "best":
            metrics = {step: content["metadata"]["metric"] for step, content in self.contents().items()}
            judged = [step for step in steps if metrics.get(step) is not None]
            # Of equals the oldest is the best, as in training; without a metric the newest comes first.
            return sorted(judged, key=lambda step: (metrics[step], step)) + [s for s in steps if s not in judged]
        return [step for step in steps if step == which]

    def contents(self) -> dict[int, dict]:
        """Content of each step that has intact metadata. Empty directories, saves in flight and junk have none."""
        contents = {}
        for step in self.candidates("latest"):
            try:
                contents[step] = self.read_content(step)
            except Exception as error:  # whatever json, the file system or a missing key may raise
                _log.debug("%s: %s", self.path(step), error)
        return contents

    def read_content(self, step: int) -> dict[str, Any]:
        """What was sealed for a step. Read without Orbax, whose restore is a barrier between processes."""
        sealed = read_json(self.path(step) / "metadata" / "metadata")
        content = sealed["content"]
        if seal(content)["crc32"] != sealed["crc32"] or content["metadata"]["step"] != step:
            raise ValueError("the metadata does not match its checksum")
        return content

    def prune(self) -> None:
        """Remove all but the newest and the best. Runs after the newest was verified, so a good one always remains."""
        if jax.process_index() == 0:
            steps = sorted(self.contents())
            for step in set(steps) - {*steps[-_KEEP_NEWEST:], *self.candidates("best")[:1]}:
                # Renamed first: a kill half way leaves no step with half of its files.
                self.path(step).rename(self.directory / f"{step}.removed")
        self.remove_leftovers()

    def remove_leftovers(self) -> None:
        if jax.process_index() == 0:
            for path in [*self.directory.glob("*.orbax-checkpoint-tmp*"), *self.directory.glob("*.removed")]:
                shutil.rmtree(path, ignore_errors=True)

    def set_aside(self, step: int, error: Exception) -> None:
        """Warn of a damaged step and move it to `damaged/<step>-<n>`, to be looked into; never delete it."""
        _log.warning("damaged checkpoint %s: %s", self.path(step), first_line(error))
        if self.read_only or jax.process_index() != 0:
            return
        folder = self.directory / "damaged"
        try:
            folder.mkdir(exist_ok=True)
            self.path(step).rename(folder / f"{step}-{1 + len(list(folder.glob(f'{step}-*')))}")
        except OSError as reason:
            raise CheckpointError(f"cannot move {self.path(step)} to {folder}: {reason.strerror}") from reason

    def refuse_only_damaged(self) -> None:
        """Raises CheckpointError if all checkpoints that there are were set aside: training would begin again at step
        0, without a word."""
        folder = self.directory / "damaged"
        if not self.candidates("latest") and folder.is_dir() and (names := sorted(p.name for p in folder.iterdir())):
            raise CheckpointError(
                f"the checkpoints in {self.directory} were all set aside as damaged ({', '.join(names[:5])}); move "
                f"{folder} elsewhere to start afresh, or one that you know to be good back, as "
                f"{self.directory / names[-1].split('-')[0]}"
            )


def seal(content: dict) -> dict[str, Any]:
    """The content and its CRC-32, as written to a step's metadata."""
    return {"crc32": zlib.crc32(json.dumps(content, sort_keys=True).encode()), "content": content}


def to_json(value: dict) -> dict:
    """What comes back when the value is written as JSON and read again: numpy scalars become numbers, and what is not
    a finite number becomes None."""
    try:
        return with_null(json.loads(json.dumps(value, default=lambda scalar: scalar.item())))
    except (TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"metadata cannot be written as JSON: {error}") from error


def is_damage(error: Exception) -> bool:
    """Whether what was raised in reading says that the files are wrong, and not that they could not be read, or that
    other processes could not be reached."""
    if isinstance(error, MemoryError | UnicodeEncodeError | jax.errors.JaxRuntimeError):
        return False
    return getattr(error, "errno", None) not in _NOT_READ


def first_line(error: Exception) -> str:
    """The type of an error and the beginning of what it says."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
