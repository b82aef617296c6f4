"""Jobs: a plan's samples as MIDI files in a folder, each written whole, and a manifest of them."""

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
from drumjax.jobs.manifest import Manifest, name_sample, remove_samples
from drumjax.jobs.song_writer import SongWriter
from drumjax.music.drum_maps import DrumMap, count_meeting, write_pitches
from drumjax.music.notes import Song
from drumjax.sampling.blocks import Sample, sample_blocks
from drumjax.sampling.piece import RequestError
from drumjax.sampling.plan import Plan
from drumjax.sampling.redraw import describe_redraws
from drumjax.system.files import remove_temporaries
from drumjax.system.lock import lock_folder

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Job:
    """The first num_samples samples of a plan, in the pitches of `out_map` if there is one."""

    plan: Plan
    num_samples: int
    out_map: DrumMap | None = None

    def __post_init__(self):
        if not 1 <= self.num_samples <= 10_000_000:
            raise RequestError(f"num_samples is {self.num_samples}; it must be in 1..10000000")


def write_samples(
    job: Job,
    out_dir: str | Path,
    *,
    overwrite: bool = False,
    show: Callable[[Song, dict[str, Any]], None] | None = None,
) -> int:
    """Writes 000000.mid, 000001.mid, ... and manifest.jsonl to out_dir; returns how many files it wrote.

    A job that was interrupted, or that now asks for more samples, goes on where the manifest ends. Samples of another
    job, and numbered files of the user's own, are not replaced unless `overwrite`: RequestError. LockError if another
    process is writing there. OSError if a file cannot be written; each is whole or absent.
    `show` is called with the first song that is made, and its row.
    """
    out_dir, plan = Path(out_dir), job.plan
    identity, kit = job_identity(job), plan.run.codec.kit
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock_folder(out_dir, "--out_dir"))
        if overwrite:
            remove_samples(out_dir)
        manifest = stack.enter_context(Manifest(out_dir, identity, overwrite=overwrite))
        remove_temporaries(out_dir)
        first = next((i for i in range(job.num_samples) if i not in manifest.indices), job.num_samples)
        before = len(manifest.indices)
        bar = stack.enter_context(tqdm(total=job.num_samples, initial=first, unit="piece", disable=None))

        def done(row: dict[str, Any]) -> None:
            manifest.add(row)
            bar.update()

        writer = SongWriter(out_dir, done)
        stack.callback(lambda: manifest.end() if writer.has_ended else None)
        stack.enter_context(writer)
        redrawn, lacks, meeting = [], [], 0
        for block in sample_blocks(plan, job.num_samples, first):
            if show and block[0].number == first:
                show(block[0].song, make_row(plan, identity, block[0]))
            for sample in block:
                if sample.number not in manifest.indices:
                    song = write_pitches(sample.song, kit, job.out_map) if kit and job.out_map else sample.song
                    meeting += count_meeting(song) if plan.edit else 0
                    writer.write(song, make_row(plan, identity, sample))
                    redrawn.append(sample.redrawn)
                    lacks.append(sample.lacks)
            writer.drain()
    written = len(manifest.indices) - before
    if not written:
        logger.info("%s already holds %d pieces of this job, and %d are asked for: nothing to do",
                    out_dir, before, job.num_samples)  # fmt: skip
    else:
        logger.info("%d pieces in %s, %d of them new", len(manifest.indices), out_dir, written)
    if meeting:
        logger.warning("left out: %d notes that have the pitch of a louder one at the same time, as written", meeting)
    for line in describe_redraws(redrawn, lacks):
        logger.warning("%s", line)
    return written


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
