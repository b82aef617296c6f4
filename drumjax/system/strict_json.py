"""JSON that every reader knows, and that anybody may have written: Python alone writes NaN and Infinity, and what is
read takes bounded work and raises one kind of error."""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

MAX_DEPTH = 64  # of lists and objects in each other; drumjax's own files have 8 at most
MAX_BYTES = 2**26
_INT_RANGE = range(-(2**63), 2**63)


class JsonError(ValueError):
    """No JSON, or none that can be worked with: nested too deeply, numbers or a file too large. Says which."""


def parse_json(text: str | bytes) -> Any:
    """What the text says. Lists and objects are MAX_DEPTH deep at most, whole numbers have 64 bits; NaN and Infinity,
    which JSON itself does not know, are read. Raises JsonError, and nothing else."""
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        value = json.loads(text, parse_int=_parse_int)
    except JsonError:
        raise
    except RecursionError:
        raise JsonError("nested too deeply") from None
    except ValueError as error:
        raise JsonError(f"no JSON ({error})") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    return value


def read_json(path: str | os.PathLike[str]) -> Any:
    """What a file of MAX_BYTES at most says. Raises JsonError, or OSError naming the file."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a named pipe waits for ever
        raise JsonError("not a regular file")
    with Path(path).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise JsonError(f"more than {MAX_BYTES} bytes")
    return parse_json(data)


def to_strict_json(value: Any, **layout: Any) -> str:
    """The value as JSON, with null for what is not a finite number. `layout` is that of json.dumps."""
    try:
        return json.dumps(value, allow_nan=False, **layout)
    except ValueError:
        return json.dumps(with_null(value), allow_nan=False, **layout)


def with_null(value: Any) -> Any:
    """The value, made of dicts, lists and tuples, with None for each float that is not finite."""
    if isinstance(value, dict):
        return {name: with_null(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [with_null(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parse_int(digits: str) -> int:
    if len(digits) > 20 or int(digits) not in _INT_RANGE:
        raise JsonError(f"a number too large ({digits[:20]}...)")
    return int(digits)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        nodes = [list(node.values()) if isinstance(node, dict) else node for node in level]
        level = [child for node in nodes if isinstance(node, list) for child in node]
    if any(isinstance(node, dict | list) for node in level):
        raise JsonError("nested too deeply")
