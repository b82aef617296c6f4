"""Many MIDI files to songs: parsed in parallel the first time, taken from the cache afterwards. Of very many, those
that were read before the process was killed are not read again."""

import concurrent.futures
import contextlib
import hashlib
import io
import json
import logging
import os
import queue
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from drumjax.data.packed_songs import CACHE_VERSION, Result, pack_songs, unpack_songs
from drumjax.data.read_worker import read_file
from drumjax.data.song_cache import load_songs, store_songs
from drumjax.midi.reader import READER_VERSION

logger = logging.getLogger(__name__)

PARALLEL_FROM = 200  # files; with fewer, starting processes takes longer than reading
# Files that are read and kept together, about: what a process that is killed has to read again, and what is held as
# more than arrays at any time.
PART_FILES = 4096

_CHUNK_FILES = 16
_FILES_PER_WORKER = 100


class SongFile(NamedTuple):
    """A MIDI file to read.

    name         relative to its dataset
    path         where it is
    fingerprint  changes when the content does: size and time of change, or a hash of the content
    """

    name: str
    path: str
    fingerprint: str


class Take(NamedTuple):
    """Which notes of a file are taken, as read_midi has it; and whether it is cut into parts, as read_parts does."""

    instrument: str = "drums"
    sustain: bool = False
    cut: bool = False


def read_songs(
    files: Sequence[SongFile], *, kind: str, take: Take, cache_dir: Path, num_workers: int | None = None
) -> list[Result]:
    """Reads every file: per file, in order, its songs, or the reason why there are none.

    Args:
      files: what to read. Songs get their `name`; style, fill, split and drummer are for the caller to fill in.
      kind: the dataset they form; it begins the name of the cache file.
      take: which notes of each.
      cache_dir: folder of the cache files; made if missing.
      num_workers: processes that read; default one per CPU core, and none for few files.
    """
    results: list[Result] = [""] * len(files)
    parts = _cut(files)
    done = 0
    for part in parts:
        chosen = [files[i] for i in part]
        for i, result in zip(part, _read_part(chosen, kind, take, cache_dir, num_workers), strict=True):
            results[i] = result
        done += len(part)
        if len(parts) > 1:
            logger.info("%d of %d MIDI files are read", done, len(files))
    return results


def _cut(files: Sequence[SongFile]) -> list[list[int]]:
    """Which files are read and kept together. Each has its part by its name alone, so that one more, or one that
    changes, leaves the other parts as they are."""
    num_parts = 1
    while num_parts * PART_FILES < len(files):
        num_parts *= 2
    parts: list[list[int]] = [[] for _ in range(num_parts)]
    for i, file in enumerate(files):
        rank = int.from_bytes(hashlib.sha256(file.name.encode()).digest()[:8], "big")
        parts[rank % num_parts].append(i)
    return [part for part in parts if part]


def _read_part(
    files: Sequence[SongFile], kind: str, take: Take, cache_dir: Path, num_workers: int | None
) -> list[Result]:
    names = [file.name for file in files]
    path = Path(cache_dir) / f"{kind}-{_cache_key(files, kind, take)}.npz"
    cached = load_songs(path, names)
    if cached is not None:
        return cached
    arrays = pack_songs(_read_all(files, take, num_workers))
    store_songs(path, arrays)
    return unpack_songs(arrays, names)  # so that the first time gives what every later time does


def _cache_key(files: Sequence[SongFile], kind: str, take: Take) -> str:
    """SHA-256 over everything the songs depend on: the files, what is taken of them, and the version of the reader."""
    identity = [CACHE_VERSION, READER_VERSION, kind, take, [[file.name, file.fingerprint] for file in files]]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _read_all(files: Sequence[SongFile], take: Take, num_workers: int | None) -> list[Result]:
    wanted = num_workers or os.cpu_count() or 1
    num_workers = min(wanted, -(-len(files) // _FILES_PER_WORKER))
    logger.info("reading %d MIDI files", len(files))
    if len(files) > PARALLEL_FROM and num_workers > 1:
        try:
            return _read_parallel(files, take, num_workers)
        except (OSError, ValueError, RuntimeError) as error:  # no process or thread can be started, or one is gone
            logger.warning("cannot read in parallel (%s); reading in one process", error or type(error).__name__)
    with tqdm(files, unit="file", disable=not sys.stderr.isatty()) as shown:
        return [read_file(file.path, *take) for file in shown]


def _read_parallel(files: Sequence[SongFile], take: Take, num_workers: int) -> list[Result]:
    """Chunks of files, each read by whichever worker is free. Raises OSError or ValueError if a worker fails."""
    starts: queue.SimpleQueue[int] = queue.SimpleQueue()
    for start in range(0, len(files), _CHUNK_FILES):
        starts.put(start)
    results: dict[int, list[Result]] = {}
    workers: list[subprocess.Popen[bytes]] = []
    try:
        workers.extend(_start_worker() for _ in range(num_workers))
        with (
            tqdm(total=len(files), unit="file", disable=not sys.stderr.isatty()) as bar,
            concurrent.futures.ThreadPoolExecutor(num_workers) as pool,
        ):

            def feed(worker: subprocess.Popen[bytes]) -> None:
                while not starts.empty():
                    try:
                        start = starts.get_nowait()
                    except queue.Empty:
                        return
                    chunk = files[start : start + _CHUNK_FILES]
                    results[start] = _ask_worker(worker, chunk, take)
                    bar.update(len(chunk))

            try:
                for done in concurrent.futures.as_completed([pool.submit(feed, worker) for worker in workers]):
                    done.result()
            except BaseException:  # an interrupt too: threads that wait for a worker wait no longer
                _stop(workers)
                raise
    finally:
        _stop(workers)
    return [result for start in sorted(results) for result in results[start]]


def _start_worker() -> "subprocess.Popen[bytes]":
    """A process that imports the very package that this one does."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    command = [sys.executable, "-P", "-m", "drumjax.data.read_worker"]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )


def _ask_worker(worker: "subprocess.Popen[bytes]", files: Sequence[SongFile], take: Take) -> list[Result]:
    """The songs of some files. Raises OSError or ValueError if the worker is gone."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    job = {"paths": [file.path for file in files], **take._asdict()}
    worker.stdin.write(json.dumps(job).encode() + b"\n")
    worker.stdin.flush()
    size = int.from_bytes(worker.stdout.read(8), "big")
    answer = worker.stdout.read(size)
    if not size or len(answer) < size:
        raise OSError("a process that reads files ended early")
    with np.load(io.BytesIO(answer), allow_pickle=False) as arrays:
        return unpack_songs(arrays, [file.name for file in files])


def _stop(workers: "Sequence[subprocess.Popen[bytes]]") -> None:
    """Ends the workers, whatever they are at."""
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
