import asyncio
import gc
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from drumjax.runs import checkpoint
from drumjax.runs.checkpoint import CheckpointError, Checkpoints
from drumjax.runs.compatibility import check_compatible


class TrainState(NamedTuple):
    step: Any
    opt_state: Any
    key: Any
    average: Any


def make_params(seed, dtype=jnp.float32, hidden=32):
    # Large enough that Orbax stores it as a value of its own: those, unlike small ones, it does not checksum.
    generator = np.random.default_rng(seed)
    kernel = jnp.asarray(generator.standard_normal((hidden, 4 * hidden)), dtype)
    return {
        "embed": {"table": jnp.arange(6, dtype=jnp.int32) + seed},
        "lstm": {"0": {"kernel": kernel, "bias": kernel[0]}},
    }


def make_state(params, seed):
    opt_state = optax.adamw(1e-3).init(params)
    opt_state = jax.tree.map(lambda leaf: leaf + seed, opt_state)
    extras = (
        None,
        seed,
        0.5 * seed,
        True,
        np.float32(seed),
        np.arange(3) + seed,
        jnp.ones((2, 3), jnp.bfloat16) * seed,
    )
    return TrainState(jnp.int32(seed), opt_state, jax.random.split(jax.random.key(seed), 2), extras)


def save(checkpoints, step, metric=None, **metadata):
    params = make_params(step)
    checkpoints.save(step, params=params, state=make_state(params, step), metadata=metadata, metric=metric)


def restore(checkpoints):
    params = make_params(0)
    return checkpoints.restore_latest(params=params, state=make_state(params, 0))


def assert_same_tree(left, right):
    """Equal structure, types, dtypes, shapes and bits."""
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert isinstance(a, jax.Array) == isinstance(b, jax.Array)
        assert np.result_type(a) == np.result_type(b) if not hasattr(a, "dtype") else a.dtype == b.dtype
        if isinstance(a, jax.Array) and jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), strict=True)


def assert_is_step(restored, step):
    """What `save` wrote for this step, and nothing else."""
    assert restored.step == restored.metadata["step"] == step
    assert_same_tree(restored.params, make_params(step))
    assert_same_tree(restored.state, make_state(make_params(step), step))


