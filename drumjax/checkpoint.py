"""Checkpoints that are verified when written and when read: pytrees of arrays and JSON metadata, nothing else.

Layout, as Orbax has it: `<directory>/<step>/{params,state,metadata}`. A step appears by one rename, so a killed process
leaves at most a temporary directory. Orbax keeps no checksums of array bytes (two thirds of random bit flips restore
wrong values silently), hence ours: a CRC-32 for each leaf in the metadata, and one for the metadata itself.
"""

import json
import logging
import math
import os
import shutil
import zlib
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

# How jax prints the dtype of a typed PRNG key, and what wrap_key_data calls it.
_KEY_IMPLS = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}
_KEEP_NEWEST = 2  # were the newest damaged, resuming loses one interval, not the whole run

Tree = Any
Which = int | Literal["best", "latest"]

_log = logging.getLogger(__name__)
# Orbax logs some twenty lines for each save through absl at INFO; its warnings, and the INFO lines of others, pass.
logging.getLogger("absl").addFilter(lambda record: record.levelno >= logging.WARNING or "orbax" not in record.pathname)


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or read; one line says where, what, and what to do."""


class Restored(NamedTuple):
    """One checkpoint, its trees structured and placed like the examples it was restored into."""

    step: int
    params: Tree
    state: Tree
    metadata: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run: the two newest and the best are kept. A context manager.

    In a multi-process run every process makes one and calls the same methods, on a file system that all of them see.
    A writer expects to be the only one (see lock.py): on opening it removes what a killed one left half written.
    With `read_only` nothing in the directory changes.
    """

    def __init__(self, directory: str | os.PathLike, *, read_only: bool = False):
        self.directory = Path(directory).absolute()
        self.read_only = read_only
        # Not a CheckpointManager: its save() may decline silently and its latest_step() counts empty directories.
        self._checkpointer = ocp.Checkpointer(ocp.CompositeCheckpointHandler())
        if read_only:
            if not self.directory.is_dir():
                raise CheckpointError(f"no checkpoint in {self.directory}; train first with run_train.py")
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"cannot make {self.directory}: {error.strerror}; choose another --workdir"
            ) from error
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise CheckpointError(f"cannot write to {self.directory}: no permission; choose another --workdir")
        self._remove_leftovers()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        self._checkpointer.close()

    def steps(self) -> list[int]:
        """Steps that are committed and whose metadata is intact, ascending."""
        return sorted(self._contents())

    def save(self, step: int, *, params: Tree, state: Tree, metadata: dict, metric: float | None) -> None:
        """Write one checkpoint; returns once it is committed, read back and found equal, and old ones are pruned.

        params    nested dicts of arrays: all that sampling needs
        state     the rest of the train state: any pytree of arrays, typed PRNG keys and Python numbers
        metadata  JSON; `step` and `metric` are added to it
        metric    lower is better; None, NaN and infinities are never the best

        A step that is there already with the same content is left as it is. Raises CheckpointError for other content,
        for a step older than the newest, and for any failure to write; the older checkpoints stay.
        """
        path = self._path(step)
        if self.read_only:
            raise CheckpointError(f"cannot save {path}: opened read-only")
        metric = None if metric is None or not math.isfinite(metric) else float(metric)
        trees = {"params": _flatten(params), "state": _flatten(state)}
        if str(jax.tree.structure(_nest(trees["params"]))) != str(jax.tree.structure(params)):
            raise CheckpointError(f"cannot save {path}: params must be nested dicts with strings for keys")
        arrays = {item: {name: _to_host(name, leaf) for name, leaf in flat.items()} for item, flat in trees.items()}
        leaves = {
            item: {name: [_kind(x), _crc(arrays[item][name])] for name, x in trees[item].items()} for item in trees
        }
        content = {"metadata": _to_json({**metadata, "step": step, "metric": metric}), "leaves": leaves}
        if self._is_saved(step, content):
            return
        args = {item: ocp.args.PyTreeSave(_nest(flat)) for item, flat in arrays.items()}
        args["metadata"] = ocp.args.JsonSave({"crc32": _crc_of_json(content), "content": content})
        try:
            self._checkpointer.save(path, args=ocp.args.Composite(**args))
            if self._read_content(step) != content:
                raise ValueError("the metadata read back differs from what was written")
            self._read_arrays(step, content, *trees)
        except Exception as error:
            self._remove_leftovers()
            if path.exists():
                self._set_aside(step, error)
            kept = f"the older checkpoints {self.steps()} are kept"
            raise CheckpointError(f"cannot save {path}: {_first_line(error)}; {kept}") from error
        self._prune()

    def restore_latest(self, *, params: Tree, state: Tree) -> Restored | None:
        """The newest good checkpoint, or None if there has never been one.

        params, state  examples: trees of arrays (or jax.ShapeDtypeStruct) that give structure, shapes, dtypes and where
                       each leaf goes, whatever the number of devices that wrote it

        A damaged checkpoint is named in a warning and moved to `damaged/` (unless read-only), and the next older one is
        used. Raises CheckpointError if none is good, or if a leaf has another shape or dtype than wanted.
        """
        if not self._candidates("latest"):
            return None
        step, metadata, arrays = self._load("latest", params=params, state=state)
        return Restored(step, _like(arrays["params"], params), _like(arrays["state"], state), metadata)

    def restore_params(self, which: Which = "best", sharding: jax.sharding.Sharding | None = None) -> tuple[Tree, dict]:
        """(params, metadata) of the best, the newest or a given step; reads nothing else.

        params are numpy arrays, or jax arrays placed by `sharding`. `best` is the newest where no checkpoint has a
        finite metric. Where `best` or `latest` is damaged, a warning names it and the next one is used.
        """
        _, metadata, arrays = self._load(which, params=None)
        if sharding is not None:
            arrays["params"] = {name: _put(array, sharding) for name, array in arrays["params"].items()}
        return _nest(arrays["params"]), metadata

    def read_metadata(self, which: Which = "latest") -> dict[str, Any]:
        """What was given to `save` as metadata (tuples now lists), with `step` and `metric` (None if not finite)."""
        return self._load(which)[1]

    # ---- reading

    def _path(self, step: int) -> Path:
        return self.directory / str(step)

    def _candidates(self, which: Which) -> list[int]:
        """Directories named by a step, whatever is in them, in the order in which to try them."""
        names = [path.name for path in self.directory.iterdir() if path.is_dir() and path.name.isdecimal()]
        steps = sorted((int(name) for name in names if str(int(name)) == name), reverse=True)
        if which == "latest":
            return steps
        if which == "best":
            metrics = {step: content["metadata"]["metric"] for step, content in self._contents().items()}
            # sorted() is stable: of equals, and where there is no metric, the newest comes first.
            return sorted(steps, key=lambda step: math.inf if metrics.get(step) is None else metrics[step])
        return [step for step in steps if step == which]

    def _contents(self) -> dict[int, dict]:
        """Content of each step that has intact metadata. Empty directories, saves in flight and junk have none."""
        contents = {}
        for step in self._candidates("latest"):
            try:
                contents[step] = self._read_content(step)
            except Exception as error:  # whatever json, the file system or a missing key may raise
                _log.debug("%s: %s", self._path(step), error)
        return contents

    def _read_content(self, step: int) -> dict[str, Any]:
        """The checksummed metadata of a step. Read without Orbax, whose restore is a barrier between processes."""
        sealed = json.loads((self._path(step) / "metadata" / "metadata").read_bytes())
        content = sealed["content"]
        if _crc_of_json(content) != sealed["crc32"] or content["metadata"]["step"] != step:
            raise ValueError("the metadata does not match its checksum")
        return content

    def _read_arrays(self, step: int, content: dict, *items: str) -> dict[str, dict[str, Any]]:
        """{item: {leaf: numpy array or typed key}}, each leaf equal to what was saved; raises some exception if not."""
        args = {}
        for item in items:
            target = _nest(dict.fromkeys(content["leaves"][item], 0))
            # As numpy on the host, then placed by us: no sharding of the writer comes into it.
            restore_args = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), target)
            args[item] = ocp.args.PyTreeRestore(item=target, restore_args=restore_args)
        restored = self._checkpointer.restore(self._path(step), args=ocp.args.Composite(**args)) if items else {}
        arrays = {item: _flatten(restored[item]) for item in items}
        for item in items:
            for name, (kind, crc) in content["leaves"][item].items():
                if _crc(arrays[item][name]) != crc:
                    raise ValueError(f"{item}/{name} does not match its checksum")
                if impl := _KEY_IMPLS.get(kind.split("[")[0]):
                    arrays[item][name] = jax.random.wrap_key_data(arrays[item][name], impl=impl)
        return arrays

    def _load(self, which: Which, **examples: Tree) -> tuple[int, dict, dict[str, dict]]:
        """(step, metadata, {item: arrays}) of the first good candidate, which must fit examples that are not None."""
        damaged: dict[int, Exception] = {}
        for step in self._candidates(which):
            try:
                content = self._read_content(step)
                for item, example in examples.items():
                    if example is not None:
                        _check_leaves(self._path(step), item, content["leaves"][item], _flatten(example))
                arrays = self._read_arrays(step, content, *examples)
            except CheckpointError:
                raise
            except Exception as error:  # damage surfaces as OSError, ValueError, KeyError, XlaRuntimeError, ...
                if not self._path(step).exists():  # pruned by its writer while we read: look again
                    return self._load(which, **examples)
                damaged[step] = error
            else:
                # Only now that there is a good one: were none good and all set aside, the next start would find an
                # empty directory and train from scratch.
                for bad, cause in damaged.items():
                    self._set_aside(bad, cause)
                return step, content["metadata"], arrays
        if damaged:
            reasons = "; ".join(f"{step}: {_first_line(cause)}" for step, cause in damaged.items())
            raise CheckpointError(f"no good checkpoint in {self.directory} ({reasons}); move it away to start afresh")
        there = f"it has steps {self.steps()}" if self.steps() else "train first with run_train.py"
        what = f"no checkpoint of step {which}" if isinstance(which, int) else "no checkpoint"
        raise CheckpointError(f"{what} in {self.directory}; {there}")

    # ---- changing the directory: process 0 only

    def _is_saved(self, step: int, content: dict) -> bool:
        """True if this very checkpoint is there and good; CheckpointError if saving it would rewrite history."""
        saved = self._contents()
        if saved.get(step) == content:
            try:
                self._read_arrays(step, content, *content["leaves"])
                return True
            except Exception as error:
                self._set_aside(step, error)
        elif saved and step <= max(saved):
            raise CheckpointError(f"cannot save {self._path(step)}: there are {sorted(saved)}; use another --workdir")
        elif self._path(step).exists():
            self._set_aside(step, ValueError("no intact metadata"))
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("drumjax.checkpoint: the way is clear")
        return False

    def _prune(self) -> None:
        """Remove all but the newest and the best. Runs after the newest was verified, so a good one always remains."""
        if jax.process_index() == 0:
            steps = self.steps()
            for step in set(steps) - {*steps[-_KEEP_NEWEST:], *self._candidates("best")[:1]}:
                # Renamed first: a kill half way leaves no step with half of its files.
                self._path(step).rename(self.directory / f"{step}.removed")
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        if jax.process_index() == 0:
            for path in [*self.directory.glob("*.orbax-checkpoint-tmp*"), *self.directory.glob("*.removed")]:
                shutil.rmtree(path, ignore_errors=True)

    def _set_aside(self, step: int, error: Exception) -> None:
        """Warn of a damaged step and move it to `damaged/<step>-<n>`, to be looked into; never delete it."""
        _log.warning("damaged checkpoint %s: %s", self._path(step), _first_line(error))
        if self.read_only or jax.process_index() != 0:
            return
        folder = self.directory / "damaged"
        try:
            folder.mkdir(exist_ok=True)
            self._path(step).rename(folder / f"{step}-{1 + len(list(folder.glob(f'{step}-*')))}")
        except OSError as reason:
            raise CheckpointError(f"cannot move {self._path(step)} to {folder}: {reason.strerror}") from reason


