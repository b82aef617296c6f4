"""A disk that is full when a file is opened, written, flushed or renamed: one line, which names the file.

Each call is made to fail in turn, so that no place is forgotten; test_commands.py has disks that really are full.
"""

import contextlib
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from test_odd_json import SONG

from drumjax.convert.conversion import convert
from drumjax.jobs.manifest import Manifest
from drumjax.jobs.sample_files import name_sample
from drumjax.jobs.song_writer import SongWriter
from drumjax.midi.reader import write_midi
from drumjax.midi.writer import encode_song
from drumjax.report.figures import write_json
from drumjax.runs.metrics import MetricsLog
from drumjax.runs.workdir import make_workdir, write_config
from drumjax.studies import ablation
from drumjax.system.console import describe_error
from drumjax.system.errors import UserError
from drumjax.system.lock import lock_folder


class FullDisk:
    """The disk of a folder, full from the `fail_at`th call on that would take some of it. `count` is how many came."""

    def __init__(self, folder: Path, fail_at: int, patch: pytest.MonkeyPatch):
        self.folder, self.fail_at, self.count, self.files = str(folder), fail_at, 0, set()
        real_open, real_os_open = io.open, os.open

        def open_file(path, mode="r", *args, **kwargs):
            is_mine = isinstance(path, str | os.PathLike) and str(path).startswith(self.folder)
            if is_mine and set(mode) & set("wax+"):
                self.use(path)
                file = real_open(path, mode, *args, **kwargs)
                self.files.add(file.fileno())
                return _File(file, self)
            return real_open(path, mode, *args, **kwargs)

        def os_open(path, flags, *args, **kwargs):
            if str(path).startswith(self.folder) and flags & os.O_CREAT:
                self.use(path)
                file = real_os_open(path, flags, *args, **kwargs)
                self.files.add(file)
                return file
            return real_os_open(path, flags, *args, **kwargs)

        patch.setattr(io, "open", open_file)
        patch.setattr("builtins.open", open_file)
        patch.setattr(os, "open", os_open)
        for name in ("mkdir", "replace"):
            patch.setattr(os, name, self._failing(getattr(os, name), names_path=True))
        for name in ("pwrite", "ftruncate", "fsync"):
            patch.setattr(os, name, self._failing(getattr(os, name), names_path=False))

    def use(self, path=None):
        """Raises what the system would, which names no file unless it was given by its name."""
        self.count += 1
        if self.count > self.fail_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([os.fspath(path)] if path else []))

    def _failing(self, call, *, names_path: bool):
        def fail_or_call(target, *args, **kwargs):
            if names_path and str(target).startswith(self.folder):
                self.use(target)
            if not names_path and target in self.files:
                self.use()
            return call(target, *args, **kwargs)

        return fail_or_call


class _File:
    """An open file there."""

    def __init__(self, file, disk: FullDisk):
        self._file, self._disk = file, disk

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def write(self, data):
        self._disk.use()
        return self._file.write(data)

    def flush(self):
        self._disk.use()
        self._file.flush()


def begin_run(folder: Path) -> None:
    """What training writes, but for checkpoints."""
    workdir = folder / "runs" / "x"
    make_workdir(workdir)
    with lock_folder(workdir, "--workdir"):
        write_config(workdir, {}, {})
        with MetricsLog(workdir, 0) as log:
            log.write(1, "train", {"loss": 1.0})


def write_job(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock_folder(folder / "out", "--out_dir"))
        manifest = stack.enter_context(Manifest(folder / "out", "0123456789abcdef"))
        writer = SongWriter(folder / "out", manifest.add)
        stack.callback(lambda: manifest.end())
        stack.enter_context(writer)
        for index in range(3):
            writer.write(encode_song(SONG), {"file": name_sample(index), "index": index, "job": "x"})
        writer.drain()


def convert_song(folder: Path) -> None:
    convert(folder.parent / "song.mid", folder / "song.tab", overwrite=True)


def write_ablation(folder: Path) -> None:
    ablation.write({}, folder)


WRITERS: list[Callable[[Path], None]] = [
    begin_run,
    write_job,
    convert_song,
    write_ablation,
    lambda folder: write_midi(SONG, folder / "song.mid"),
    lambda folder: write_json(folder / "figures.json", {"nll": 1.0}),
]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_every_call_that_fails_is_a_line_with_a_path(tmp_path, write):
    write_midi(SONG, tmp_path / "song.mid")
    for fail_at in range(200):
        folder = tmp_path / str(fail_at)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            disk = FullDisk(folder, fail_at, patch)
            try:
                write(folder)
                break
            except (OSError, UserError) as error:
                line = describe_error(error)
        assert disk.count > fail_at
        assert f"{folder}/" in line, f"call {fail_at}"
        assert "No space left on device" in line
        assert "make room" in line or "choose another" in line
        assert ".tmp" not in line
    assert fail_at >= 4  # opened, written, synchronized and renamed at least
    assert disk.count <= fail_at + 1  # but for closing a file whose rows are all on the disk
