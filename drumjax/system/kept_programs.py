"""Compiled programs that are kept whole, so that the next start traces nothing.

JAX's own cache holds what XLA compiled, but under a name that is only known once the program has been traced and
lowered: 1.5 s of the sampler's start. Here a program is found by what it is made from: drumjax's source, the versions
of what traces and compiles it, the settings of both, the device, what the function is closed over, and the shapes it
is called with. Whatever goes wrong with a kept program, the function is traced as ever.
"""

import dataclasses
import functools
import hashlib
import importlib.metadata
import logging
import os
import pickle
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import serialize_executable

from drumjax.system.files import write_atomically

logger = logging.getLogger(__name__)

# The least recently used go when there are more.
MAX_KEPT = 64
_SUFFIX = ".program"
_PACKAGES = ("jax", "jaxlib", "flax", "numpy")
# Settings of JAX that say where it keeps things, not what it makes.
_PLACES = ("cache", "dump", "profil", "logging", "tracer", "traceback")

_folder: Path | None = None


def use_kept_programs(folder: Path | None) -> None:
    """Keeps programs in this folder, which exists and is the user's own: what lies there is executed. None ends it."""
    global _folder
    _folder = folder


@functools.lru_cache(maxsize=16)
def keep(function: Callable[..., Any], *closed_over: Any) -> Callable[..., Any]:
    """The jitted function, whose programs are kept where use_kept_programs says. What it is closed over has to decide
    all that it does, but for its arguments: arrays of one process, on one device."""
    return _Kept(function, closed_over)


class _Kept:
    def __init__(self, function: Callable[..., Any], closed_over: Any):
        self._function, self._closed_over = function, closed_over
        self._programs: dict[Any, Callable[..., Any]] = {}  # by folder, shapes and device

    def __call__(self, *args: Any) -> Any:
        leaves, tree = jax.tree.flatten(args)
        if _folder is None or jax.process_count() > 1 or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return self._function(*args)
        devices = {d for leaf in leaves if isinstance(leaf, jax.Array) for d in leaf.devices()} or set(
            jax.devices()[:1]
        )
        if len(devices) > 1:
            return self._function(*args)
        kinds = tuple((leaf.shape, str(leaf.dtype), bool(getattr(leaf, "weak_type", False))) for leaf in leaves)
        key = (_folder, tree, kinds, devices.pop())
        if key not in self._programs:
            self._programs[key] = self._find(_folder, args, key)
        return self._programs[key](*args)

    def _find(self, folder: Path, args: Any, key: Any) -> Callable[..., Any]:
        _, tree, kinds, device = key
        try:
            name = _digest(self._closed_over, [str(tree), kinds, _describe_device(device), _surroundings()])
        except TypeError as error:
            logger.debug("a program is not kept: %s", error)
            return self._function
        path = folder / f"{name}{_SUFFIX}"
        return _load(path, device) or self._make(path, args)

    def _make(self, path: Path, args: Any) -> Callable[..., Any]:
        program = _compile_anew(self._function, path.stem, args)
        try:
            write_atomically(path, pickle.dumps(serialize_executable.serialize(program)))
            _remove_oldest(path.parent)
        except Exception as error:  # a full disk, or a device whose programs cannot be taken out of memory
            logger.debug("a program is not kept: %s", error)
        return program


def _compile_anew(function: Callable[..., Any], name: str, args: Any) -> Any:
    """Compiled here, not read from JAX's cache: XLA writes a program for the CPU that it has read itself without some
    of its functions, which is found out when it runs. So it has a name that only this file gives, and JAX is told to
    keep only what takes forever."""
    threshold = "jax_persistent_cache_min_compile_time_secs"
    before = jax.config.values[threshold]

    def program(*args: Any) -> Any:
        return function(*args)

    program.__name__ = program.__qualname__ = f"kept_{name}"
    jax.config.update(threshold, 1e9)
    try:
        return jax.jit(program).lower(*args).compile()
    finally:
        jax.config.update(threshold, before)


def _load(path: Path, device: jax.Device) -> Callable[..., Any] | None:
    """The program that is kept there; None if there is none that can be used."""
    try:
        payload, in_tree, out_tree = pickle.loads(path.read_bytes())
        program = serialize_executable.deserialize_and_load(
            payload, in_tree, out_tree, backend=device.client, execution_devices=[device]
        )
        os.utime(path)
    except FileNotFoundError:
        return None
    except Exception as error:  # damaged, or of a device that has changed under the same name
        logger.debug("%s is not used: %s", path, error)
        return None
    return program


def _remove_oldest(folder: Path) -> None:
    kept = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in kept[MAX_KEPT:]:
        path.unlink(missing_ok=True)


def _surroundings() -> list[str]:
    """What decides how a function is traced and compiled, but for itself."""
    settings = {name: str(value) for name, value in jax.config.values.items() if not any(p in name for p in _PLACES)}
    return [
        *_fixed_surroundings(),
        os.environ.get("XLA_FLAGS", ""),
        os.environ.get("LIBTPU_INIT_ARGS", ""),
        repr(sorted(settings.items())),
    ]


@functools.cache
def _fixed_surroundings() -> tuple[str, ...]:
    """Versions, the source of drumjax, and what the processor can do."""
    package = Path(__file__).parents[1]
    files = sorted((path, path.stat()) for path in package.rglob("*.py"))
    source = [f"{path.relative_to(package)} {stat.st_size} {stat.st_mtime_ns}" for path, stat in files]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    return (*versions, platform.python_version(), *_processor(), *source)


def _processor() -> tuple[str, ...]:
    """What programs for the CPU depend on: homes are shared between machines that differ in it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = {line.split(":")[0].strip(): line for line in lines}
    return (platform.machine(), platform.processor(), *(named.get(name, "") for name in ("model name", "flags")))


def _describe_device(device: jax.Device) -> str:
    return f"{device.platform} {device.device_kind} {device.id} {device.client.platform_version} {jax.device_count()}"


def _digest(*values: Any) -> str:
    digest = hashlib.sha256()
    for value in values:
        _add(digest, value)
    return digest.hexdigest()[:32]


def _add(digest: Any, value: Any) -> None:
    """Adds a value of plain data. Raises TypeError for one of anything else."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        digest.update(f"{type(value).__qualname__}(".encode())
        for field in dataclasses.fields(value):
            digest.update(field.name.encode())
            _add(digest, getattr(value, field.name))
    elif isinstance(value, tuple | list):
        digest.update(f"{type(value).__qualname__}[{len(value)}".encode())
        for item in value:
            _add(digest, item)
    elif isinstance(value, dict):
        _add(digest, list(value.items()))
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype} {value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif value is None or isinstance(value, str | int | float | bool | np.generic):
        digest.update(f"{value!r};".encode())
    else:
        raise TypeError(f"{type(value).__qualname__} is not plain data")
