"""A folder of its own for each call."""

import itertools
import re
from pathlib import Path


def make_next_folder(parent: Path, name: str) -> Path:
    """Makes parent/name-001, or the number after the highest that is there. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    pattern = re.compile(rf"{re.escape(name)}-(\d+)")
    numbers = [int(match[1]) for path in parent.iterdir() if (match := pattern.fullmatch(path.name))]
    for number in itertools.count(max(numbers, default=0) + 1):
        folder = parent / f"{name}-{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:  # of another call, made just now
            continue
        return folder
    raise AssertionError("count() has no end")
