"""Where figures of a run go: metrics.jsonl (exactly one row per logged step) and TensorBoard."""

import contextlib
import logging
import math
import os
import time
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

from drumjax.system.files import naming, write_atomically
from drumjax.system.strict_json import parse_json, to_strict_json

logger = logging.getLogger(__name__)


class MetricsLog:
    """Appends rows to `<workdir>/metrics.jsonl` and the same scalars to `<workdir>/tensorboard`. A context manager.

    Opened at the step a run resumes from, it first drops the rows after that step: they will be written again.
    """

    def __init__(self, workdir: Path, step: int, enabled: bool = True):
        self.enabled = enabled  # only one process of a run writes
        if not enabled:
            return
        self.path = workdir / "metrics.jsonl"
        rows = [row for row in read_metrics(workdir) if row["step"] <= step]
        write_atomically(self.path, "".join(to_strict_json(row) + "\n" for row in rows).encode())
        self._file = self.path.open("a", encoding="utf-8")
        self._board = _Board(workdir / "tensorboard", step)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *exception: object) -> None:
        if self.enabled:
            # All was flushed as it was written: what fails now has failed before, and was said then.
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                self._board.close()

    def write(self, step: int, split: str, values: dict[str, float]) -> None:
        """One row, with null for what is not a number; on disk when this returns. Raises OSError naming the file."""
        if not self.enabled:
            return
        with naming(self.path):
            self._file.write(to_strict_json({"step": step, "split": split, **values}) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self._board.write(step, {f"{split}/{name}": value for name, value in values.items()})


class _Board:
    """An event file of TensorBoard, written at once and by the caller.

    tensorboardX's SummaryWriter writes in a thread, which dies when the disk is full; then the run hangs.
    """

    def __init__(self, directory: Path, step: int):
        directory.mkdir(exist_ok=True)
        self.directory = directory
        with naming(directory):
            self._writer = EventsWriter(str(directory / "events"), f".{step}")
        # Hides the scalars that an earlier run wrote after this step.
        start = SessionLog(status=SessionLog.START)
        self._write(Event(step=step + 1, file_version="brain.Event:2"), Event(step=step + 1, session_log=start))

    def write(self, step: int, scalars: dict[str, float]) -> None:
        self._write(*(Event(step=step, summary=scalar(name, value)) for name, value in scalars.items()))

    def close(self) -> None:
        self._writer.close()

    def _write(self, *events: Event) -> None:
        with naming(self.directory):
            for event in events:
                event.wall_time = time.time()
                self._writer.write_event(event)
            self._writer.flush()


def read_metrics(workdir: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, NaN where it has null; a last line cut off by a kill is left out."""
    path = workdir / "metrics.jsonl"
    rows = []
    if path.exists():
        for line in path.read_bytes().splitlines():
            try:
                rows.append(_read_row(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                logger.warning("%s: dropped a damaged line", path)
    return rows


def _read_row(line: bytes) -> dict[str, Any]:
    """The row of a line, NaN where it has null. Raises ValueError, KeyError, TypeError or AttributeError for what no
    run writes: whoever reads rows takes their figures for numbers."""
    row = parse_json(line)
    if not isinstance(row["step"], int) or row["step"] < 0 or not isinstance(row["split"], str) or "loss" not in row:
        raise TypeError("a row has a step, a whole number; a split, a word; and a loss")
    figures = {name: math.nan if value is None else value for name, value in row.items()}
    numbers = [value for name, value in figures.items() if name != "split"]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in numbers):
        raise TypeError("a figure is a number")
    return figures