def tree_of(directory):
    """{path: (mtime in ns, size)} of everything under a directory, itself included."""
    paths = [Path(directory), *Path(directory).rglob("*")]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Checkpoints of steps 1 and 2, to be copied and broken."""
    directory = tmp_path_factory.mktemp("template")
    with Checkpoints(directory) as checkpoints:
        save(checkpoints, 1, metric=1.5)
        save(checkpoints, 2, metric=1.0)
    return directory


@pytest.fixture
def two_steps(template, tmp_path):
    return shutil.copytree(template, tmp_path / "checkpoints")


# ---- save and restore


def test_restores_every_kind_of_leaf_exactly(tmp_path):
    with Checkpoints(tmp_path / "new" / "checkpoints") as checkpoints:
        assert restore(checkpoints) is None
        save(checkpoints, 3, metric=np.float32(1.25), config={"hidden": (1, 2)}, loss=np.float64(0.5))
        assert checkpoints.steps() == [3]
    with Checkpoints(tmp_path / "new" / "checkpoints") as checkpoints:
        restored = restore(checkpoints)
    assert_is_step(restored, 3)
    assert restored.metadata == {"config": {"hidden": [1, 2]}, "loss": 0.5, "step": 3, "metric": 1.25}
    assert type(restored.state.average[1]) is int
    assert type(restored.state.average[3]) is bool


def test_restored_arrays_are_as_committed_as_the_example(two_steps):
    params, state = make_params(0), make_state(make_params(0), 0)
    placed = jax.device_put(params, jax.devices()[2])
    with Checkpoints(two_steps) as checkpoints:
        fresh = checkpoints.restore_latest(params=params, state=state)
        committed = checkpoints.restore_latest(params=placed, state=state)
    assert not any(leaf.committed for leaf in jax.tree.leaves(fresh.params))
    assert all(leaf.committed and leaf.devices() == {jax.devices()[2]} for leaf in jax.tree.leaves(committed.params))


def test_shape_dtype_structs_are_examples_too(two_steps):
    params = make_params(0)
    shapes = jax.eval_shape(lambda: params)
    with Checkpoints(two_steps) as checkpoints:
        restored = checkpoints.restore_latest(params=shapes, state=make_state(params, 0))
        assert_is_step(restored, 2)
        key_shape = make_state(params, 0)._replace(key=jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 2)))
        assert_is_step(checkpoints.restore_latest(params=shapes, state=key_shape), 2)


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_typed_keys_of_every_kind(tmp_path, impl):
    key = jax.random.key(7, impl=impl)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, params={"w": jnp.ones(2)}, state={"key": key}, metadata={}, metric=None)
        example = {"key": jax.random.key(0, impl=impl)}
        restored = checkpoints.restore_latest(params={"w": jnp.zeros(2)}, state=example)
    assert jax.random.key_impl(restored.state["key"]) == impl
    assert jax.random.bits(restored.state["key"]) == jax.random.bits(key)


def test_params_alone_without_an_example(two_steps):
    with Checkpoints(two_steps, read_only=True) as checkpoints:
        params, metadata = checkpoints.restore_params("latest")
        assert (metadata["step"], metadata["metric"]) == (2, 1.0)
        assert_same_tree(params, jax.tree.map(np.asarray, make_params(2)))
        assert_same_tree(checkpoints.restore_params(1)[0], jax.tree.map(np.asarray, make_params(1)))
        on_device, _ = checkpoints.restore_params(2, jax.sharding.SingleDeviceSharding(jax.devices()[1]))
        assert_same_tree(on_device, make_params(2))
        assert on_device["embed"]["table"].devices() == {jax.devices()[1]}


def test_params_do_not_need_the_state(two_steps):
    shutil.rmtree(two_steps / "2" / "state")
    with Checkpoints(two_steps, read_only=True) as checkpoints:
        assert_same_tree(checkpoints.restore_params("best")[0], jax.tree.map(np.asarray, make_params(2)))


def test_plain_orbax_opens_the_directory(two_steps):
    with ocp.CheckpointManager(two_steps, options=ocp.CheckpointManagerOptions(read_only=True)) as manager:
        assert list(manager.all_steps()) == [1, 2]
        metadata = manager.restore(2, args=ocp.args.Composite(metadata=ocp.args.JsonRestore()))
    assert metadata["metadata"]["content"]["metadata"] == {"step": 2, "metric": 1.0}


@pytest.mark.parametrize("num_writers", [1, 2, 4])
def test_restores_on_another_number_of_devices(tmp_path, num_writers):
    def place(tree, num_devices):
        mesh = Mesh(np.array(jax.devices()[:num_devices]), ("data",))
        replicated, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))
        return jax.device_put(tree, replicated), jax.device_put(np.arange(8.0, dtype=np.float32), split)

    def make(num_devices, seed):
        params, extra = place(make_params(seed), num_devices)
        return params, {"key": place(jax.random.key(seed), num_devices)[0], "extra": extra + seed}

    params, state = make(num_writers, 5)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(5, params=params, state=state, metadata={}, metric=None)
        numpy_params, _ = checkpoints.restore_params()
        assert_same_tree(numpy_params, jax.tree.map(np.asarray, make_params(5)))
    for num_readers in (1, 2, 4):
        example_params, example_state = make(num_readers, 0)
        with Checkpoints(tmp_path) as checkpoints:
            restored = checkpoints.restore_latest(params=example_params, state=example_state)
        assert_same_tree(restored.params, make_params(5))
        assert_same_tree(restored.state, {"key": jax.random.key(5), "extra": jnp.arange(8.0) + 5})
        for leaf, example in zip(
            jax.tree.leaves((restored.params, restored.state)),
            jax.tree.leaves((example_params, example_state)),
            strict=True,
        ):
            assert leaf.sharding == example.sharding
            assert len(leaf.devices()) == num_readers


# ---- what does not fit


def fails_to_restore(directory, params, state, *patterns):
    before = tree_of(directory)
    with Checkpoints(directory) as checkpoints, pytest.raises(CheckpointError) as caught:
        checkpoints.restore_latest(params=params, state=state)
    for pattern in (str(directory / "2"), *patterns):
        assert pattern in str(caught.value)
    assert "\n" not in str(caught.value)
    assert tree_of(directory) == before  # a checkpoint that does not fit is not a damaged one


def test_other_shape_dtype_or_structure_is_refused_by_name(two_steps):
    params = make_params(0)
    state = make_state(params, 0)
    wide, half = make_params(0, hidden=64), make_params(0, dtype=jnp.bfloat16)
    fails_to_restore(two_steps, wide, state, "params/lstm/0/kernel: saved float32[32, 128], wanted float32[64, 256]")
    fails_to_restore(two_steps, half, state, "params/lstm/0/bias: saved float32[128], wanted bfloat16[128]")
    fails_to_restore(
        two_steps,
        {**params, "lstm": {"1": params["lstm"]["0"]}},
        state,
        "params/lstm/1/kernel: saved nothing, wanted float32[32, 128]",
        "params/lstm/0/kernel: saved float32[32, 128], wanted nothing",
    )
    sgd = state._replace(opt_state=optax.sgd(0.1).init(params))
    fails_to_restore(
        two_steps, params, sgd, "state/opt_state/0/mu/embed/table: saved int32[6], wanted nothing", "more;"
    )
    rbg = state._replace(key=jax.random.split(jax.random.key(0, impl="rbg"), 2))
    fails_to_restore(two_steps, params, rbg, "state/key: saved key<fry>[2], wanted key<rbg>[2]")
    fails_to_restore(two_steps, params, state._replace(step=3), "state/step: saved int32[], wanted int")


def test_check_compatible_names_each_differing_setting():
    saved = {"model": {"hidden_size": 128, "layers": [2, 3]}, "codec": "grid", "x": float("nan"), "same": {"a": {}}}
    check_compatible(saved, {**saved, "model": {"hidden_size": np.int64(128), "layers": (2, 3)}})
    wanted = {"model": {"hidden_size": 256, "layers": (2, 3), "norm": True}, "codec": "events", "x": float("nan")}
    with pytest.raises(CheckpointError) as caught:
        check_compatible(saved, wanted, where="runs/rock")
    message = str(caught.value)
    assert message.startswith("runs/rock has other settings: codec: saved 'grid', wanted 'events'; ")
    assert "model.hidden_size: saved 128, wanted 256" in message
    assert "model.norm: saved 'nothing', wanted True" in message
    assert "same.a: saved {}, wanted 'nothing'" in message
    assert "layers" not in message
    assert "x: " not in message


@pytest.mark.parametrize(
    ("params", "state", "metadata", "message"),
    [
        ({"a/b": jnp.ones(2)}, {}, {}, "a/b"),
        ({"a": [jnp.ones(2)]}, {}, {}, "nested dicts"),
        ({"a": {1: jnp.ones(2)}}, {}, {}, "nested dicts"),
        (jnp.ones(2), {}, {}, "cannot name"),
        ({"a": jnp.ones(2)}, {"b": "text"}, {}, "leaf b"),
        ({"a": jnp.ones(2)}, {"b": jnp.ones((0, 3))}, {}, "leaf b"),
        ({"a": jnp.ones(2)}, {"b": 1}, {"path": Path("/")}, "metadata"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_anything_is_written(two_steps, params, state, metadata, message):
    before = tree_of(two_steps)
    with Checkpoints(two_steps) as checkpoints, pytest.raises(CheckpointError, match=message):
        checkpoints.save(3, params=params, state=state, metadata=metadata, metric=None)
    assert tree_of(two_steps) == before


def test_saving_an_existing_step(two_steps):
    before = tree_of(two_steps)
    with Checkpoints(two_steps) as checkpoints:
        save(checkpoints, 2, metric=1.0)  # the very same: nothing to do
        save(checkpoints, 1, metric=1.5)
        with pytest.raises(CheckpointError, match=r"/2: there are \[1, 2\]"):
            save(checkpoints, 2, metric=1.0, config="other")
        with pytest.raises(CheckpointError, match=r"cannot save .*/0: there are \[1, 2\]"):
            save(checkpoints, 0)
        params = make_params(7)
        with pytest.raises(CheckpointError):
            checkpoints.save(2, params=params, state=make_state(params, 2), metadata={}, metric=1.0)
    assert tree_of(two_steps) == before


def test_saving_an_existing_step_again_repairs_a_damaged_one(two_steps):
    shutil.rmtree(two_steps / "2" / "state")
    with Checkpoints(two_steps) as checkpoints:
        save(checkpoints, 2, metric=1.0)
        assert_is_step(restore(checkpoints), 2)
    assert (two_steps / "damaged" / "2-1").is_dir()


# ---- retention

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("reopen", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("metrics", "kept", "best"),
    [
        ([5.0, 4.0, 3.0, 2.0], [3, 4], 4),
        ([1.0, 2.0, 3.0, 4.0, 5.0], [1, 4, 5], 1),
        ([3.0, 1.0, 2.0, 2.5], [2, 3, 4], 2),
        ([3.0, 1.0, NAN, NAN, NAN], [2, 4, 5], 2),
        ([NAN, 3.0, NAN, 5.0, NAN, INF], [2, 5, 6], 2),
        ([-INF, 2.0, None, NAN, 3.0, None], [2, 5, 6], 2),
        ([NAN, NAN, NAN], [2, 3], 3),
        ([None, None, None, None], [3, 4], 4),
        ([2.0, 2.0, 3.0, 3.0, 3.0], [1, 4, 5], 1),
        ([0.0, -1.0, 0.0, 0.0], [2, 3, 4], 2),
    ],
)
def test_keeps_the_newest_two_and_the_best(tmp_path, metrics, kept, best, reopen):
    checkpoints = Checkpoints(tmp_path)
    for step, metric in enumerate(metrics, 1):
        if reopen:
            checkpoints = Checkpoints(tmp_path)
        w = {"w": np.full(3, step)}
        checkpoints.save(step, params=w, state={"step": step}, metadata={}, metric=metric)
        assert checkpoints.steps()[-2:] == [s for s in (step - 1, step) if s]
    assert checkpoints.steps() == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(step) for step in kept]
    params, metadata = checkpoints.restore_params("best")
    assert metadata["step"] == best
    np.testing.assert_array_equal(params["w"], best)
    assert checkpoints.read_metadata("best") == metadata
    assert checkpoints.read_metadata()["step"] == len(metrics)


# ---- damage


SLOW = pytest.mark.slow


def flip_bits(count):
    def flip(path):
        data = bytearray(path.read_bytes())
        generator = random.Random(f"{count} {len(data)}")
        for bit in generator.sample(range(8 * len(data)), min(count, 8 * len(data))):
            data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)

    return flip


DAMAGE = {
    "delete": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "truncate": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "last byte lost": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "zero": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "flip 1": flip_bits(1),
    "flip 2": flip_bits(2),
    "flip 10": flip_bits(10),
}


@pytest.mark.slow
# Each to every file of a checkpoint; the most telling ones at once.
@pytest.mark.parametrize(
    "damage", [name if name in ("delete", "truncate", "flip 1") else pytest.param(name, marks=SLOW) for name in DAMAGE]
)
def test_damage_to_any_file_is_found_or_harmless(template, tmp_path, damage, caplog):
    names = [path.relative_to(template) for path in sorted((template / "2").rglob("*")) if path.is_file()]
    assert len(names) > 8
    found = 0
    for number, name in enumerate(names):
        directory = shutil.copytree(template, tmp_path / str(number))
        DAMAGE[damage](directory / name)
        caplog.clear()
        with Checkpoints(directory) as checkpoints:
            restored = restore(checkpoints)
            if restored.step == 2:
                assert_is_step(restored, 2)
                assert not caplog.records
                continue
            found += 1
            assert_is_step(restored, 1)
            assert checkpoints.steps() == [1]
            assert (directory / "damaged" / "2-1").is_dir()
            assert f"damaged checkpoint {directory / '2'}: " in caplog.text
            if number % 5 == 0:  # training goes on, and comes by the same step again
                save(checkpoints, 2)
                assert_is_step(restore(checkpoints), 2)
    # Metadata and at least one file of arrays in each of two items; Orbax does not read all of its files.
    assert found >= 5, f"{found} of {len(names)}"


def test_a_damaged_checkpoint_prints_nothing(tmp_path, monkeypatch, caplog):
    """The arrays that come after the first that cannot be read find nobody who waits for them."""
    params = {f"layer{number}": np.full((30, 30), number, np.float32) for number in range(20)}
    with Checkpoints(tmp_path) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, params=params, state={"step": step}, metadata={}, metric=1.0)
    (tmp_path / "2" / "params" / "manifest.ocdbt").unlink()
    policy, printed = asyncio.get_event_loop_policy(), []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    for _ in range(10):
        with Checkpoints(tmp_path, read_only=True) as checkpoints:
            assert checkpoints.restore_latest(params=params, state={"step": 0}).step == 1
    time.sleep(0.2)  # whoever is late by more than this is not noticed
    assert asyncio.get_event_loop_policy() is policy
    assert printed == []
    gc.collect()  # futures that nobody looked at say so as they go
    assert [record.name for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize("which", ["best", "latest"])
def test_damaged_params_are_never_used_and_read_only_moves_nothing(two_steps, which, caplog):
    for path in (two_steps / "2" / "params").rglob("*"):
        if path.is_file():
            flip_bits(3)(path)
    before = tree_of(two_steps)
    with Checkpoints(two_steps, read_only=True) as checkpoints:
        params, metadata = checkpoints.restore_params(which)
        assert_is_step(restore(checkpoints), 1)
        with pytest.raises(CheckpointError, match=r"no good checkpoint .*\(2: "):
            checkpoints.restore_params(2)
    assert metadata["step"] == 1
    assert_same_tree(params, jax.tree.map(np.asarray, make_params(1)))
    assert "damaged checkpoint" in caplog.text
    assert tree_of(two_steps) == before


@pytest.mark.parametrize("old", ["0.5", '"hidden": 128', '"step": 9', "float32[3]"])
def test_each_edit_of_the_metadata_is_found(tmp_path, old):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(9, params={"w": np.ones(3, np.float32)}, state={"i": 1}, metadata={"hidden": 128}, metric=0.5)
    path = tmp_path / "9" / "metadata" / "metadata"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, {"float32[3]": "float32[4]"}.get(old, old[:-1] + "7")))
    json.loads(path.read_text())
    assert checkpoints.steps() == []
    with pytest.raises(CheckpointError, match="does not match its checksum"):
        checkpoints.read_metadata()


def test_another_step_in_place_of_the_newest_is_found(two_steps):
    shutil.rmtree(two_steps / "2")
    shutil.copytree(two_steps / "1", two_steps / "2")
    with Checkpoints(two_steps) as checkpoints:
        assert checkpoints.steps() == [1]
        assert_is_step(restore(checkpoints), 1)


def test_all_damaged_is_an_error_each_time_and_moves_nothing(two_steps):
    for step in (1, 2):
        shutil.rmtree(two_steps / str(step) / "params")
    for _ in range(2):  # were they set aside, the second start would train from scratch
        with (
            Checkpoints(two_steps) as checkpoints,
            pytest.raises(CheckpointError, match=r"no good .*2: .*; 1: ") as error,
        ):
            restore(checkpoints)
        assert str(two_steps) in str(error.value)
        assert "\n" not in str(error.value)
    assert not (two_steps / "damaged").exists()


NOT_DAMAGE = [
    jax.errors.JaxRuntimeError("UNKNOWN: Gloo AllGather failed: Connection closed by peer"),
    MemoryError(),
    PermissionError(13, "Permission denied"),
    OSError(24, "Too many open files"),
    OSError(116, "Stale file handle"),
    UnicodeEncodeError("ascii", "\xe9", 0, 1, "ordinal not in range"),
]


@pytest.mark.parametrize("error", NOT_DAMAGE, ids=lambda error: type(error).__name__)
def test_what_could_not_be_read_is_not_damaged(two_steps, monkeypatch, error):
    def fail(*args):
        raise error

    before = tree_of(two_steps)
    with Checkpoints(two_steps) as checkpoints:
        monkeypatch.setattr(checkpoints, "_read_arrays", fail)
        for read in (lambda: restore(checkpoints), checkpoints.restore_params, lambda: save(checkpoints, 2, 1.0)):
            with pytest.raises(CheckpointError, match=r"cannot read .*/2: ") as caught:
                read()
            assert "\n" not in str(caught.value)
            assert "move" not in str(caught.value)
        assert tree_of(two_steps) == before
        with pytest.raises(CheckpointError, match=r"cannot save .*/3: .*; the older checkpoints \[1, 2\] are kept"):
            save(checkpoints, 3)
        assert not (two_steps / "damaged").exists()
        monkeypatch.undo()
        assert restore(checkpoints).step == 3  # it was good: only to read it back had failed


def test_where_all_were_set_aside_nothing_begins_anew(two_steps):
    (two_steps / "damaged").mkdir()
    for step in (1, 2):
        (two_steps / str(step)).rename(two_steps / "damaged" / f"{step}-1")
    before = tree_of(two_steps)
    for read_only in (False, True):
        with Checkpoints(two_steps, read_only=read_only) as checkpoints:
            for read in (lambda: restore(checkpoints), checkpoints.restore_params):
                with pytest.raises(CheckpointError, match=r"all set aside as damaged \(1-1, 2-1\); move ") as caught:
                    read()
                assert "\n" not in str(caught.value)
    assert tree_of(two_steps) == before


def test_set_aside_twice_keeps_both(two_steps):
    for number in (1, 2):
        shutil.rmtree(two_steps / "2" / "state")
        with Checkpoints(two_steps) as checkpoints:
            assert_is_step(restore(checkpoints), 1)
            assert (two_steps / "damaged" / f"2-{number}").is_dir()
            save(checkpoints, 2)


def test_junk_does_not_count(two_steps):
    for name in ("999", "3", "damaged", "007", "-4", "5.orbax-checkpoint-tmp-1", "x", "٣"):
        (two_steps / name).mkdir()
    (two_steps / "8").write_text("a file")
    with Checkpoints(two_steps, read_only=True) as checkpoints:
        assert checkpoints.steps() == [1, 2]
        assert checkpoints.read_metadata()["step"] == 2
    with Checkpoints(two_steps) as checkpoints:
        assert not (two_steps / "5.orbax-checkpoint-tmp-1").exists()  # left by a killed process
        save(checkpoints, 3, metric=0.5)  # older than the empty 999, in place of the empty 3
        assert_is_step(restore(checkpoints), 3)
        assert checkpoints.steps() == [2, 3]


# ---- failures to write


@pytest.mark.parametrize("failing", ["save", "read_content", "_read_arrays"])
def test_a_failed_save_is_an_error_and_the_older_ones_stay(two_steps, monkeypatch, failing):
    def fail(*args, **kwargs):
        raise OSError(5, "Input/output error")

    before = tree_of(two_steps / "2")
    with Checkpoints(two_steps) as checkpoints:
        with monkeypatch.context() as patch:
            owner = {"save": checkpoints._checkpointer, "read_content": checkpoints._folder}.get(failing, checkpoints)
            patch.setattr(owner, failing, fail)
            with pytest.raises(CheckpointError, match=r"cannot save .*/3: .*Input/output error"):
                save(checkpoints, 3, metric=0.5)
        assert checkpoints.steps() == [1, 2]
        assert tree_of(two_steps / "2") == before
        save(checkpoints, 3, metric=0.5)
        assert_is_step(restore(checkpoints), 3)


def test_wrong_bytes_on_disk_are_noticed_while_saving(two_steps, monkeypatch):
    original = ocp.Checkpointer.save

    def save_badly(self, path, args):
        original(self, path, args=args)
        for data in (path / "params").rglob("d/*"):
            flip_bits(3)(data)

    monkeypatch.setattr(ocp.Checkpointer, "save", save_badly)
    with Checkpoints(two_steps) as checkpoints:
        with pytest.raises(CheckpointError, match=r"older checkpoints \[1, 2\] are kept"):
            save(checkpoints, 3, metric=0.5)
        monkeypatch.undo()
        assert_is_step(restore(checkpoints), 2)


def test_disk_full(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", tmp_path], capture_output=True
    ).returncode
    if mounted != 0:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        big = {"w": np.random.default_rng(0).standard_normal(10**6)}
        with Checkpoints(tmp_path / "checkpoints") as checkpoints:
            save(checkpoints, 1, metric=2.0)
            with pytest.raises(
                CheckpointError, match=r"cannot save .*/2: .*(No space left|RESOURCE_EXHAUSTED)"
            ) as caught:
                checkpoints.save(2, params=big, state={"step": 2}, metadata={}, metric=1.0)
            assert "\n" not in str(caught.value)
            assert os.listdir(tmp_path / "checkpoints") == ["1"]  # nothing half written takes up the space
            assert_is_step(restore(checkpoints), 1)
            save(checkpoints, 3)
            assert_is_step(restore(checkpoints), 3)
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_directories_that_cannot_be_used(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot make .*file"):
        Checkpoints(tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .*missing; train first with .*run_train.py"):
        Checkpoints(tmp_path / "missing", read_only=True)
    (tmp_path / "empty").mkdir()
    with Checkpoints(tmp_path / "empty", read_only=True) as checkpoints:
        assert restore(checkpoints) is None
        for read in (checkpoints.restore_params, checkpoints.read_metadata):
            with pytest.raises(CheckpointError, match=r"no checkpoint in .*empty; train first with .*run_train.py"):
                read()
        with pytest.raises(CheckpointError, match="read-only"):
            save(checkpoints, 1)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(CheckpointError, match=r"cannot write to .*: no permission"):
        Checkpoints(tmp_path / "empty")


def test_missing_step_is_named(two_steps):
    message = r"no checkpoint of step 7 in .*; it has steps \[1, 2\]"
    with Checkpoints(two_steps, read_only=True) as checkpoints, pytest.raises(CheckpointError, match=message):
        checkpoints.restore_params(7)


def test_reading_changes_nothing(two_steps):
    (two_steps / "5.orbax-checkpoint-tmp-1").mkdir()  # a save in flight in another process
    (two_steps / "999").mkdir()
    before = tree_of(two_steps)
    with Checkpoints(two_steps, read_only=True) as checkpoints:
        checkpoints.restore_params("best")
        checkpoints.restore_params(1)
        checkpoints.read_metadata()
        checkpoints.steps()
        assert_is_step(restore(checkpoints), 2)
    assert tree_of(two_steps) == before


def test_a_step_pruned_while_it_is_read_is_no_damage(two_steps, monkeypatch, caplog):
    original = Checkpoints._read_arrays

    def prune_then_read(self, step, content, *items):
        if step == 2:
            shutil.rmtree(two_steps / "2")
        return original(self, step, content, *items)

    monkeypatch.setattr(Checkpoints, "_read_arrays", prune_then_read)
    with Checkpoints(two_steps, read_only=True) as checkpoints:
        assert checkpoints.restore_params("best")[1]["step"] == 1
    assert not caplog.records


def test_orbax_is_quiet_and_others_are_not(two_steps, caplog):
    with caplog.at_level(logging.INFO, logger="absl"):
        with Checkpoints(two_steps) as checkpoints:
            save(checkpoints, 3)
        logging.getLogger("absl").info("step 3")
    assert [record.getMessage() for record in caplog.records] == ["step 3"]


# ---- kill -9

# Children, forked off a process that has imported the libraries, save until they are killed, one after the other. Each
# prints the steps that it committed, then its parent prints a line of its own.
SAVE_LOOPS = textwrap.dedent("""
    import os, random, signal, sys, time
    import numpy as np
    from drumjax.runs.checkpoint import Checkpoints

    def save_for_ever():
        with Checkpoints(sys.argv[1]) as checkpoints:
            last = checkpoints.restore_latest(params={"w": np.zeros(200_000)}, state={"step": 0})
            step = last.step if last else 0
            while True:
                step += 1
                params = {"w": np.random.default_rng(step).standard_normal(200_000)}
                checkpoints.save(step, params=params, state={"step": step}, metadata={}, metric=-step % 7)
                print(step, flush=True)

    for line in sys.stdin:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(write, 1)
            save_for_ever()
        os.close(write)
        with open(read) as saved:
            first = saved.readline()
            time.sleep(float(line))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            print(*first.split(), *saved.read().split(), flush=True)
