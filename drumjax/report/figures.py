"""Figures as JSON files."""

from pathlib import Path
from typing import Any

from drumjax.system.files import write_atomically
from drumjax.system.strict_json import to_strict_json


def write_json(path: Path, found: Any) -> None:
    """Writes it with null for what is not a number, which JSON does not know. Raises OSError."""
    write_atomically(path, (to_strict_json(found, indent=1) + "\n").encode())