def check_compatible(saved: dict, wanted: dict, *, where: str = "the checkpoint") -> None:
    """Raise CheckpointError naming each key (dotted) in which two settings differ; both are compared as JSON."""

    def flatten(value: Any, prefix: str) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            return {prefix: value}
        return {k: v for key in value for k, v in flatten(value[key], f"{prefix}.{key}".lstrip(".")).items()}

    old, new = flatten(_to_json(saved), ""), flatten(_to_json(wanted), "")
    pairs = {key: (old.get(key, "nothing"), new.get(key, "nothing")) for key in sorted(old.keys() | new.keys())}
    # repr, because NaN differs from itself.
    lines = [f"{key}: saved {a!r}, wanted {b!r}" for key, (a, b) in pairs.items() if a != b and repr(a) != repr(b)]
    if lines:
        raise CheckpointError(f"{where} has other settings: {'; '.join(lines)}; use them or another --workdir")


# ---- trees and leaves


def _flatten(tree: Tree) -> dict[str, Any]:
    """{"a/b/0": leaf} for each leaf of a pytree, in its order; CheckpointError if names are not unique."""
    flat = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        parts = [jax.tree_util.keystr((key,), simple=True) for key in path]
        name = "/".join(parts)
        if not parts or not all(parts) or name.count("/") >= len(parts) or name in flat:
            raise CheckpointError(f"a checkpoint cannot name the leaf {name!r}: use dicts with plain keys, without '/'")
        flat[name] = leaf
    return flat


