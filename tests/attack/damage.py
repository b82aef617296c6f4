"""Damage: to the bytes of a file, and to the values in a JSON file."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

Chance = random.Random

# What a value is replaced by: of every type, too large, nested too deep, no number, no text.
_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 0.5, 2**31, 2**63, 10**400, -(10**18), 1e308, float("inf"), float("-inf"), float("nan"),
    "", "x", "\0", "\ud800", "\n\n", "../../x", "x" * 100_000, [], {}, [None], {"": 0}, [[]], "NaN", "1e999",
)  # fmt: skip
# JSON, or nearly, that no json.dumps writes.
_ODD_TEXTS = (
    b"", b"\n", b"null", b"0", b"[]", b"{}", b'""', b"NaN", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000,
    b"\xff\xfe\x00", b"\xef\xbb\xbf{}", b"\0" * 5000, b"{" + b'"a":1,' * 50_000, b'{"a":1}{"a":1}', b'"\\ud800"',
)  # fmt: skip


def flip_bits(data: bytes, chance: Chance) -> bytes:
    """1, 2 or 10 of them."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 10)) if data else 0):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def truncate(data: bytes, chance: Chance) -> bytes:
    return data[: chance.choice((0, len(data) // 2, max(0, len(data) - 1), chance.randrange(len(data) + 1)))]


def zero(data: bytes, chance: Chance) -> bytes:
    """All, or a page of it, as a power cut leaves a file."""
    if chance.random() < 0.5:
        return bytes(len(data))
    start = chance.randrange(len(data) + 1)
    return data[:start] + bytes(len(data[start : start + 4096])) + data[start + 4096 :]


def lengthen(data: bytes, chance: Chance) -> bytes:
    return data + chance.choice((b"\0", b"\n", data[:100], b"x" * 5000))


DAMAGE: dict[str, Callable[[bytes, Chance], bytes]] = {
    "bits flipped": flip_bits, "truncated": truncate, "zeroed": zero, "lengthened": lengthen,
}  # fmt: skip


def mutate(data: bytes, chance: Chance) -> bytes:
    """A few bytes changed, removed, repeated, or the end cut off."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(7):
            case 0 | 1 if at < len(changed):
                changed[at] = chance.choice((0, 0x0A, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 2:
                del changed[at : at + chance.choice((1, 8, 100))]
            case 3:
                changed[at:at] = changed[at : at + chance.choice((1, 16, 200))]
            case 4:
                changed[at:at] = changed[at : at + 20] * chance.choice((2, 50, 2000))
            case 5:
                changed[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 5)))
            case 6 if chance.random() < 0.2:
                del changed[at:]
    return bytes(changed)


def mutate_json(value: Any, chance: Chance) -> bytes:
    """JSON with one or two values replaced, names lost or added; or something that is hardly JSON."""
    if chance.random() < 0.1:
        return chance.choice(_ODD_TEXTS)
    value = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 2))):
        value = _change(value, chance)
    data = json.dumps(value).encode()
    return mutate(data, chance) if chance.random() < 0.2 else data


def _change(value: Any, chance: Chance) -> Any:
    """The value with one place in it changed, at any depth."""
    if isinstance(value, dict | list) and value and chance.random() < 0.85:
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        match chance.randrange(8):
            case 0:
                del value[key]
            case 1 if isinstance(value, dict):
                value[chance.choice(("", "x", "\ud800", key + " "))] = value[key]
            case _:
                value[key] = _change(value[key], chance)
        return value
    return copy.deepcopy(chance.choice(_ODD_VALUES))
