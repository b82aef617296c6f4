"""drumjax reads MIDI files: parsed by one process or by several, or taken from the cache as on every later start."""

import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.contender import Contender, Figures, Repeat, num_cores
from drumjax.data.song_reader import SongFile, Take, read_songs


def read(folder: str, num_files: int, num_workers: int) -> Contender:
    """The first `num_files` MIDI files of a folder (0: all), parsed; seconds in all."""
    files = find_files(folder, num_files)

    def make() -> Repeat:
        def repeat() -> Figures:
            with tempfile.TemporaryDirectory() as cache_dir:
                return _time_reading(files, Path(cache_dir), num_workers)

        return repeat

    return Contender({"": make}, lambda: f"{num_workers} process{'es' if num_workers > 1 else ''}")


def read_cache(folder: str, num_files: int, cache_dir: str) -> Contender:
    """The same files from a cache that the warm-up filled; seconds in all."""
    files = find_files(folder, num_files)

    def make() -> Repeat:
        shutil.rmtree(cache_dir, ignore_errors=True)
        return lambda: _time_reading(files, Path(cache_dir), num_cores())

    return Contender({"": make}, lambda: "1")


def find_files(folder: str, num_files: int) -> list[SongFile]:
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in (".mid", ".midi"))
    files = [SongFile(path.name, str(path), f"{path.stat().st_size}") for path in paths]
    return files[:num_files] if num_files else files


def _time_reading(files: list[SongFile], cache_dir: Path, num_workers: int) -> Figures:
    start = time.perf_counter()
    songs = read_songs(files, kind="benchmark", take=Take(), cache_dir=cache_dir, num_workers=num_workers)
    seconds = time.perf_counter() - start
    bad = sum(isinstance(song, str) for song in songs)
    return {"seconds": seconds, "files": len(songs), "files_without_song": bad}
