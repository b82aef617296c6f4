"""The manifest of a folder of samples: a JSON line for each, which says how it was made."""

import contextlib
import errno
import json
import os
import re
from pathlib import Path
from typing import Any

from drumjax.sampling.piece import RequestError
from drumjax.system.files import write_atomically
from drumjax.system.strict_json import to_strict_json

MANIFEST = "manifest.jsonl"


class Manifest:
    """The rows of one job, a dict with `file`, `index` and `job` at least. A context manager.

    indices  of the samples that are done: they have a row and a file
    """

    def __init__(self, out_dir: Path, job: str):
        """Opens it, or makes it. Raises RequestError if it is that of another job, or no manifest at all."""
        self.path = out_dir / MANIFEST
        lines = _read_lines(self.path, job)
        # Rewritten first, so that it lists what is there and nothing else, whatever a killed job left behind.
        write_atomically(self.path, b"".join(lines[index] for index in sorted(lines)))
        self.indices = set(lines)
        self._file = self.path.open("ab", buffering=0)  # so that a row is there as soon as it is added
        self._size = sum(map(len, lines.values()))

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def add(self, row: dict[str, Any]) -> None:
        """Adds the row of a file that is in place. Raises OSError, naming the manifest, if there is no room for it."""
        line = to_strict_json(row).encode() + b"\n"
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:  # it names no file
            with contextlib.suppress(OSError):
                self._file.truncate(self._size)
            raise OSError(error.errno, error.strerror, os.fspath(self.path)) from error
        self._size += len(line)
        self.indices.add(row["index"])


def _read_lines(path: Path, job: str) -> dict[int, bytes]:
    """The lines of this job whose file is there, by index."""
    if not path.exists():
        return {}
    with os.scandir(path.parent) as entries:
        files = {entry.name for entry in entries if entry.is_file()}
    found = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                index, name, other = int(row["index"]), str(row["file"]), row["job"] != job
            except (ValueError, KeyError, TypeError):
                if not line.endswith(b"\n"):  # the last, cut off by a kill
                    continue
                raise RequestError(
                    f"{path}, line {number}: not a manifest of samples; choose another --out_dir"
                ) from None
            if other:
                raise RequestError(
                    f"{path.parent} holds the samples of another job (other model, seed or request): "
                    "choose another --out_dir, or replace them with --overwrite"
                )
            if name in files:
                found[index] = line if line.endswith(b"\n") else line + b"\n"
    return found


def remove_samples(out_dir: Path) -> None:
    """Removes the manifest and the files it names, whatever job they are of; nothing else."""
    path = out_dir / MANIFEST
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    name = str(json.loads(line)["file"])
                    if re.fullmatch(r"\d{6,}\.mid", name):  # never a path that leads elsewhere
                        (out_dir / name).unlink(missing_ok=True)
        path.unlink()