def _nest(flat: dict[str, Any]) -> dict[str, Any]:
    """Nested dicts from {"a/b": leaf}."""
    nested: dict[str, Any] = {}
    for name, leaf in flat.items():
        *parents, last = name.split("/")
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return nested


def _kind(leaf: Any) -> str:
    """ "float32[2, 3]", "key<fry>[]" or, of a Python number, its type: "int"."""
    return f"{leaf.dtype}{list(leaf.shape)}" if hasattr(leaf, "dtype") else type(leaf).__name__


def _check_leaves(path: Path, item: str, saved: dict[str, list], wanted: dict[str, Any]) -> None:
    """CheckpointError naming the leaves whose shape or dtype differ, or that only one side has."""
    old, new = {name: kind for name, (kind, _) in saved.items()}, {name: _kind(leaf) for name, leaf in wanted.items()}
    pairs = {name: (old.get(name, "nothing"), new.get(name, "nothing")) for name in sorted(old.keys() | new.keys())}
    lines = [f"{item}/{name}: saved {a}, wanted {b}" for name, (a, b) in pairs.items() if a != b]
    if lines:
        more = f"; and {len(lines) - 4} more" if len(lines) > 4 else ""
        raise CheckpointError(
            f"{path} does not fit: {'; '.join(lines[:4])}{more}; use its settings or another --workdir"
        )


