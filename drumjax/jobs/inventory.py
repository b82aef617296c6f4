"""What a folder of samples holds, what of its job is missing, and one manifest of those of many shards."""

import array
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from drumjax.jobs.job_file import JobFile, read_job_file, remove_job_file
from drumjax.jobs.manifest import MANIFEST, find_manifests, read_rows, remove_marks
from drumjax.jobs.parquet_store import find_parts, join_parts, read_indices, read_job
from drumjax.jobs.sample_files import list_samples
from drumjax.jobs.shard import Shard
from drumjax.sampling.piece import RequestError
from drumjax.system.files import remove_temporaries, replacing
from drumjax.system.lock import find_holder, lock_folder

MAX_SHOWN = 12  # ranges


@dataclasses.dataclass(frozen=True)
class Inventory:
    """What is there and what is not.

    num_asked        how many samples the job asks for; what is known of it, if nobody said
    is_known         whether somebody did
    indices          of the samples that are there
    missing          the others
    shards_to_start  those of num_shards that have missing samples, and are not at work
    at_work          shards that are being made, with who makes them
    """

    num_asked: int
    is_known: bool
    indices: np.ndarray
    missing: np.ndarray
    num_shards: int = 1
    shards_to_start: tuple[int, ...] = ()
    at_work: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        asked = f" of {self.num_asked}" if self.is_known else ""
        lines = [f"{len(self.indices)}{asked} samples are there"]
        if len(self.missing):
            lines.append(f"missing: {len(self.missing)} ({write_ranges(self.missing)})")
        elif self.is_known:
            lines[0] += ": complete"
        else:
            lines.append("how many were asked for is not said here: --num_samples N tells what is missing")
        for number, who in self.at_work:
            lines.append(f"shard {number}/{self.num_shards} is being made by {who}")
        if self.shards_to_start:
            numbers = write_ranges(self.shards_to_start)
            lines.append(f"shards to start again: {numbers} of {self.num_shards}")
        return "\n".join(lines)


def take_inventory(out_dir: Path, num_samples: int | None = None) -> Inventory:
    """Reads the folder; num_samples is how many were asked for, where it does not say so. Raises RequestError."""
    indices, file = find_samples(out_dir)
    known = num_samples or (file.num_samples if file else 0)
    asked = known or (int(indices[-1]) + 1 if len(indices) else 0)
    is_there = np.zeros(asked, bool)
    is_there[indices[indices < asked]] = True
    missing = np.flatnonzero(~is_there)
    if not file:
        return Inventory(asked, bool(known), indices, missing)
    shards = [Shard(i, file.num_shards) for i in range(file.num_shards)]
    spans = [shard.span(asked, file.block_size) for shard in shards]
    lacking = [shard for shard, span in zip(shards, spans, strict=True) if not is_there[span.start : span.stop].all()]
    holders = {shard.index: find_holder(out_dir / f"lock{shard.suffix}") for shard in lacking}
    return Inventory(
        asked, True, indices, missing, file.num_shards,
        shards_to_start=tuple(i for i, who in holders.items() if not who),
        at_work=tuple((i, who) for i, who in holders.items() if who),
    )  # fmt: skip


def find_samples(out_dir: Path) -> tuple[np.ndarray, JobFile | None]:
    """The numbers of the samples that are there, sorted, and what the folder says of their job. Raises RequestError if
    there is no sample, or there are those of several jobs."""
    if not out_dir.is_dir():
        raise RequestError(f"there is no folder {out_dir}")
    file, parts, manifests = read_job_file(out_dir), find_parts(out_dir), find_manifests(out_dir)
    if not (file or parts or manifests):
        raise RequestError(f"{out_dir} holds no samples: there is neither {MANIFEST} nor a part of Parquet")
    indices: Iterable[int]
    if parts and not manifests:
        job = file.job if file else read_job(parts[0])
        indices = itertools.chain.from_iterable(read_indices(path, job) for path in parts)
    else:
        files = list_samples(out_dir)
        indices = (row["index"] for row in _read_all(manifests, file.job if file else None) if row["file"] in files)
    return np.unique(np.fromiter(indices, np.int64)), file


def _read_all(manifests: Iterable[Path], job: str | None) -> Iterator[dict]:
    for path in manifests:
        for row, _ in read_rows(path):
            job = job or row.get("job")
            if row.get("job") != job:
                raise RequestError(f"{path} has samples of another job than the rest of {path.parent}")
            yield row


def join_job(out_dir: Path) -> int:
    """Makes one manifest of those of the shards, or larger parts of those there are; returns how many samples they
    have. What is missing may be made later, in any shards. Raises RequestError, LockError while somebody is at work,
    OSError; a kill leaves everything as it was, or nearly joined."""
    if not out_dir.is_dir():
        raise RequestError(f"there is no folder {out_dir}")
    with lock_folder(out_dir, "OUT_DIR"):
        indices, file = find_samples(out_dir)
        for folder in (out_dir, *(path for path in out_dir.iterdir() if path.name.isdecimal() and path.is_dir())):
            remove_temporaries(folder)
        parts = find_parts(out_dir)
        if parts:
            join_parts(out_dir, file.job if file else read_job(parts[0]))
        else:
            _join_manifests(out_dir)
        if file and np.array_equal(indices, np.arange(file.num_samples)):
            remove_marks(out_dir)
            remove_job_file(out_dir)
    return len(indices)


def _join_manifests(out_dir: Path) -> None:
    """Lines are copied as they are, by number, from where they stand: of a million rows only that is in memory."""
    manifests, files = find_manifests(out_dir), list_samples(out_dir)
    rows = array.array("q")  # index, manifest, start and end of its line
    for number, path in enumerate(manifests):
        start = 0
        for row, line in read_rows(path):
            if row["file"] in files:
                rows.extend((row["index"], number, start, start + len(line)))
            start += len(line)
    table = np.frombuffer(rows, np.int64).reshape(-1, 4)
    _, first = np.unique(table[:, 0], return_index=True)
    with replacing(out_dir / MANIFEST) as joined:
        handles = [path.open("rb") for path in manifests]
        try:
            for _, number, start, end in table[first].tolist():
                handles[number].seek(start)
                joined.write(handles[number].read(end - start).rstrip(b"\n") + b"\n")
        finally:
            for handle in handles:
                handle.close()
    for path in manifests:
        if path.name != MANIFEST:
            path.unlink()


def write_ranges(numbers: Sequence[int] | np.ndarray) -> str:
    """Such as 0-3,7,9-12, of sorted numbers; what is beyond MAX_SHOWN ranges is counted."""
    values = np.asarray(numbers)
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 2) > 1)
    ends = [*(starts[1:] - 1), len(values) - 1]
    pairs = [(int(values[a]), int(values[b])) for a, b in zip(starts, ends, strict=True)]
    text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in pairs[:MAX_SHOWN])
    return text + (f" and {len(pairs) - MAX_SHOWN} more ranges" if len(pairs) > MAX_SHOWN else "")
