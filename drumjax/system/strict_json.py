"""JSON that every reader knows: Python alone writes, and reads, NaN and Infinity."""

import json
import math
from typing import Any


def to_strict_json(value: Any, **layout: Any) -> str:
    """The value as JSON, with null for what is not a finite number. `layout` is that of json.dumps."""
    return json.dumps(with_null(value), allow_nan=False, **layout)


def with_null(value: Any) -> Any:
    """The value, made of dicts, lists and tuples, with None for each float that is not finite."""
    if isinstance(value, dict):
        return {name: with_null(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [with_null(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
