"""Any tree of MIDI files as a dataset: which files, and in which split each of them is."""

import concurrent.futures
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from drumjax.data.song_reader import SongFile
from drumjax.midi.chunks import MAX_FILE_BYTES
from drumjax.music.notes import Song
from drumjax.system.console import printable

# Of MIDI files: those with lyrics (.kar) and those in a RIFF container (.rmi) hold the same notes.
SUFFIXES = (".mid", ".midi", ".kar", ".smf", ".rmi")


def find_midi_files(directory: Path) -> tuple[list[SongFile], dict[str, list[str]]]:
    """Every MIDI file below `directory` (SUFFIXES), sorted, once per content; and the names left out, by reason.

    A file's fingerprint is the SHA-256 of its content. Hidden files and folders are ignored (.venv, and the ._x.mid
    that macOS leaves). Links to files are followed, links to folders are not: they may form a circle.

    Raises ValueError if there is no such folder.
    """
    if not directory.is_dir():
        raise ValueError(f"{directory} is not a folder; set config.data.dir to one that holds MIDI files")
    files: dict[str, SongFile] = {}
    skipped: dict[str, list[str]] = {}
    paths = _walk(directory, skipped)
    with concurrent.futures.ThreadPoolExecutor() as pool:  # most of it is waiting for the disk
        found = pool.map(_hash, paths, chunksize=64)
        for path, digest in zip(paths, found, strict=True):
            name = shown(path.relative_to(directory))
            reason = str(digest) if isinstance(digest, ValueError) else ""
            if reason or digest in files:
                skipped.setdefault(reason or "duplicate of another file", []).append(name)
            else:
                files[str(digest)] = SongFile(name, str(path), str(digest))
    return list(files.values()), skipped


def shown(path: Path) -> str:
    """A name as it is shown and written: one line of UTF-8 text, which that of a file need not be."""
    return printable(os.fsencode(path.as_posix()).decode("utf-8", "replace"))


def _walk(directory: Path, skipped: dict[str, list[str]]) -> list[Path]:
    """Paths of the MIDI files, in an order that is the same everywhere; folders that can't be listed go to skipped."""
    paths: list[Path] = []
    errors: list[OSError] = []
    for parent, folders, names in os.walk(directory, onerror=errors.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        visible = [name for name in names if not name.startswith(".")]
        paths.extend(Path(parent, name) for name in visible if name.lower().endswith(SUFFIXES))
    for error in errors:
        skipped.setdefault("folder cannot be listed", []).append(shown(Path(error.filename)))
    return sorted(paths, key=lambda path: path.relative_to(directory).parts)


def _hash(path: Path) -> str | ValueError:
    """SHA-256 of the content, or a countable reason why there is none."""
    try:
        if not path.is_file():
            return ValueError("not a regular file")  # or a link to nowhere; opening a named pipe would wait for ever
        if path.stat().st_size > MAX_FILE_BYTES:
            return ValueError("file too large")
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return ValueError(error.strerror or type(error).__name__)


def assign_splits(songs: Sequence[Song], hashes: Sequence[str], validation_fraction: float) -> list[Song]:
    """The songs, each "train" or "validation" by the hash of its file alone: other files and its name do not matter,
    and the parts of one file stay together.

    Only where one split would be empty though there are two files or more, the file nearest to it moves there.
    """
    ranks = {digest: int(digest[:16], 16) / 2**64 for digest in hashes}  # uniform in [0, 1)
    held_out = {digest for digest, rank in ranks.items() if rank < validation_fraction}
    by_rank = sorted(ranks, key=lambda digest: ranks[digest])
    if len(ranks) >= 2 and not held_out:
        held_out = {by_rank[0]}
    if len(ranks) >= 2 and len(held_out) == len(ranks):
        held_out.remove(by_rank[-1])
    in_validation = [digest in held_out for digest in hashes]
    return [
        dataclasses.replace(song, split="validation" if chosen else "train")
        for song, chosen in zip(songs, in_validation, strict=True)
    ]
