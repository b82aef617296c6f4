"""Accelerators that a machine has, by what Linux says of its devices."""

import logging

import jax
import pytest

from drumjax.system import devices
from drumjax.system.accelerators import find_accelerators


def add_device(system, name, **facts):
    folder = system / "sys" / "bus" / "pci" / "devices" / name
    folder.mkdir(parents=True)
    for fact, value in facts.items():
        (folder / fact).write_text(f"{value}\n")


def test_none_where_there_are_none_or_nothing_is_known(tmp_path):
    assert find_accelerators(tmp_path) == []
    add_device(tmp_path, "0000:00:01.0", vendor="0x8086", device="0x1237", **{"class": "0x060000"})
    add_device(tmp_path, "0000:00:02.0", vendor="0x1ae0", device="0x0042", **{"class": "0x020000"})  # Google's network
    add_device(tmp_path, "0000:00:03.0", vendor="0x10de", device="0x10f9", **{"class": "0x040300"})  # a GPU's sound
    add_device(tmp_path, "0000:00:04.0")
    assert find_accelerators(tmp_path) == []


def test_a_gpu_and_a_tpu(tmp_path):
    add_device(tmp_path, "0000:00:04.0", vendor="0x10de", device="0x1eb8", **{"class": "0x030200"})  # T4
    assert find_accelerators(tmp_path) == ["GPU"]
    add_device(tmp_path, "0000:00:05.0", vendor="0x1ae0", device="0x0063", **{"class": "0x120000"})  # TPU v5e
    assert find_accelerators(tmp_path) == ["GPU", "TPU"]


@pytest.mark.parametrize("name", ["nvidia0", "accel0"])
def test_or_their_files(tmp_path, name):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / name).touch()
    assert find_accelerators(tmp_path) == [{"nvidia0": "GPU", "accel0": "TPU"}[name]]


def test_one_that_jax_does_not_use_is_said_loudly_and_once(monkeypatch, caplog):
    devices._warn_once.cache_clear()
    monkeypatch.setattr(devices, "find_accelerators", lambda: ["TPU"])
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert devices.find_devices().startswith("the CPU, ")
    assert not caplog.messages  # it was asked for
    monkeypatch.delenv("JAX_PLATFORMS")
    asked = jax.config.jax_platforms
    jax.config.update("jax_platforms", None)
    try:
        with caplog.at_level(logging.WARNING):
            devices.find_devices()
            devices.find_devices()
    finally:
        jax.config.update("jax_platforms", asked)
    (line,) = [line for line in caplog.messages if "TPU" in line]
    assert "jax[tpu]" in line
