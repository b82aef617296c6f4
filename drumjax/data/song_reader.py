"""Many MIDI files to songs: parsed in parallel the first time, taken from the cache afterwards."""

import concurrent.futures
import hashlib
import inspect
import json
import logging
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from drumjax.data.song_cache import CACHE_VERSION, load_songs, pack_songs, store_songs, unpack_songs
from drumjax.midi import instruments, pedal, reader, sanitizer
from drumjax.midi.reader import MidiError, read_midi
from drumjax.music.notes import Song

logger = logging.getLogger(__name__)

PARALLEL_FROM = 200  # files; with fewer, starting processes takes longer than reading

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
    """Which notes of a file are taken, as read_midi has it."""

    instrument: str = "drums"
    sustain: bool = False


def read_songs(
    files: Sequence[SongFile], *, kind: str, take: Take, cache_dir: Path, num_workers: int | None = None
) -> list[Song | str]:
    """Reads every file: per file, in order, its song, or the reason why there is none.

    Args:
      files: what to read. Songs get their `name`; style, fill, split and drummer are for the caller to fill in.
      kind: the dataset they form; it begins the name of the cache file.
      take: which notes of each.
      cache_dir: folder of the cache files; made if missing.
      num_workers: processes that read; default one per CPU core, and none for few files.
    """
    names = [file.name for file in files]
    path = Path(cache_dir) / f"{kind}-{_cache_key(files, kind, take)}.npz"
    cached = load_songs(path, names)
    if cached is not None:
        return cached
    arrays = pack_songs(_read_all(files, take, num_workers))
    store_songs(path, arrays)
    return unpack_songs(arrays, names)  # so that the first time gives what every later time does


def _cache_key(files: Sequence[SongFile], kind: str, take: Take) -> str:
    """SHA-256 over everything the songs depend on, the source of the reader included."""
    try:
        source = "".join(map(inspect.getsource, (reader, sanitizer, instruments, pedal)))
    except OSError:  # installed without sources
        source = ""
    identity = [CACHE_VERSION, source, kind, take, [[file.name, file.fingerprint] for file in files]]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _read_one(file: SongFile, take: Take) -> Song | str:
    """The song of a file, or why there is none. Never raises: one bad file must not stop the others."""
    try:
        song = read_midi(Path(file.path), **take._asdict())
    except MidiError as error:
        return error.reason
    except OSError as error:
        return f"cannot be read ({error.strerror or type(error).__name__})"
    except Exception as error:  # a defect of the reader, to be reported like one of the file
        return f"unexpected {type(error).__name__}"
    return song if len(song.notes.onset_beat) else "no notes"


def _read_job(job: tuple[SongFile, Take]) -> Song | str:
    return _read_one(*job)


def _read_all(files: Sequence[SongFile], take: Take, num_workers: int | None) -> list[Song | str]:
    wanted = num_workers or os.cpu_count() or 1
    num_workers = min(wanted, -(-len(files) // _FILES_PER_WORKER), 61)  # Windows waits for 61 processes at most
    logger.info("reading %d MIDI files", len(files))
    # A daemonic process may not have children.
    if len(files) > PARALLEL_FROM and num_workers > 1 and not multiprocessing.current_process().daemon:
        try:
            return _read_parallel(files, take, num_workers)
        except (OSError, RuntimeError) as error:  # BrokenProcessPool is a RuntimeError
            if getattr(multiprocessing.current_process(), "_inheriting", False):
                # This is a worker running the user's script once more, because the script starts without
                # `if __name__ == "__main__":`. Going on would train in every worker; end it, its parent reads alone.
                raise
            logger.warning("cannot read in parallel (%s); reading in one process", error or type(error).__name__)
    return list(_show_progress((_read_one(file, take) for file in files), len(files)))


def _read_parallel(files: Sequence[SongFile], take: Take, num_workers: int) -> list[Song | str]:
    # spawn: the forked child of a process with running threads (JAX has many) can hang.
    context = multiprocessing.get_context("spawn")
    jobs = [(file, take) for file in files]
    with concurrent.futures.ProcessPoolExecutor(num_workers, mp_context=context) as pool:
        return list(_show_progress(pool.map(_read_job, jobs, chunksize=_CHUNK_FILES), len(files)))


def _show_progress(results: Iterable[Song | str], total: int) -> Iterator[Song | str]:
    return iter(tqdm(results, total=total, unit="file", disable=not sys.stderr.isatty()))
