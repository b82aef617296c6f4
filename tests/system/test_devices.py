"""Devices out of CPU cores, seen from fresh processes: once JAX has looked at its devices their number stands."""

import os
import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest

from drumjax.config.training import MATMUL_PRECISIONS
from drumjax.system import devices
from drumjax.system.devices import DeviceError, choose_precision, count_cores, find_devices, loop_options

CORES = count_cores()


def count_devices(call: str, **environment) -> int:
    code = f"from drumjax.system.devices import use_cores; {call}; import jax; print(jax.device_count())"
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"} | environment
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_a_device_of_every_core():
    assert count_devices("use_cores(1)") == 1
    assert count_devices(f"use_cores({CORES + 5})") == CORES == count_cores()


@pytest.mark.parametrize(
    ("batch_size", "cores", "shares"),
    [(32, 2, 2), (32, 16, 4), (32, 3, 2), (33, 2, 1), (33, 3, 3), (8, 4, 1), (1, 4, 1)],
)
def test_a_batch_is_shared_evenly_and_not_too_thinly(monkeypatch, batch_size, cores, shares):
    monkeypatch.setattr(devices, "count_cores", lambda: cores)
    assert devices.MIN_SHARE == 8
    assert devices.count_shares(batch_size, hidden_size=256) == shares
    assert devices.count_shares(batch_size, hidden_size=512) == 1


@pytest.mark.slow
def test_who_has_set_the_number_of_devices_keeps_it():
    flags = "--xla_force_host_platform_device_count=3"
    assert count_devices(f"use_cores({CORES})", XLA_FLAGS=flags) == 3


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AssertionError(), "JAX_PLATFORMS=cuda; unset it"),  # CUDA without its plugin
        (RuntimeError("Unable to initialize backend 'tpu': INTERNAL: no\nlibtpu.so (set JAX_PLATFORMS='' to choose)"),
         r"JAX_PLATFORMS=cuda \(Unable to initialize backend 'tpu': INTERNAL: no libtpu.so\); unset it"),
    ],
)  # fmt: skip
def test_devices_that_are_not_there_are_said_in_a_line(monkeypatch, error, reason):
    def fail():
        raise error

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr(jax, "default_backend", fail)
    with pytest.raises(DeviceError, match=reason) as caught:
        find_devices()
    assert "\n" not in str(caught.value)


def test_an_accelerator_that_is_required_must_be_there(monkeypatch):
    find_devices()
    with pytest.raises(DeviceError, match=r"--require_accelerator: JAX finds no GPU or TPU, only the CPU"):
        find_devices(require_accelerator=True)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    find_devices(require_accelerator=True)


class Client(NamedTuple):
    platform_version: str = ""


class Device(NamedTuple):
    platform: str
    compute_capability: str = ""
    client: Client = Client()


CPU, TPU, T4, H100 = Device("cpu"), Device("tpu"), Device("gpu", "7.5"), Device("gpu", "9.0")
MI250 = Device("gpu", "gfx90a")


@pytest.mark.parametrize("precision", MATMUL_PRECISIONS)
@pytest.mark.parametrize("device", [CPU, TPU, T4, H100, MI250], ids=str)
def test_matrix_products_take_every_precision_a_config_may_name(precision, device):
    chosen = choose_precision(precision, device)
    with jax.default_matmul_precision(chosen):
        wanted = jax.make_jaxpr(lambda x: x @ x)(jnp.eye(2)).eqns[0].params["precision"]
        if device == CPU:
            assert jax.jit(lambda x: x @ x)(jnp.full((4, 4), 0.5))[0, 0] == 1
    assert (wanted is None) == (chosen is None)


def test_auto_is_bfloat16_where_the_device_multiplies_it():
    assert choose_precision("auto", CPU) == choose_precision("default", CPU) is None
    assert choose_precision("auto", TPU) == "bfloat16"
    assert choose_precision("auto", H100) == choose_precision("bfloat16", H100) == "BF16_BF16_F32"
    assert choose_precision("auto", Device("gpu", "10.0")) == "BF16_BF16_F32"
    assert choose_precision("auto", T4) == choose_precision("auto", MI250) is None
    assert choose_precision("default", H100) is None
    # What is chosen once is not chosen anew.
    assert choose_precision("BF16_BF16_F32", CPU) == "BF16_BF16_F32"


def test_loops_are_parts_of_cuda_graphs_on_nvidia_gpus_alone(monkeypatch):
    nvidia = H100._replace(client=Client("PJRT C API\ncuda 13000"))
    ((name, commands),) = loop_options(nvidia)
    assert {"FUSION", "CONDITIONAL", "WHILE"} <= set(commands.split(","))
    # XLA refuses, also on a CPU, an option or a command that it does not know.
    assert jax.jit(jnp.sin, compiler_options={name: commands})(0.0) == 0
    for other in (CPU, TPU, MI250._replace(client=Client("PJRT C API\nrocm 70000"))):
        assert loop_options(other) == ()
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_enable_command_buffer=")
    assert loop_options(nvidia) == ()
