"""Jobs: a plan's samples in a folder, each written whole, in one go or in shards."""

import contextlib
import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from drumjax.config.controls import CONTROLS
from drumjax.config.settings import write_settings
from drumjax.jobs.job_file import JobFile, remove_job_file, write_job_file
from drumjax.jobs.manifest import remove_job
from drumjax.jobs.midi_store import MidiStore
from drumjax.jobs.parquet_store import ParquetStore, remove_parts
from drumjax.jobs.sample_files import name_sample
from drumjax.jobs.shard import WHOLE, Shard
from drumjax.jobs.store import Store
from drumjax.midi.writer import encode_songs
from drumjax.music.drum_maps import DrumMap, count_meeting, write_pitches
from drumjax.music.notes import Song
from drumjax.sampling.blocks import Sample, block_size, sample_blocks
from drumjax.sampling.piece import RequestError
from drumjax.sampling.plan import Plan
from drumjax.sampling.redraw import describe_redraws
from drumjax.system.files import remove_temporaries
from drumjax.system.lock import lock_folder

logger = logging.getLogger(__name__)

# So few that files are written while the next ones are encoded.
ENCODED_AT_ONCE = 64
FORMATS: dict[str, Callable[..., Store]] = {"midi": MidiStore, "parquet": ParquetStore}


@dataclasses.dataclass(frozen=True)
class Job:
    """The first num_samples samples of a plan, or a shard of them, in the pitches of `out_map` if there is one.

    format  a name of FORMATS: midi, a file each and a manifest; parquet, files of many rows
    """

    plan: Plan
    num_samples: int
    out_map: DrumMap | None = None
    shard: Shard = WHOLE
    format: str = "midi"

    def __post_init__(self):
        if not 1 <= self.num_samples <= 10_000_000:
            raise RequestError(f"num_samples is {self.num_samples}; it must be in 1..10000000")
        if self.format not in FORMATS:
            raise RequestError(f"there is no format {self.format!r}; there are {', '.join(FORMATS)}")

    @property
    def span(self) -> range:
        """The samples that are to be made."""
        return self.shard.span(self.num_samples, block_size(self.plan))


def write_samples(
    job: Job,
    out_dir: str | Path,
    *,
    overwrite: bool = False,
    show: Callable[[Song, dict[str, Any]], None] | None = None,
) -> int:
    """Writes the samples to out_dir, see MidiStore and ParquetStore; returns how many are new there.

    A job that was interrupted, or that now asks for more samples, goes on where it ended. Samples of another job, and
    files of the user's own, are not replaced unless `overwrite`: RequestError. LockError if another process is writing
    there, or makes the same shard. OSError if a file cannot be written; each is whole or absent.
    `show` is called with the first song that is made, and its row.
    """
    out_dir, plan, span = Path(out_dir), job.plan, job.span
    identity = job_identity(job)
    bar: tqdm  # made once it is known what is there
    with contextlib.ExitStack() as stack:
        _lock(stack, job, out_dir)
        if overwrite:
            _remove(job, out_dir)
        store = FORMATS[job.format](out_dir, identity, job.shard, span, lambda row: bar.update(), overwrite=overwrite)
        first = next((i for i in span if i not in store.indices), span.stop)
        before, initial = len(store.indices), first - span.start
        bar = stack.enter_context(tqdm(total=len(span), initial=initial, unit="piece", disable=None))
        stack.enter_context(store)
        if job.shard == WHOLE:
            remove_temporaries(out_dir)
        else:
            write_job_file(out_dir, JobFile(identity, job.num_samples, job.shard.count, block_size(plan), job.format))
        redrawn: list[int] = []
        lacks: list[tuple[str, ...]] = []
        meeting = 0
        for block in sample_blocks(plan, span.stop, first):
            if show and block[0].number == first:
                show(block[0].song, make_row(plan, identity, block[0]))
            new = [sample for sample in block if sample.number not in store.indices]
            for start in range(0, len(new), ENCODED_AT_ONCE):
                some = new[start : start + ENCODED_AT_ONCE]
                rows = [make_row(plan, identity, sample) for sample in some]
                songs = [_as_written(job, sample, row) for sample, row in zip(some, rows, strict=True)]
                meeting += sum(map(count_meeting, songs)) if plan.edit else 0
                for midi, song, row in zip(encode_songs(songs), songs, rows, strict=True):
                    store.write(midi, len(song.notes.pitch), row)
            store.drain()
            redrawn += [sample.redrawn for sample in new]
            lacks += [sample.lacks for sample in new]
    written = len(store.indices) - before
    whose = "this job" if job.shard == WHOLE else f"shard {job.shard}"
    if not written:
        logger.info("%s already holds %d pieces of %s, and %d are asked for: nothing to do",
                    out_dir, before, whose, len(span))  # fmt: skip
    else:
        count = len(store.indices)
        logger.info("%d piece%s%s in %s, %d of them new", count, "" if count == 1 else "s",
                    "" if job.shard == WHOLE else f" of {whose}", out_dir, written)  # fmt: skip
    if meeting:
        logger.warning("left out: %d notes that have the pitch of a louder one at the same time, as written", meeting)
    for line in describe_redraws(redrawn, lacks):
        logger.warning("%s", line)
    return written


