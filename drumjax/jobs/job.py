"""Turns a run into MIDI files: a block of samples at a time, each written whole, and a manifest of them."""

import collections
import contextlib
import dataclasses
import hashlib
import itertools
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from drumjax.jobs.manifest import Manifest, remove_samples
from drumjax.jobs.song_writer import SongWriter
from drumjax.music.kits import DrumMap
from drumjax.music.notes import Notes, Song
from drumjax.runs.run import Run
from drumjax.sampling.decode import collect_songs, decode_tokens
from drumjax.sampling.edits import Task
from drumjax.sampling.given_music import write_pitches
from drumjax.sampling.piece import Groove, check_known, make_request
from drumjax.sampling.request import Controls, RequestError, chosen_tokens
from drumjax.sampling.rerank import make_judge
from drumjax.sampling.sampler import make_sampler
from drumjax.system.files import remove_temporaries

logger = logging.getLogger(__name__)

# The largest batch sampled at once. Its size is part of what a sample is: in another block size logits may differ by
# 1e-7, which can tip a close choice.
BLOCK_SIZE = 64
# Blocks that each device has been given while one is written. More would only make Ctrl-C wait longer: a block that
# was begun cannot be taken back.
BLOCKS_AHEAD = 1


@dataclasses.dataclass(frozen=True)
class Job:
    """num_samples grooves under one seed; sample i depends on the seed and i alone."""

    groove: Groove
    controls: Controls
    num_samples: int
    seed: int = 0
    task: Task | None = None
    out_map: DrumMap | None = None
    block_size: int = BLOCK_SIZE

    def __post_init__(self):
        if not 1 <= self.num_samples <= 10_000_000:
            raise RequestError(f"num_samples is {self.num_samples}; it must be in 1..10000000")
        if not 0 <= self.seed < 2**32:
            raise RequestError(f"seed is {self.seed}; it must be in 0..{2**32 - 1}")


