"""Samples as MIDI files and a manifest of them."""

import contextlib
from pathlib import Path
from typing import Any

from drumjax.jobs.manifest import Manifest
from drumjax.jobs.shard import Shard
from drumjax.jobs.song_writer import SongWriter
from drumjax.jobs.store import Done


class MidiStore:
    """A file for each sample of the span, see sample_files, and a row for each file; see store.Store."""

    def __init__(self, out_dir: Path, job: str, shard: Shard, span: range, done: Done, *, overwrite: bool = False):
        manifest = Manifest(out_dir, job, shard, None if shard.count == 1 else span, overwrite=overwrite)
        self._out_dir, self._manifest, self._tell = out_dir, manifest, done
        self._writer = SongWriter(out_dir, self._account)
        self._folders: set[Path] = set()  # that are there
        self._stack = contextlib.ExitStack()

    @property
    def indices(self) -> set[int]:
        return self._manifest.indices

    def __enter__(self) -> "MidiStore":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._manifest)
            stack.callback(lambda: self._manifest.end() if self._writer.has_ended else None)
            stack.enter_context(self._writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def write(self, midi: bytes, num_notes: int, row: dict[str, Any]) -> None:
        folder = (self._out_dir / row["file"]).parent
        if folder not in self._folders:
            folder.mkdir(exist_ok=True)
            self._folders.add(folder)
        self._writer.write(midi, row)

    def drain(self) -> None:
        self._writer.drain()

    def _account(self, row: dict[str, Any]) -> None:
        self._manifest.add(row)
        self._tell(row)
