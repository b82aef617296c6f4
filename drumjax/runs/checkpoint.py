"""Checkpoints that are verified when written and when read: pytrees of arrays and JSON metadata, nothing else.

Layout, as Orbax has it: `<directory>/<step>/{params,state,metadata}`. A step appears by one rename, so a killed process
leaves at most a temporary directory. Orbax keeps no checksums of array bytes (two thirds of random bit flips restore
wrong values silently), hence ours: a CRC-32 for each leaf in the metadata, and one for the metadata itself.

Of several processes the first alone writes, and each reads for itself, without a word to the others: so whatever goes
wrong in reading is wrong on the disk, and a failure of communication is never taken for damage.
"""

import logging
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from drumjax.runs.checkpoint_folder import (
    CheckpointError,
    CheckpointFolder,
    Which,
    first_line,
    is_damage,
    seal,
    to_json,
)
from drumjax.runs.compatibility import check_leaves
from drumjax.runs.event_loop import late_answers_dropped
from drumjax.runs.leaves import (
    LeafError,
    Tree,
    crc,
    describe,
    find_not_finite,
    flatten,
    from_host,
    like,
    nest,
    put,
    to_host,
)
from drumjax.system.cluster import agree
from drumjax.system.command_name import command_name

# Orbax logs some twenty lines for each save through absl at INFO; its warnings, and the INFO lines of others, pass.
logging.getLogger("absl").addFilter(lambda record: record.levelno >= logging.WARNING or "orbax" not in record.pathname)


