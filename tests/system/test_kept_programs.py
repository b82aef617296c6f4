"""What is kept is used again without a trace, and never where it would not do the same."""

import dataclasses
import functools
import os
import subprocess
import sys
import textwrap
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from drumjax.system import kept_programs
from drumjax.system.devices import make_data_mesh, replicated
from drumjax.system.kept_programs import keep, use_kept_programs


class Pair(NamedTuple):
    key: jax.Array
    x: jax.Array


@dataclasses.dataclass(frozen=True)
class Setup:
    factor: float = 2.0
    table: tuple = (np.arange(3),)

    def __hash__(self):
        return hash(self.factor)


@pytest.fixture
def folder(tmp_path):
    use_kept_programs(tmp_path)
    yield tmp_path
    use_kept_programs(None)


def make(setup=None, traces=None):
    """A function as another start of the program would make it."""
    setup, traces = setup or Setup(), [] if traces is None else traces

    @jax.jit
    def noise(pair, weights):
        traces.append(1)
        return Pair(pair.key, setup.factor * jax.random.normal(pair.key, (3,)) + pair.x * weights["w"])

    return keep(noise, setup)


ARGS = Pair(jax.random.key(3), np.arange(3, dtype=np.float32)), {"w": np.ones(3, np.float32)}


def programs(folder):
    return sorted(path.name for path in folder.glob("*.program"))


def same(a, b):
    np.testing.assert_array_equal(a.x, b.x)
    np.testing.assert_array_equal(jax.random.key_data(a.key), jax.random.key_data(b.key))


def test_the_second_start_traces_nothing(folder):
    first, second = [], []
    expected = make(traces=first)(*ARGS)
    assert len(programs(folder)) == len(first) == 1
    found = make(traces=second)
    same(found(*ARGS), expected)
    same(found(*ARGS), expected)
    assert second == []


@pytest.mark.parametrize("device", [0, 1])
def test_it_runs_where_its_arguments_are(folder, device):
    args = jax.device_put(ARGS, jax.devices()[device])
    expected, traces = make()(*args), []
    found = make(traces=traces)(*args)
    same(found, expected)
    assert found.x.devices() == {jax.devices()[device]}
    assert traces == []


def test_the_compiler_is_asked_for_the_same_whether_a_program_is_kept_or_not(folder):
    """Here for what it refuses."""
    asked = {"xla_gpu_enable_command_buffer": "NOTHING_KNOWN"}
    refused = jax.jit(lambda x: x + 1, compiler_options=asked)
    for kept_in in (folder, None):
        use_kept_programs(kept_in)
        with pytest.raises(Exception, match="NOTHING_KNOWN"):
            keep(refused, 1.0, compiler_options=tuple(asked.items()))(np.float32(1))


def test_compiler_options_have_programs_of_their_own(folder):
    asked = {"xla_gpu_enable_command_buffer": "FUSION"}
    keep(jax.jit(lambda x: x + 1), 1.0)(np.float32(1))
    kept = keep(jax.jit(lambda x: x + 1, compiler_options=asked), 1.0, compiler_options=tuple(asked.items()))
    assert kept(np.float32(2)) == 3
    assert len(programs(folder)) == 2


def test_what_makes_another_program_has_another_name(folder, monkeypatch):
    make()(*ARGS)
    make(Setup(factor=3.0))(*ARGS)
    make(Setup(table=(np.arange(1, 4),)))(*ARGS)
    make()(ARGS[0]._replace(x=np.float32(1)), ARGS[1])
    make()(*jax.device_put(ARGS, jax.devices()[1]))
    assert len(programs(folder)) == 5
    with jax.default_matmul_precision("bfloat16"):
        make()(*ARGS)
    monkeypatch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"] + " ")
    make()(*ARGS)
    monkeypatch.setattr(kept_programs, "_fixed_surroundings", lambda: ("another version",))
    make()(*ARGS)
    assert len(programs(folder)) == 8


@pytest.mark.parametrize("damage", [b"", b"\x80\x04nonsense"])
def test_a_damaged_one_is_made_anew(folder, damage):
    expected = make()(*ARGS)
    (path,) = folder.glob("*.program")
    whole = path.stat().st_size
    path.write_bytes(damage)
    same(make()(*ARGS), expected)
    assert path.stat().st_size > whole / 2
    traces = []
    same(make(traces=traces)(*ARGS), expected)
    assert traces == []