def _to_host(name: str, leaf: Any) -> np.ndarray:
    """The whole leaf as numpy, the same in each process. Replicated arrays, the usual case, need no communication."""
    if _kind(leaf).split("[")[0] in _KEY_IMPLS:
        leaf = jax.random.key_data(leaf)
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        replicated = leaf.is_fully_replicated
        leaf = leaf.addressable_data(0) if replicated else multihost_utils.process_allgather(leaf, tiled=True)
    array = np.asarray(leaf)
    if array.dtype.kind in "OUS" or array.size == 0:
        raise CheckpointError(f"a checkpoint cannot hold the leaf {name}: {_kind(array)} is no array of numbers")
    return array


def _put(array: Any, sharding: jax.sharding.Sharding | None) -> jax.Array:
    """A numpy array or typed key on the devices of `sharding`, or uncommitted on the default one if it is None."""
    if sharding is None:
        return jax.device_put(array)
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        data = np.asarray(jax.random.key_data(array))
        return jax.random.wrap_key_data(_put(data, sharding), impl=jax.random.key_impl(array))
    # Unlike device_put, works for a sharding over several processes without communication.
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def _like(arrays: dict[str, Any], example: Tree) -> Tree:
    """Leaves by name put into the structure of `example`, each the kind of thing that is there, in the same place."""

    def place(array: Any, leaf: Any) -> Any:
        if not hasattr(leaf, "dtype"):
            return array.item()
        if isinstance(leaf, np.ndarray | np.generic):
            return array
        # What was not committed to a device must not be when restored: jit would compile again.
        return _put(array, leaf.sharding if getattr(leaf, "committed", True) else None)

    leaves = [place(arrays[name], leaf) for name, leaf in _flatten(example).items()]
    return jax.tree.unflatten(jax.tree.structure(example), leaves)


def _to_json(value: dict) -> dict:
    """What comes back when the value is written as JSON and read again; numpy scalars become numbers."""
    try:
        return json.loads(json.dumps(value, default=lambda scalar: scalar.item()))
    except (TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"metadata cannot be written as JSON: {error}") from error


def _crc(array: np.ndarray) -> int:
    """CRC-32 of bytes, shape and dtype; 0.4 ms per MB."""
    crc = zlib.crc32(f"{array.dtype}{array.shape}".encode())
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, crc)


def _crc_of_json(value: dict) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