class Restored(NamedTuple):
    """One checkpoint, its trees structured and placed like the examples it was restored into."""

    step: int
    params: Tree
    state: Tree
    metadata: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run: the two newest and the best are kept. A context manager.

    In a multi-process run every process makes one and calls the same methods, on a file system that all of them see.
    What XLA raises when another process is gone passes through them.
    A writer expects to be the only one (see lock.py): on opening it removes what a killed one left half written.
    With `read_only` nothing in the directory changes.
    """

    def __init__(self, directory: str | os.PathLike, *, read_only: bool = False):
        self._folder = CheckpointFolder(directory, read_only=read_only)
        self.directory, self.read_only = self._folder.directory, read_only
        # Not a CheckpointManager: its save() may decline silently and its latest_step() counts empty directories.
        process = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(
            primary_host=process, active_processes={process}, barrier_sync_key_prefix=f"drumjax{process}"
        )
        self._checkpointer = ocp.Checkpointer(
            ocp.CompositeCheckpointHandler(composite_options=ocp.CompositeOptions(multiprocessing_options=alone)),
            multiprocessing_options=alone,
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        self._checkpointer.close()

    def steps(self) -> list[int]:
        """Steps that are committed and whose metadata is intact, ascending."""
        return sorted(self._folder.contents())

    def save(self, step: int, *, params: Tree, state: Tree, metadata: dict, metric: float | None) -> None:
        """Write one checkpoint; returns once it is committed, read back and found equal, and old ones are pruned.

        params    nested dicts of arrays: all that sampling needs
        state     the rest of the train state: any pytree of arrays, typed PRNG keys and Python numbers
        metadata  JSON; `step` and `metric` are added to it
        metric    lower is better; None, NaN and infinities are never the best

        A step that is there already with the same content is left as it is. Raises CheckpointError for other content,
        for a step older than the newest, for a leaf that is not finite, and for any failure to write; the older
        checkpoints stay.
        """
        path = self._folder.path(step)
        if self.read_only:
            raise CheckpointError(f"cannot save {path}: opened read-only")
        trees = {"params": params, "state": state}
        try:
            flat = {item: flatten(tree) for item, tree in trees.items()}
            if str(jax.tree.structure(nest(flat["params"]))) != str(jax.tree.structure(params)):
                raise CheckpointError(f"cannot save {path}: params must be nested dicts with strings for keys")
            arrays = {item: {name: to_host(name, x) for name, x in flat[item].items()} for item in trees}
        except LeafError as error:
            raise CheckpointError(f"cannot save {path}: {error}") from error
        for item in trees:
            if broken := find_not_finite(arrays[item]):
                raise CheckpointError(
                    f"cannot save {path}: {item}/{broken}; the older checkpoints {self.steps()} are kept"
                )
        metric = None if metric is None or not math.isfinite(metric) else float(metric)
        leaves = {i: {name: [describe(x), crc(arrays[i][name])] for name, x in flat[i].items()} for i in trees}
        content = {"metadata": to_json({**metadata, "step": step, "metric": metric}), "leaves": leaves}
        failure = None
        if jax.process_index() == 0:
            try:
                self._write(step, content, arrays)
            except CheckpointError as error:
                failure = error
        failed = agree("failed" if failure else "") if jax.process_count() > 1 else ""
        if failure or failed:
            raise failure or CheckpointError(f"cannot save {path}: see what process 0 says")

    def _write(self, step: int, content: dict, arrays: dict[str, dict[str, np.ndarray]]) -> None:
        """What save() does in the first process, with the leaves {item: {name: array}}."""
        if self._is_saved(step, content):
            return
        path = self._folder.path(step)
        self._check_space(path, sum(array.nbytes for item in arrays.values() for array in item.values()))
        args = {item: ocp.args.PyTreeSave(nest(arrays[item])) for item in arrays}
        args["metadata"] = ocp.args.JsonSave(seal(content))
        is_there = False
        try:
            self._checkpointer.save(path, args=ocp.args.Composite(**args))
            is_there = True
            if self._folder.read_content(step) != content:
                raise ValueError("the metadata read back differs from what was written")
            self._read_arrays(step, content, *arrays)
        except Exception as error:
            self._folder.remove_leftovers()
            if is_there and is_damage(error):
                self._folder.set_aside(step, error)
            kept = f"the older checkpoints {[other for other in self.steps() if other != step]} are kept"
            raise CheckpointError(f"cannot save {path}: {first_line(error)}; {kept}") from error
        self._folder.prune()

    def _check_space(self, path: Path, num_bytes: int) -> None:
        """Raises before a save that cannot fit: on a full disk, Orbax's own threads print tracebacks of their own."""
        free = shutil.disk_usage(self.directory).free
        if free < num_bytes * 1.1 + 2**16:  # array metadata takes a few kB
            need = f"{num_bytes / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free"
            raise CheckpointError(
                f"cannot save {path}: No space left ({need}); the older checkpoints {self.steps()} are kept"
            )

    def restore_latest(self, *, params: Tree, state: Tree) -> Restored | None:
        """The newest good checkpoint, or None if there has never been one.

        params, state  examples: trees of arrays (or jax.ShapeDtypeStruct) that give structure, shapes, dtypes and where
                       each leaf goes, whatever the number of devices that wrote it

        A damaged checkpoint is named in a warning and moved to `damaged/` (unless read-only), and the next older one is
        used. Raises CheckpointError if none is good, or if a leaf has another shape or dtype than wanted.
        """
        if not self._folder.candidates("latest"):
            self._folder.refuse_only_damaged()
            self._agree_on_start("the beginning")
            return None
        try:
            examples = {"params": flatten(params), "state": flatten(state)}
        except LeafError as error:
            raise CheckpointError(f"cannot restore from {self.directory}: {error}") from error
        step, metadata, arrays = self._load("latest", examples)
        self._agree_on_start(f"step {step}")
        return Restored(step, like(arrays["params"], params), like(arrays["state"], state), metadata)

    def _agree_on_start(self, start: str) -> None:
        """Raises CheckpointError if the first process has found another start."""
        if jax.process_count() > 1 and (first := agree(start)) != start:
            raise CheckpointError(
                f"process 0 goes on from {first} of {self.directory}, this one from {start}; all processes must see "
                "the same files: use a --workdir on a shared file system"
            )

    def restore_params(self, which: Which = "best", sharding: jax.sharding.Sharding | None = None) -> tuple[Tree, dict]:
        """(params, metadata) of the best, the newest or a given step; reads nothing else.

        params are numpy arrays, or jax arrays placed by `sharding`. `best` is the newest where no checkpoint has a
        finite metric. Where `best` or `latest` is damaged, a warning names it and the next one is used.
        """
        _, metadata, arrays = self._load(which, {"params": None})
        if sharding is not None:
            arrays["params"] = {name: put(array, sharding) for name, array in arrays["params"].items()}
        return nest(arrays["params"]), metadata

    def read_metadata(self, which: Which = "latest") -> dict[str, Any]:
        """What was given to `save` as metadata (tuples now lists), with `step` and `metric` (None if not finite)."""
        return self._load(which, {})[1]

    def _read_arrays(self, step: int, content: dict, *items: str) -> dict[str, dict[str, Any]]:
        """{item: {leaf: numpy array or typed key}}, each leaf equal to what was saved; raises some exception if not."""
        args = {}
        for item in items:
            target = nest(dict.fromkeys(content["leaves"][item], 0))
            # As numpy on the host, then placed by us: no sharding of the writer comes into it.
            restore_args = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), target)
            args[item] = ocp.args.PyTreeRestore(item=target, restore_args=restore_args)
        with late_answers_dropped():
            path = self._folder.path(step)
            restored = self._checkpointer.restore(path, args=ocp.args.Composite(**args)) if items else {}
        arrays = {item: flatten(restored[item]) for item in items}
        for item in items:
            # content["leaves"]["params"]["bias"] is ["float32[128]", 2873460123], say: what it was, and its sum.
            for name, (_, saved_crc) in content["leaves"][item].items():
                if crc(arrays[item][name]) != saved_crc:
                    raise ValueError(f"{item}/{name} does not match its checksum")
            if broken := find_not_finite(arrays[item]):
                raise ValueError(f"{item}/{broken}")
            for name, (kind, _) in content["leaves"][item].items():
                arrays[item][name] = from_host(kind, arrays[item][name])
        return arrays

    def _load(self, which: Which, examples: Mapping[str, dict | None]) -> tuple[int, dict, dict[str, dict]]:
        """(step, metadata, {item: arrays}) of the first good candidate, which must fit the examples {item: leaves}."""
        damaged: dict[int, Exception] = {}
        for step in self._folder.candidates(which):
            path = self._folder.path(step)
            try:
                content = self._folder.read_content(step)
                for item, example in examples.items():
                    if example is not None:
                        check_leaves(path, item, content["leaves"][item], example)
                arrays = self._read_arrays(step, content, *examples)
            except CheckpointError:
                raise
            except Exception as error:  # damage surfaces as OSError, ValueError, KeyError, ...
                if not path.exists():  # pruned by its writer while we read: look again
                    return self._load(which, examples)
                if not is_damage(error):
                    raise CheckpointError(
                        f"cannot read {path}: {first_line(error)}; it may be good, and stays where it is"
                    ) from error
                damaged[step] = error
            else:
                # Only now that there is a good one: were none good and all set aside, the next start would find an
                # empty directory and train from scratch.
                for bad, cause in damaged.items():
                    self._folder.set_aside(bad, cause)
                return step, content["metadata"], arrays
        if damaged:
            reasons = "; ".join(f"{step}: {first_line(cause)}" for step, cause in damaged.items())
            raise CheckpointError(f"no good checkpoint in {self.directory} ({reasons}); move it away to start afresh")
        self._folder.refuse_only_damaged()
        there = f"it has steps {self.steps()}" if self.steps() else f"train first with {command_name('train')}"
        what = f"no checkpoint of step {which}" if isinstance(which, int) else "no checkpoint"
        raise CheckpointError(f"{what} in {self.directory}; {there}")

    def _is_saved(self, step: int, content: dict) -> bool:
        """True if this very checkpoint is there and good; CheckpointError if saving it would rewrite history."""
        saved, path = self._folder.contents(), self._folder.path(step)
        if saved.get(step) == content:
            try:
                self._read_arrays(step, content, *content["leaves"])
                return True
            except Exception as error:
                if not is_damage(error):
                    raise CheckpointError(f"cannot read {path}: {first_line(error)}") from error
                self._folder.set_aside(step, error)
        elif saved and step <= max(saved):
            raise CheckpointError(f"cannot save {path}: there are {sorted(saved)}; use another --workdir")
        elif path.exists():
            self._folder.set_aside(step, ValueError("no intact metadata"))
        return False
