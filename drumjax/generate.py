"""Turns a run into MIDI files: a block of samples at a time, each written whole, and a manifest of them."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from drumjax.files import write_atomically
from drumjax.grooves import Groove, RequestError, make_request, make_songs
from drumjax.midi import write_midi
from drumjax.notes import Song
from drumjax.runs import Run
from drumjax.sample import Controls, make_sampler

logger = logging.getLogger(__name__)

MANIFEST = "manifest.jsonl"
# The largest batch sampled at once. Its size is part of what a sample is: in another block size logits may differ by
# 1e-7, which can tip a close choice.
BLOCK_SIZE = 64


@dataclasses.dataclass(frozen=True)
class Job:
    """num_samples grooves under one seed; sample i depends on the seed and i alone."""

    groove: Groove
    controls: Controls
    num_samples: int
    seed: int = 0
    block_size: int = BLOCK_SIZE

    def __post_init__(self):
        if not 1 <= self.num_samples <= 10_000_000:
            raise RequestError(f"num_samples is {self.num_samples}; it must be in 1..10000000")
        if not 0 <= self.seed < 2**32:
            raise RequestError(f"seed is {self.seed}; it must be in 0..{2**32 - 1}")


def sample_songs(run: Run, job: Job, first: int = 0) -> Iterator[tuple[int, Song, dict[str, float]]]:
    """(index, song, nll in nats per field) of samples number `first` and on."""
    sampler = make_sampler(run.model, run.codec)
    params, stats = jax.device_put((run.params, run.stats))
    key = jax.random.key(job.seed)
    for start in range(first - first % job.block_size, job.num_samples, job.block_size):
        request = make_request(job.groove, run.codec, run.styles, job.controls, range(start, start + job.block_size))
        samples = jax.device_get(sampler(params, stats, key, request))
        songs = make_songs(job.groove, run.codec, run.styles, samples.tokens)
        for row, song in enumerate(songs):
            index = start + row
            if first <= index < job.num_samples:
                nll = {field.name: float(v) for field, v in zip(run.codec.fields, samples.nll[row], strict=True)}
                yield index, dataclasses.replace(song, name=f"{index:06d}"), nll


def generate(
    run: Run, job: Job, out_dir: str | Path, *, overwrite: bool = False, show: Callable[[Song], None] | None = None
) -> int:
    """Writes 000000.mid, 000001.mid, ... and manifest.jsonl to out_dir; returns how many files it wrote.

    A job that was interrupted, or that now asks for more samples, goes on where the manifest ends. Samples of another
    job are not replaced unless `overwrite`: RequestError. OSError if a file cannot be written; each is whole or absent.
    `show` is called with the first song.
    """
    job.groove.context(run.styles)  # a style that the run does not know, before anything is written
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    identity = job_identity(run, job)
    if overwrite:
        _remove_samples(out_dir)
    rows = _read_manifest(out_dir, identity)
    # Rewritten first, so that it lists what is there and nothing else, whatever a killed job left behind.
    _write_manifest(out_dir, rows)
    first = next((i for i in range(job.num_samples) if i not in rows), job.num_samples)
    written = 0
    bar = tqdm(total=job.num_samples, initial=first, unit="groove", disable=None)
    with (out_dir / MANIFEST).open("a", encoding="utf-8") as manifest, contextlib.closing(bar):
        for index, song, nll in sample_songs(run, job, first):
            if show and index == first:
                show(song)
            if index in rows:
                continue
            name = f"{song.name}.mid"
            write_midi(song, out_dir / name)
            # One line per file, after it: a line that a kill cuts off is dropped, and its file written again.
            manifest.write(json.dumps(_manifest_row(run, job, identity, index, name, nll)) + "\n")
            manifest.flush()
            written += 1
            bar.update()
    logger.info("%d grooves in %s, %d of them new", max(len(rows), job.num_samples), out_dir, written)
    return written


def job_identity(run: Run, job: Job) -> str:
    """A name for all that decides what sample i is: model, step, request and block size; not how many are asked for."""
    asked = dataclasses.asdict(job)
    del asked["num_samples"]
    digest = hashlib.sha256(json.dumps([asked, dataclasses.asdict(run.settings), run.step], sort_keys=True).encode())
    for leaf in jax.tree.leaves((run.params, run.stats)):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()[:16]


def _manifest_row(run: Run, job: Job, identity: str, index: int, name: str, nll: dict[str, float]) -> dict[str, Any]:
    controls = {"top_k": job.controls.top_k, "top_p": job.controls.top_p}
    names = [field.name for field in run.codec.fields]
    return {
        "file": name,
        "index": index,
        "seed": job.seed,
        "job": identity,
        "step": run.step,
        "context": dataclasses.asdict(job.groove),
        "temperature": dict(zip(names, job.controls.temperature, strict=True)),
        **controls,
        "nll": {field: round(value, 4) for field, value in nll.items()},
    }


def _read_manifest(out_dir: Path, identity: str) -> dict[int, dict[str, Any]]:
    """Rows of this job whose file is there, by index. Raises RequestError if they are of another job."""
    path = out_dir / MANIFEST
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    rows = {}
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            index, name, other = int(row["index"]), str(row["file"]), row["job"] != identity
        except (ValueError, KeyError, TypeError):
            if number == len(lines) and not text.endswith("\n"):  # cut off by a kill
                continue
            raise RequestError(f"{path}, line {number}: not a manifest of samples; choose another --out_dir") from None
        if other:
            raise RequestError(
                f"{out_dir} holds the samples of another job (other model, seed or request): "
                "choose another --out_dir, or replace them with --overwrite"
            )
        if (out_dir / name).is_file():
            rows[index] = row
    return rows


def _remove_samples(out_dir: Path) -> None:
    """Removes the manifest and the files it names, whatever job they are of; nothing else."""
    path = out_dir / MANIFEST
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                name = str(json.loads(line)["file"])
                if re.fullmatch(r"\d{6,}\.mid", name):  # never a path that leads elsewhere
                    (out_dir / name).unlink(missing_ok=True)
        path.unlink()


def _write_manifest(out_dir: Path, rows: dict[int, dict[str, Any]]) -> None:
    lines = "".join(json.dumps(rows[index]) + "\n" for index in sorted(rows))
    write_atomically(out_dir / MANIFEST, lines.encode())