""")


@pytest.mark.slow
def test_kill_at_any_time_loses_at_most_the_save_in_flight(tmp_path):
    generator = random.Random(0)
    example = {"params": {"w": np.zeros(200_000)}, "state": {"step": 0}}
    command = [sys.executable, "-c", SAVE_LOOPS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(4):
            process.stdin.write(f"{generator.uniform(0, 0.3)}\n")
            process.stdin.flush()
            committed = [int(step) for step in process.stdout.readline().split()]
            with Checkpoints(tmp_path, read_only=True) as checkpoints:
                restored = checkpoints.restore_latest(**example)
                best = checkpoints.read_metadata("best")
            assert committed
            assert restored.step >= max(committed)
            assert restored.state == {"step": restored.step}
            weights = np.random.default_rng(restored.step).standard_normal(200_000)
            np.testing.assert_array_equal(restored.params["w"], weights)
            assert best["metric"] == min(-step % 7 for step in range(1, restored.step + 1))
            assert not (tmp_path / "damaged").exists()
        process.stdin.close()
    assert restored.step >= 4


def test_only_checkpoint_py_knows_orbax():
    for path in Path(checkpoint.__file__).parent.rglob("*.py"):
        assert path.name == "checkpoint.py" or "import orbax" not in path.read_text(), path
