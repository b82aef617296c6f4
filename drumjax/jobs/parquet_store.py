"""Samples as rows of Parquet files: for a million of them, a thousand files in place of a million.

A part holds up to PART_SIZE samples, those whose numbers have the same PART_SIZE-th, in one row group: whole blocks.
It is there once all of them are made, and before that not at all, so that a kill loses a part's work at most.

Columns: `index`, `name`, the bytes of the MIDI file, `num_notes`, what music was asked for, the nats by field, and
`row`: all that a manifest would say of the sample, as JSON. What reads Parquet reads the folder: pandas.read_parquet,
datasets.load_dataset("parquet", data_dir=...).
"""

import contextlib
import io
import itertools
import logging
import re
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from drumjax.config.controls import CONTROLS, Controls
from drumjax.jobs.shard import Shard
from drumjax.jobs.store import Done
from drumjax.sampling.piece import RequestError
from drumjax.system.files import write_atomically
from drumjax.system.strict_json import to_strict_json

logger = logging.getLogger(__name__)

PART_SIZE = 1024
JOINED_SIZE = 64 * PART_SIZE  # of a part whose job is joined
_PART = re.compile(r"part-(\d{8})\.parquet", re.ASCII)
_JOB = b"drumjax_job"


class ParquetStore:
    """Parts of the span's samples; see store.Store."""

    def __init__(self, out_dir: Path, job: str, shard: Shard, span: range, done: Done, *, overwrite: bool = False):
        """Raises RequestError if there are parts of another job, or of none, or if PyArrow is not installed."""
        _import_pyarrow()
        self._out_dir, self._job, self._tell = out_dir, job, done
        self.indices: set[int] = set()
        for path in find_parts(out_dir):
            self.indices.update(i for i in read_indices(path, job) if i in span)
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> "ParquetStore":
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._rows and exception[0] is None:
            self._flush()
        elif self._rows:
            logger.info("%d pieces are of a part that is not full, and will be made again", len(self._rows))

    def write(self, midi: bytes, num_notes: int, row: dict[str, Any]) -> None:
        if self._rows and row["index"] != self._rows[-1]["index"] + 1:
            self._flush()
        self._rows.append(make_columns(midi, num_notes, row))
        if (row["index"] + 1) % PART_SIZE == 0:
            self._flush()

    def drain(self) -> None:
        """Nothing: a part is written when it is full, or the last one."""

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        _write_part(self._out_dir / name_part(rows[0]["index"]), [rows], self._job)
        for row in rows:
            self.indices.add(row["index"])
            self._tell(row)


def make_columns(midi: bytes, num_notes: int, row: dict[str, Any]) -> dict[str, Any]:
    """The sample as a row of a part."""
    return {
        "index": row["index"],
        "name": row["name"],
        "midi": midi,
        "num_notes": num_notes,
        "seed": row["seed"],
        **{_column(name): value for name, value in row["context"].items()},
        **{f"nll_{field}": value for field, value in row["nll"].items()},
        "row": to_strict_json({name: value for name, value in row.items() if name != "file"}),
    }


def _column(control: str) -> str:
    """The column of what was asked for; the number of notes that were played has a column, too."""
    return "asked_num_notes" if control == "num_notes" else control


def _make_schema(columns: Iterable[str], job: str) -> Any:
    pyarrow = _import_pyarrow()
    hints = typing.get_type_hints(Controls)
    named = {_column(name): hints[name] for name, control in CONTROLS.items() if control.about == "piece"}
    named |= {"index": int, "name": str, "midi": bytes, "num_notes": int, "seed": int, "row": str}
    kinds = {str: pyarrow.string(), int: pyarrow.int64(), bytes: pyarrow.binary()}
    fields = [(name, kinds.get(named.get(name, float), pyarrow.float64())) for name in columns]
    return pyarrow.schema(fields, metadata={_JOB: job.encode()})


def _write_part(path: Path, groups: Iterable[list[dict[str, Any]]], job: str) -> None:
    """Writes a part of these row groups. Raises OSError naming the path."""
    pyarrow = _import_pyarrow()
    sink, writer = io.BytesIO(), None
    for rows in groups:
        table = pyarrow.Table.from_pylist(rows, schema=_make_schema(rows[0], job))
        writer = writer or pyarrow.parquet.ParquetWriter(sink, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=len(rows))
    if writer:
        writer.close()
        write_atomically(path, sink.getvalue())


def name_part(first: int) -> str:
    return f"part-{first:08d}.parquet"


def find_parts(out_dir: Path) -> list[Path]:
    """In the order of their samples."""
    return sorted(path for path in out_dir.iterdir() if _PART.fullmatch(path.name))


def read_indices(path: Path, job: str) -> list[int]:
    """The numbers of a part's samples. Raises RequestError if it is no part of this job."""
    with _open(path) as file:
        if _job_of(file) != job:
            raise RequestError(
                f"{path} holds samples of another job (other model, seed, request or kind of device), or of none: "
                "choose another --out_dir, or replace them with --overwrite"
            )
        return file.read(columns=["index"]).column("index").to_pylist()


def read_job(path: Path) -> str:
    """The identity of the job that a part is of. Raises RequestError if it is of none."""
    with _open(path) as file:
        job = _job_of(file)
    if not job:
        raise RequestError(f"{path} is not of a job of drumjax; move it away")
    return job


def _job_of(file: Any) -> str:
    """ "" if it is of none."""
    return (file.schema_arrow.metadata or {}).get(_JOB, b"").decode(errors="replace")


def join_parts(out_dir: Path, job: str) -> int:
    """Makes fewer, larger parts of those there are, the same whatever shards made them; returns how many samples there
    are. A kill leaves all samples there, some of them twice until it is called again. Raises RequestError, OSError."""
    paths = find_parts(out_dir)
    total, kept = 0, set()
    rows = _read_sorted(paths, job)
    for _, part in itertools.groupby(rows, key=lambda row: row["index"] // JOINED_SIZE):
        groups = [list(group) for _, group in itertools.groupby(part, key=lambda row: row["index"] // PART_SIZE)]
        path = out_dir / name_part(groups[0][0]["index"])
        _write_part(path, groups, job)
        kept.add(path)
        total += sum(map(len, groups))
    for path in set(paths) - kept:
        path.unlink()
    return total


def _read_sorted(paths: list[Path], job: str) -> Iterator[dict[str, Any]]:
    """The rows of all parts by number, each once. A part is read when its turn comes."""
    last = -1
    for path in paths:
        read_indices(path, job)
        with _open(path) as file:
            for group in range(file.num_row_groups):
                for row in file.read_row_group(group).to_pylist():
                    if row["index"] > last:
                        last = row["index"]
                        yield row


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Raises RequestError for a file that is not Parquet."""
    pyarrow = _import_pyarrow()
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise RequestError(f"{path} is damaged, or no Parquet file ({error}); move it away") from error
    with file:
        yield file


def remove_parts(out_dir: Path) -> None:
    """Removes the parts that a job wrote, whichever; no other files of their names."""
    for path in find_parts(out_dir):
        with _open(path) as file:
            is_own = bool(_job_of(file))
        if is_own:
            path.unlink()


def _import_pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise RequestError(
            f"--format parquet needs PyArrow ({error}): pip install 'pyarrow>=15,<27', or leave the format out"
        ) from error
    return pyarrow
