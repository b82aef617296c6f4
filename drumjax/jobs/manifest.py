"""The manifest of a folder of samples: a JSON line for each, which says how it was made."""

import contextlib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from drumjax.sampling.piece import RequestError
from drumjax.system.files import naming, write_atomically
from drumjax.system.strict_json import parse_json, to_strict_json

MANIFEST = "manifest.jsonl"
_SAMPLE = re.compile(r"\d{6,}\.mid", re.ASCII | re.IGNORECASE)  # some file systems know no difference of case
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.unfinished")


class Manifest:
    """The rows of one job, a dict with `file`, `index` and `job` at least. A context manager.

    indices  of the samples that are done: they have a row and a file

    A file comes before its row, and a kill between the two leaves one that no row names. So that it is not taken for
    one of the user's own, a file `.<job>.unfinished` is there for as long as the job is at work: it names those that
    are the user's, which are none unless they are to be overwritten.
    """

    def __init__(self, out_dir: Path, job: str, *, overwrite: bool = False):
        """Opens it, or makes it. Raises RequestError if it is that of another job, or no manifest at all, or if there
        are numbered files that are nobody's samples, which stay until they are written over with `overwrite`."""
        self.path = out_dir / MANIFEST
        self._unfinished = out_dir / f".{job}.unfinished"
        lines = _read_lines(self.path, job)
        foreign = find_foreign(out_dir, {name_sample(index) for index in lines}, [self._unfinished])
        if foreign and not overwrite:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            raise RequestError(
                f"{out_dir} holds {foreign[0]}{more}, which no {MANIFEST} names: choose another --out_dir, or replace "
                "what is in the way with --overwrite"
            )
        for mark in _marks(out_dir):  # of jobs of which nothing else is left
            if mark != self._unfinished:
                mark.unlink()
        # Rewritten first, so that it lists what is there and nothing else, whatever a killed job left behind.
        write_atomically(self.path, b"".join(lines[index] for index in sorted(lines)))
        self.indices = set(lines)
        self._file: BinaryIO = self.path.open("ab", buffering=0)  # so that a row is there as soon as it is added
        self._size = sum(map(len, lines.values()))
        self._is_complete = True  # no file is without its row
        try:
            write_atomically(self._unfinished, "\n".join(foreign).encode())
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *exception: object) -> None:
        with naming(self.path):
            self._file.close()

    def end(self) -> None:
        """No more is written: from now on a file without a row is the user's. Raises OSError naming the manifest."""
        with naming(self.path):
            os.fsync(self._file.fileno())  # before the mark goes
        if self._is_complete:
            self._unfinished.unlink(missing_ok=True)

    def add(self, row: dict[str, Any]) -> None:
        """Adds the row of a file that is in place. Raises OSError, naming the manifest, if there is no room for it."""
        line = to_strict_json(row).encode() + b"\n"
        try:
            with naming(self.path):
                if self._file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._is_complete = False
            with contextlib.suppress(OSError):
                self._file.truncate(self._size)
            raise
        self._size += len(line)
        self.indices.add(row["index"])


def read_rows(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Each row, and the line that it stands on; a last line that a kill cut off is left out.

    Raises RequestError if it is not a manifest of samples.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = parse_json(line)
                index = row["index"]
                if type(index) is not int or row["file"] != name_sample(index):
                    raise ValueError("not a row of a sample")
            except (ValueError, KeyError, TypeError):
                if not line.endswith(b"\n"):
                    return
                raise RequestError(
                    f"{path}, line {number}: not a manifest of samples; choose another --out_dir"
                ) from None
            yield row, line if line.endswith(b"\n") else line + b"\n"


def name_sample(index: int) -> str:
    """The name of its file."""
    return f"{index:06d}.mid"


def _read_lines(path: Path, job: str) -> dict[int, bytes]:
    """The lines of this job whose file is there, by index."""
    if not os.path.lexists(path):
        return {}
    with os.scandir(path.parent) as entries:
        files = {entry.name for entry in entries if entry.is_file()}
    found = {}
    for row, line in read_rows(path):
        if row.get("job") != job:
            raise RequestError(
                f"{path.parent} holds the samples of another job (other model, seed or request): "
                "choose another --out_dir, or replace them with --overwrite"
            )
        if row["file"] in files:
            found[row["index"]] = line
    return found


def find_foreign(out_dir: Path, known: set[str], marks: Iterable[Path]) -> list[str]:
    """The numbered files that are the user's own, or of a job whose manifest is gone: those that are not known and, if
    one of the marks is there, were there before its job."""
    names = {path.name for path in out_dir.iterdir() if _SAMPLE.fullmatch(path.name)} - known
    for mark in marks:
        with contextlib.suppress(FileNotFoundError):
            names &= set(mark.read_text("utf-8", errors="replace").splitlines())
    return sorted(names)


def _marks(out_dir: Path) -> list[Path]:
    return [path for path in out_dir.iterdir() if _UNFINISHED.fullmatch(path.name)]


def remove_samples(out_dir: Path) -> None:
    """Removes the manifest and the files that are its samples, whatever job they are of; of numbered files that no row
    names, those that a killed job left. Nothing else. Raises RequestError if the manifest is none of samples."""
    path = out_dir / MANIFEST
    named = {row["file"] for row, _ in read_rows(path)} if os.path.lexists(path) else set()
    marks = _marks(out_dir)
    unnamed = find_foreign(out_dir, named, ())
    for name in named | (set(unnamed) - set(find_foreign(out_dir, named, marks))):
        (out_dir / name).unlink(missing_ok=True)
    for leftover in (path, *marks):
        leftover.unlink(missing_ok=True)
