"""The manifest of a folder of samples: a JSON line for each, which says how it was made. Each shard has its own."""

import contextlib
import errno
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from drumjax.jobs.sample_files import is_name_of, list_samples, remove_samples
from drumjax.jobs.shard import WHOLE, Shard
from drumjax.sampling.piece import RequestError
from drumjax.system.files import naming, write_atomically
from drumjax.system.strict_json import parse_json, to_strict_json

MANIFEST = "manifest.jsonl"
_OF_SHARD = re.compile(r"manifest-(\d{5,})-of-(\d{5,})\.jsonl", re.ASCII)
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}(-\d{5,}-of-\d{5,})?\.unfinished", re.ASCII)


class Manifest:
    """The rows of one job, or of one shard of it, a dict with `file`, `index` and `job` at least. A context manager.

    indices  of the samples of this span that are done: they have a file, and a row here or in another manifest of the
             folder

    A file comes before its row, and a kill between the two leaves one that no row names. So that it is not taken for
    one of the user's own, a file `.<job>.unfinished` is there for as long as the job is at work: it names those that
    are the user's, which are none unless they are to be overwritten.
    """

    def __init__(
        self, out_dir: Path, job: str, shard: Shard = WHOLE, span: range | None = None, *, overwrite: bool = False
    ):
        """Opens it, or makes it. Raises RequestError if it is that of another job, or no manifest at all, or if there
        are numbered files in the span that are nobody's samples, which stay until they are written over with
        `overwrite`."""
        self.path = out_dir / f"manifest{shard.suffix}.jsonl"
        self._unfinished = out_dir / f".{job}{shard.suffix}.unfinished"
        files = list_samples(out_dir, span)
        rows = {
            index: (name, line)
            for index, (name, line) in _read_lines(self.path, job).items()
            if name in files or (span is not None and index not in span)  # of a shard that had other samples then
        }
        self.indices = {index for index, (name, _) in rows.items() if name in files}
        unnamed = files - {name for name, _ in rows.values()}
        others = [path for path in find_manifests(out_dir) if path != self.path]
        if unnamed or shard == WHOLE:
            for path in others:
                elsewhere = {i: name for i, (name, _) in _read_lines(path, job).items() if name in files}
                self.indices |= elsewhere.keys()
                unnamed -= set(elsewhere.values())
        elif others:  # what other shards have done is none of our business, but whether it is of this job
            _check_job(others[0], job)
        foreign = without_killed(unnamed, _marks(out_dir, job))
        if foreign and not overwrite:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            raise RequestError(
                f"{out_dir} holds {foreign[0]}{more}, which no {MANIFEST} names: choose another --out_dir, or replace "
                "what is in the way with --overwrite"
            )
        if shard == WHOLE:
            for mark in set(_marks(out_dir)) - set(_marks(out_dir, job)):  # of jobs of which nothing else is left
                mark.unlink()
        # Rewritten first, so that it lists what is there and nothing else, whatever a killed job left behind.
        lines = [line for _, (_, line) in sorted(rows.items())]
        write_atomically(self.path, b"".join(lines))
        self._file: BinaryIO = self.path.open("ab", buffering=0)  # so that a row is there as soon as it is added
        self._size = sum(map(len, lines))
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
                if type(index) is not int or not is_name_of(row["file"], index):
                    raise ValueError("not a row of a sample")
            except (ValueError, KeyError, TypeError):
                if not line.endswith(b"\n"):
                    return
                raise RequestError(
                    f"{path}, line {number}: not a manifest of samples; choose another --out_dir"
                ) from None
            yield row, line if line.endswith(b"\n") else line + b"\n"


def find_manifests(out_dir: Path) -> list[Path]:
    """Those of the whole job and of its shards, of any number of them."""
    found = [path for path in out_dir.iterdir() if path.name == MANIFEST or _OF_SHARD.fullmatch(path.name)]
    return sorted(found)


def _read_lines(path: Path, job: str) -> dict[int, tuple[str, bytes]]:
    """The file and the line of each sample, by number. Raises RequestError for another job."""
    found: dict[int, tuple[str, bytes]] = {}
    if os.path.lexists(path):
        for row, line in read_rows(path):
            _check_row(path, row, job)
            found[row["index"]] = (row["file"], line)
    return found


def _check_row(path: Path, row: dict[str, Any], job: str) -> None:
    if row.get("job") != job:
        raise RequestError(
            f"{path.parent} holds the samples of another job (other model, seed, request or kind of device): "
            "choose another --out_dir, or replace them with --overwrite"
        )


def _check_job(path: Path, job: str) -> None:
    """Raises RequestError for the manifest of another job."""
    for row, _ in itertools.islice(read_rows(path), 1):
        _check_row(path, row, job)


def without_killed(names: set[str], marks: Iterable[Path]) -> list[str]:
    """Of the files that no row names, those that are the user's own, or of a job whose manifest is gone: if one of the
    marks is there, those that were there before its job."""
    for mark in marks:
        with contextlib.suppress(FileNotFoundError):
            names = names & set(mark.read_text("utf-8", errors="replace").splitlines())
    return sorted(names)


def _marks(out_dir: Path, job: str = "") -> list[Path]:
    """The marks of a job and its shards; of all jobs if none is given."""
    return [p for p in out_dir.iterdir() if _UNFINISHED.fullmatch(p.name) and p.name.startswith(f".{job}")]


def remove_marks(out_dir: Path) -> None:
    """Removes what says that a job is at work; nobody may be."""
    for mark in _marks(out_dir):
        mark.unlink(missing_ok=True)


def remove_job(out_dir: Path) -> None:
    """Removes manifests and the files that are their samples, whatever job they are of; of numbered files that no row
    names, those that a killed job left. Nothing else. Raises RequestError if a manifest is none of samples."""
    manifests, marks = find_manifests(out_dir), _marks(out_dir)
    named = {row["file"] for path in manifests for row, _ in read_rows(path)}
    unnamed = list_samples(out_dir) - named
    remove_samples(out_dir, named | (unnamed - set(without_killed(unnamed, marks))))
    for leftover in (*manifests, *marks):
        leftover.unlink(missing_ok=True)