def test_where_nothing_can_be_kept_it_computes_all_the_same(tmp_path):
    expected = make()(*ARGS)
    assert not programs(tmp_path)
    use_kept_programs(tmp_path / "nowhere")
    same(make()(*ARGS), expected)
    use_kept_programs(tmp_path)
    same(keep(jax.jit(lambda pair, weights: pair), object())(*ARGS), ARGS[0])  # closed over what has no plain form
    use_kept_programs(None)
    assert not programs(tmp_path)


def test_on_several_devices_and_with_what_it_is_given(folder):
    """A donated argument is used up by a program that was kept, too."""
    traces = []
    mesh = make_data_mesh(4)
    whole, spec = replicated(mesh), PartitionSpec()

    def start():
        @functools.partial(jax.jit, donate_argnums=(0,))
        @functools.partial(jax.shard_map, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
        def add(x, count):
            traces.append(1)
            return jax.lax.fori_loop(0, count, lambda i, x: x + jax.lax.psum(1.0, "data"), x)

        x = jax.device_put(np.zeros(3, np.float32), whole)
        return keep(add, "add", mesh=mesh, donate_argnums=(0,))(x, np.int32(2)), x

    for _ in range(2):
        y, x = start()
        np.testing.assert_array_equal(y, [8, 8, 8])
        assert y.sharding.is_equivalent_to(whole, 1)
        assert x.is_deleted()
    assert len(traces) == len(programs(folder)) == 1


def test_what_calls_functions_that_only_a_trace_finds_is_not_kept(folder):
    """The decompositions of LAPACK: another process would end with a segmentation fault."""
    matrix = np.eye(3, dtype=np.float32)
    q, _ = keep(jax.jit(jnp.linalg.qr), "qr")(matrix)
    np.testing.assert_allclose(abs(q), matrix, atol=1e-6)
    assert not programs(folder)


def test_within_another_program_it_is_traced(folder):
    kept = make()
    same(jax.jit(lambda *args: kept(*args))(*ARGS), kept(*ARGS))
    assert len(programs(folder)) == 1


def test_the_least_recently_used_go(folder, monkeypatch):
    monkeypatch.setattr(kept_programs, "MAX_KEPT", 2)
    for i, factor in enumerate((1.0, 2.0, 3.0)):
        make(Setup(factor=factor))(*ARGS)
        for path in folder.glob("*.program"):
            os.utime(path, (i, path.stat().st_mtime if path.stat().st_mtime < 10 else i))
    assert len(programs(folder)) == 2
    traces = []
    make(Setup(factor=1.0), traces)(*ARGS)
    assert traces == [1]


@pytest.mark.slow
def test_another_process_runs_it_though_jax_keeps_programs_too(tmp_path):
    """XLA writes what it has read from JAX's cache without some of its functions."""
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        import jax, jax.numpy as jnp
        from drumjax.system.devices import use_compile_cache
        from drumjax.system.kept_programs import keep
        use_compile_cache(Path(sys.argv[1]))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        @jax.jit
        def f(key):
            print("traced")
            return jax.lax.fori_loop(0, 9, lambda i, x: jnp.sort(jnp.cumsum(x) % 1), jax.random.uniform(key, (99,)))
        jax.block_until_ready(jax.jit(f)(jax.random.key(0)))
        print(keep(f, "f")(jax.random.key(0)).sum())
    """)

    def start():
        done = subprocess.run([sys.executable, "-c", code, tmp_path / "compiled"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    first, second = start(), start()
    for path in (tmp_path / "programs").glob("*.program"):  # compiled anew, beside what JAX has kept
        path.unlink()
    third, fourth = start(), start()
    assert first[-1] == second[-1] == third[-1] == fourth[-1]
    assert len(list((tmp_path / "programs").glob("*.program"))) == 1


def test_jax_keeps_what_it_kept_before(folder):
    before = jax.config.values["jax_persistent_cache_min_compile_time_secs"]
    make()(*ARGS)
    assert jax.config.values["jax_persistent_cache_min_compile_time_secs"] == before
