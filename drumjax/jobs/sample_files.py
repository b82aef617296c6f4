"""The files of samples in a folder: what they are called, and which are there.

The first PER_FOLDER lie in the folder itself, the others in subfolders of as many: 000999.mid, 001/001000.mid. Where a
file lies depends on its number alone, so that a job may ask for more, and be cut into any shards.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

PER_FOLDER = 1000
_SAMPLE = re.compile(r"\d{6,}\.mid", re.ASCII | re.IGNORECASE)  # some file systems know no difference of case
_SUBFOLDER = re.compile(r"\d{3,}", re.ASCII)


def name_sample(index: int) -> str:
    """The path of its file within the folder."""
    folder, name = index // PER_FOLDER, f"{index:06d}.mid"
    return f"{folder:03d}/{name}" if folder else name


def is_name_of(name: str, index: int) -> bool:
    """Whether a sample's file may be called so: earlier versions had all of them in the folder itself."""
    return name in (name_sample(index), f"{index:06d}.mid")


def list_samples(out_dir: Path, span: range | None = None) -> set[str]:
    """The numbered files that are there, of samples or the user's own; of the numbers in `span` if it is given."""
    found: set[str] = set()
    for prefix in ("", *_subfolders(out_dir, span)):
        with contextlib.suppress(FileNotFoundError), os.scandir(out_dir / prefix) as entries:
            found |= {prefix + entry.name for entry in entries if _SAMPLE.fullmatch(entry.name) and entry.is_file()}
    return found if span is None else {name for name in found if int(Path(name).stem) in span}


def _subfolders(out_dir: Path, span: range | None) -> Iterator[str]:
    """Of those there are, those that samples of the span may lie in."""
    if span is not None and len(span):
        yield from (f"{i:03d}/" for i in range(max(span[0] // PER_FOLDER, 1), span[-1] // PER_FOLDER + 1))
    elif span is None:
        with os.scandir(out_dir) as entries:
            yield from [f"{entry.name}/" for entry in entries if _SUBFOLDER.fullmatch(entry.name) and entry.is_dir()]


def remove_samples(out_dir: Path, names: set[str]) -> None:
    """Removes these files, and subfolders that are empty then."""
    for name in names:
        (out_dir / name).unlink(missing_ok=True)
    for folder in {(out_dir / name).parent for name in names} - {out_dir}:
        with contextlib.suppress(OSError):
            folder.rmdir()