def _as_written(job: Job, sample: Sample, row: dict[str, Any]) -> Song:
    """The song of a sample as it is written: in the pitches that are asked for, by the name that no other has."""
    kit, song = job.plan.run.codec.kit, sample.song
    if kit and job.out_map:
        song = write_pitches(song, kit, job.out_map)
    return dataclasses.replace(song, name=row["name"])


def _lock(stack: contextlib.ExitStack, job: Job, out_dir: Path) -> None:
    """Nobody else writes there, or no other process makes this shard and nobody all of them. Raises LockError."""
    is_shard = job.shard != WHOLE
    stack.enter_context(lock_folder(out_dir, "--out_dir", is_shared=is_shard))
    if is_shard:
        stack.enter_context(lock_folder(out_dir, "--shard", name=f"lock{job.shard.suffix}"))


def _remove(job: Job, out_dir: Path) -> None:
    if job.shard != WHOLE:
        raise RequestError(
            f"a shard replaces nothing, for others may be at work in {out_dir}: choose another --out_dir, or remove it"
        )
    remove_job(out_dir)
    remove_parts(out_dir)
    remove_job_file(out_dir)


def job_identity(job: Job) -> str:
    """A name for all that decides what sample i is: model, step, request and block size; not how many are asked for."""
    plan, run = job.plan, job.plan.run
    asked = dataclasses.asdict(plan.controls) | {"seed": plan.seed, "block_size": plan.block_size}
    asked["out_map"] = job.out_map.write if job.out_map else None
    digest = hashlib.sha256(json.dumps([asked, write_settings(run.settings), run.step], sort_keys=True).encode())
    given = dataclasses.astuple(plan.edit) if plan.edit else ()
    for leaf in jax.tree.leaves((run.weights, given)):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()[:16]


def make_row(plan: Plan, identity: str, sample: Sample) -> dict[str, Any]:
    """The manifest's row of a sample: what music was asked for under "context", and how its values were drawn."""
    values = {name: getattr(sample.controls, name) for name in CONTROLS}
    return {
        "file": name_sample(sample.number),
        "index": sample.number,
        "name": f"{identity[:8]}-{sample.number:06d}",  # no other piece's, also where folders are joined
        "seed": plan.seed,
        "job": identity,
        "step": plan.run.step,
        "context": {name: value for name, value in values.items() if CONTROLS[name].about == "piece"},
        **{name: value for name, value in values.items() if CONTROLS[name].about == "draw"},
        **({"edit": plan.edit.name} if plan.edit else {}),
        **({"redrawn": sample.redrawn} if sample.redrawn else {}),
        **({"lacks": list(sample.lacks)} if sample.lacks else {}),
        "nll": {field: round(value, 4) for field, value in sample.nll.items()},
    }
