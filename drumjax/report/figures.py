"""Figures as JSON files."""

import json
import math
from pathlib import Path
from typing import Any

from drumjax.system.files import write_atomically


def write_json(path: Path, found: Any) -> None:
    """Writes it with null for what is not a number, which JSON does not know. Raises OSError."""
    write_atomically(path, (json.dumps(_with_null(found), indent=1, allow_nan=False) + "\n").encode())


def _with_null(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _with_null(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_with_null(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found
