"""The leaves of a pytree: named, described, compared, checksummed, moved to the host and back to devices."""

import zlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

# How jax prints the dtype of a typed PRNG key, and what wrap_key_data calls it.
_KEY_IMPLS = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}

Tree = Any


class LeafError(ValueError):
    """A leaf that a checkpoint cannot name or hold; one line says which."""


def flatten(tree: Tree) -> dict[str, Any]:
    """{"a/b/0": leaf} for each leaf of a pytree, in its order; LeafError if names are not unique."""
    flat = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        parts = [jax.tree_util.keystr((key,), simple=True) for key in path]
        name = "/".join(parts)
        if not parts or not all(parts) or name.count("/") >= len(parts) or name in flat:
            raise LeafError(f"a checkpoint cannot name the leaf {name!r}: use dicts with plain keys, without '/'")
        flat[name] = leaf
    return flat


def nest(flat: dict[str, Any]) -> dict[str, Any]:
    """Nested dicts from {"a/b": leaf}."""
    nested: dict[str, Any] = {}
    for name, leaf in flat.items():
        *parents, last = name.split("/")
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return nested


def describe(leaf: Any) -> str:
    """ "float32[2, 3]", "key<fry>[]" or, of a Python number, its type: "int"."""
    return f"{leaf.dtype}{list(leaf.shape)}" if hasattr(leaf, "dtype") else type(leaf).__name__


def differences(saved: dict[str, Any], wanted: dict[str, Any], show: Callable[[Any], str] = str) -> list[str]:
    """A line for each name whose values differ, or that only one side has."""
    lines = []
    for name in sorted(saved.keys() | wanted.keys()):
        old, new = saved.get(name, "nothing"), wanted.get(name, "nothing")
        if old != new and repr(old) != repr(new):  # repr, because NaN differs from itself
            lines.append(f"{name}: saved {show(old)}, wanted {show(new)}")
    return lines


def crc(array: np.ndarray) -> int:
    """CRC-32 of bytes, shape and dtype; 0.4 ms per MB."""
    # Zeros of any shape would have the same bytes, and so the same sum: "float32(2, 3)" goes in first.
    start = zlib.crc32(f"{array.dtype}{array.shape}".encode())
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, start)


def to_host(name: str, leaf: Any) -> np.ndarray:
    """The whole leaf as numpy, the same in each process; LeafError for what is no array of numbers.

    Replicated arrays, the usual case, need no communication.
    """
    if _key_impl(describe(leaf)):
        leaf = jax.random.key_data(leaf)
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        replicated = leaf.is_fully_replicated
        leaf = leaf.addressable_data(0) if replicated else multihost_utils.process_allgather(leaf, tiled=True)
    array = np.asarray(leaf)
    if array.dtype.kind in "OUS" or array.size == 0:
        raise LeafError(f"a checkpoint cannot hold the leaf {name}: {describe(array)} is no array of numbers")
    return array


def find_not_finite(arrays: dict[str, np.ndarray]) -> str:
    """What is wrong with the first array, by name, that holds NaN or an infinity: "lstm/bias is not finite (3 of 512)";
    "" if none does."""
    for name, array in arrays.items():
        if jax.dtypes.issubdtype(array.dtype, np.inexact):  # bfloat16 and its like, which numpy does not know, too
            count = array.size - int(np.isfinite(array).sum())
            if count:
                return f"{name} is not finite ({count} of {array.size})"
    return ""


def from_host(kind: str, array: Any) -> Any:
    """The leaf that `to_host` made an array of, by what `describe` said of it: a typed key, or the array itself."""
    impl = _key_impl(kind)
    return jax.random.wrap_key_data(array, impl=impl) if impl else array


def _key_impl(kind: str) -> str | None:
    return _KEY_IMPLS.get(kind.split("[")[0])


def put(array: Any, sharding: jax.sharding.Sharding | None) -> jax.Array:
    """A numpy array or typed key on the devices of `sharding`, or uncommitted on the default one if it is None."""
    if sharding is None:
        return jax.device_put(array)
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        data = np.asarray(jax.random.key_data(array))
        return jax.random.wrap_key_data(put(data, sharding), impl=jax.random.key_impl(array))
    # Unlike device_put, works for a sharding over several processes without communication.
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def like(arrays: dict[str, Any], example: Tree) -> Tree:
    """Leaves by name put into the structure of `example`, each the kind of thing that is there, in the same place."""

    def place(array: Any, leaf: Any) -> Any:
        if not hasattr(leaf, "dtype"):
            return array.item()
        if isinstance(leaf, np.ndarray | np.generic):
            return array
        # What was not committed to a device must not be when restored: jit would compile again.
        return put(array, leaf.sharding if getattr(leaf, "committed", True) else None)

    leaves = [place(arrays[name], leaf) for name, leaf in flatten(example).items()]
    return jax.tree.unflatten(jax.tree.structure(example), leaves)