def sample_blocks(run: Run, job: Job, first: int = 0) -> Iterator[list[tuple[int, Song, dict[str, float]]]]:
    """Blocks of (index, song, nll in nats per field) of samples number `first` and on.

    The devices take turns, a whole block each, so that a sample does not depend on their number. Each is given its
    next BLOCKS_AHEAD blocks before one is handed out, so it does not wait for what is done with that.
    """
    if first >= job.num_samples:
        return
    sampler = make_sampler(run.model, run.codec, guided=job.controls.guidance != 1)
    draws = job.task.draws if job.task else 1
    size = max(1, job.block_size // draws)
    blocks = range(first - first % size, job.num_samples, size)
    weights = run.params, run.stats, jax.random.key(job.seed)
    devices = [(device, *jax.device_put(weights, device)) for device in jax.local_devices()[: len(blocks)]]
    judge = make_judge(run.model, run.codec, *job.task.judged) if job.task and draws > 1 else None
    names = [field.name for field in run.codec.fields]

    def begin(start: int, device: tuple[Any, ...]) -> tuple[int, Notes, jax.Array]:
        where, params, stats, key = device
        number = range(start * draws, (start + size) * draws)
        request = make_request(job.groove, run.codec, run.styles, job.controls, number, job.task)
        request = jax.device_put(request, where)
        samples = sampler(params, stats, key, request)
        if judge:
            samples, request = judge(params, stats, samples, request, draws)
        tokens = chosen_tokens(run.codec, samples.tokens, request) if job.task and job.task.kept else samples.tokens
        notes = decode_tokens(job.groove, run.codec, run.styles, tokens)
        for array in (*notes, samples.nll):
            array.copy_to_host_async()
        return start, notes, samples.nll

    ahead = map(begin, blocks, itertools.cycle(devices))
    begun = collections.deque(itertools.islice(ahead, BLOCKS_AHEAD * len(devices)))
    while begun:
        begun.extend(itertools.islice(ahead, 1))
        start, notes, nll = begun.popleft()
        songs, nlls = collect_songs(job.groove, notes, run.codec, job.task), np.asarray(nll).tolist()
        block = [
            (i, dataclasses.replace(song, name=f"{i:06d}"), dict(zip(names, nll, strict=True)))
            for i, song, nll in zip(itertools.count(start), songs, nlls, strict=False)
        ]
        yield [sample for sample in block if first <= sample[0] < job.num_samples]


def sample_songs(run: Run, job: Job, first: int = 0) -> Iterator[tuple[int, Song, dict[str, float]]]:
    """(index, song, nll in nats per field) of samples number `first` and on."""
    return itertools.chain.from_iterable(sample_blocks(run, job, first))


def generate(
    run: Run, job: Job, out_dir: str | Path, *, overwrite: bool = False, show: Callable[[Song], None] | None = None
) -> int:
    """Writes 000000.mid, 000001.mid, ... and manifest.jsonl to out_dir; returns how many files it wrote.

    A job that was interrupted, or that now asks for more samples, goes on where the manifest ends. Samples of another
    job are not replaced unless `overwrite`: RequestError. OSError if a file cannot be written; each is whole or absent.
    `show` is called with the first song.
    """
    check_known(job.groove, run.settings.model, run.styles, run.time_signatures)  # before anything is written
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    identity, kit = job_identity(run, job), run.codec.kit
    if overwrite:
        remove_samples(out_dir)
    with contextlib.ExitStack() as stack:
        manifest = stack.enter_context(Manifest(out_dir, identity))
        remove_temporaries(out_dir)
        first = next((i for i in range(job.num_samples) if i not in manifest.indices), job.num_samples)
        before = len(manifest.indices)
        bar = stack.enter_context(tqdm(total=job.num_samples, initial=first, unit="piece", disable=None))

        def done(row: dict[str, Any]) -> None:
            manifest.add(row)
            bar.update()

        writer = stack.enter_context(SongWriter(out_dir, done))
        for block in sample_blocks(run, job, first):
            if show and block[0][0] == first:
                show(block[0][1])
            for index, song, nll in block:
                if index not in manifest.indices:
                    heard = write_pitches(song, kit, job.out_map) if kit and job.out_map else song
                    writer.write(heard, _make_row(run, job, identity, index, nll))
            writer.drain()
    written = len(manifest.indices) - before
    logger.info("%d pieces in %s, %d of them new", len(manifest.indices), out_dir, written)
    return written


def job_identity(run: Run, job: Job) -> str:
    """A name for all that decides what sample i is: model, step, request and block size; not how many are asked for."""
    asked = dataclasses.asdict(dataclasses.replace(job, task=None, out_map=None))
    asked["out_map"] = job.out_map.write if job.out_map else None
    del asked["num_samples"]
    digest = hashlib.sha256(json.dumps([asked, dataclasses.asdict(run.settings), run.step], sort_keys=True).encode())
    given = dataclasses.astuple(job.task) if job.task else ()
    for leaf in jax.tree.leaves((run.params, run.stats, [np.asarray(part) for part in given if part is not None])):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()[:16]


def _make_row(run: Run, job: Job, identity: str, index: int, nll: dict[str, float]) -> dict[str, Any]:
    """The manifest's row of a sample."""
    names = [field.name for field in run.codec.fields]
    return {
        "file": f"{index:06d}.mid",
        "index": index,
        "seed": job.seed,
        "job": identity,
        "step": run.step,
        "context": vars(job.groove),
        "temperature": dict(zip(names, job.controls.temperature, strict=True)),
        "top_k": job.controls.top_k,
        "top_p": job.controls.top_p,
        "guidance": job.controls.guidance,
        "spread": job.controls.spread,
        "no_repeat": job.controls.no_repeat,
        **({"task": job.task.name} if job.task else {}),
        "nll": {field: round(value, 4) for field, value in nll.items()},
    }
