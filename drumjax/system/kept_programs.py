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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import serialize_executable

from drumjax.system.files import write_atomically

logger = logging.getLogger(__name__)

CompilerOptions = tuple[tuple[str, str], ...]  # of jax.jit, by name

# The least recently used go when there are more.
MAX_KEPT = 64
_SUFFIX = ".program"
_PACKAGES = ("jax", "jaxlib", "flax", "numpy")
# Settings of JAX that say where it keeps things, not what it makes.
_PLACES = ("cache", "dump", "profil", "logging", "tracer", "traceback")

# Functions that JAX finds for XLA when it traces a call of one: a process that only reads the program has none, and
# dies.
_NEEDS_ITS_TRACE = "@lapack_"

_folder: Path | None = None


def use_kept_programs(folder: Path | None) -> None:
    """Keeps programs in this folder, which exists and is the user's own: what lies there is executed. None ends it."""
    global _folder
    _folder = folder


@functools.lru_cache(maxsize=16)
def keep(
    function: Callable[..., Any],
    *closed_over: Any,
    mesh: jax.sharding.Mesh | None = None,
    compiler_options: CompilerOptions = (),
    **options: Any,
) -> "Kept":
    """The jitted function, whose programs are kept where use_kept_programs says.

    Args:
      function: as jax.jit has made it with these `options`, such as donate_argnums.
      closed_over: what has to decide all that it does, but for its arguments.
      mesh: the devices that it runs on, of all processes; None where its arguments are arrays of one process, on one
        device.
      compiler_options: those that the function was jitted with.
    """
    return Kept(function, closed_over, mesh, {**options, "compiler_options": dict(compiler_options)})


class Kept:
    """A function that looks for its programs before it is traced."""

    def __init__(self, function: Callable[..., Any], closed_over: Any, mesh: Any, options: Any):
        self._function, self._closed_over, self._mesh, self._options = function, closed_over, mesh, options
        self._programs: dict[Any, Callable[..., Any]] = {}  # by folder, shapes and devices
        self._read_ahead: dict[Any, Future[Callable[..., Any] | None]] = {}

    def __call__(self, *args: Any) -> Any:
        if (key := self._key(args)) is None:
            return self._function(*args)
        if key not in self._programs:
            self._programs[key] = self._find(args, key)
        return self._programs[key](*args)

    def read_ahead(self, *args: Any) -> None:
        """Begins to read the program for such arguments, in a thread; jax.ShapeDtypeStructs will do for arrays. Who
        calls with them then waits for the rest alone."""
        key = self._key(args)
        if key is None or key in self._programs or key in self._read_ahead:
            return
        path = self._path(key)
        if path is not None and path.exists():
            pool = ThreadPoolExecutor(1, thread_name_prefix="read_ahead")
            self._read_ahead[key] = pool.submit(_load, path, key.devices)
            pool.shutdown(wait=False)

    def _key(self, args: Any) -> "_Key | None":
        """What decides the program, but for what it is closed over; None where none can be kept."""
        leaves, tree = jax.tree.flatten(args)
        if _folder is None or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return None
        devices = self._devices(leaves)
        return None if devices is None else _Key(_folder, tree, tuple(_describe_leaf(leaf) for leaf in leaves), devices)

    def _devices(self, leaves: Sequence[Any]) -> tuple[jax.Device, ...] | None:
        """Those that it runs on; None if they are not known."""
        if self._mesh is not None:
            return tuple(self._mesh.devices.flat)
        found = {device for leaf in leaves if isinstance(leaf, jax.Array) for device in leaf.devices()}
        return tuple(found or jax.local_devices()[:1]) if len(found) <= 1 else None

    def _find(self, args: Any, key: "_Key") -> Callable[..., Any]:
        path = self._path(key)
        if path is None:
            return self._function
        reading = self._read_ahead.pop(key, None)
        return (reading.result() if reading else _load(path, key.devices)) or self._make(path, args)

    def _path(self, key: "_Key") -> Path | None:
        """Where the program is or will be; None if what it is closed over has no plain form."""
        layout = [*map(_describe_device, key.devices), jax.device_count(), jax.process_index(), jax.process_count()]
        if self._mesh is not None:
            layout += [list(self._mesh.axis_names), list(self._mesh.devices.shape)]
        options = [f"{name}={value}" for name, value in sorted(self._options.items())]
        try:
            name = _digest(self._closed_over, [str(key.tree), key.leaves, layout, options, _surroundings()])
        except TypeError as error:
            logger.debug("a program is not kept: %s", error)
            return None
        return key.folder / f"{name}{_SUFFIX}"

    def _make(self, path: Path, args: Any) -> Callable[..., Any]:
        lowered = _lower_anew(self._function, path.stem, args, self._options)
        program = _compile_anew(lowered)
        if _NEEDS_ITS_TRACE in lowered.as_text():
            logger.debug("a program is not kept: it calls %s", _NEEDS_ITS_TRACE)
            return program
        try:
            write_atomically(path, pickle.dumps(serialize_executable.serialize(program)))
            _remove_oldest(path.parent)
        except Exception as error:  # a full disk, or a device whose programs cannot be taken out of memory
            logger.debug("a program is not kept: %s", error)
        return program


class _Key(NamedTuple):
    """Arguments as their tree and what of each leaf decides the program, and the devices."""

    folder: Path
    tree: Any
    leaves: tuple[Any, ...]
    devices: tuple[jax.Device, ...]


def _describe_leaf(leaf: Any) -> tuple[Any, ...]:
    """What of an argument decides the program."""
    sharding = getattr(leaf, "sharding", None)
    layout = str(sharding.spec) if isinstance(sharding, jax.sharding.NamedSharding) else ""
    return leaf.shape, str(leaf.dtype), bool(getattr(leaf, "weak_type", False)), layout


def _lower_anew(function: Callable[..., Any], name: str, args: Any, options: Mapping[str, Any]) -> Any:
    """Lowered under a name that only this file gives, so that JAX's cache does not hold it: XLA writes a program for
    the CPU that it has read itself without some of its functions, which is found out when it runs."""

    bare = getattr(function, "__wrapped__", function)  # JAX takes compiler options of the outermost jit alone

    def program(*args: Any) -> Any:
        return bare(*args)

    program.__name__ = program.__qualname__ = f"kept_{name}"
    return jax.jit(program, **options).lower(*args)


def _compile_anew(lowered: Any) -> Any:
    """Compiled here, and not kept by JAX, who is told to keep only what takes forever."""
    threshold = "jax_persistent_cache_min_compile_time_secs"
    before = jax.config.values[threshold]
    jax.config.update(threshold, 1e9)
    try:
        return lowered.compile()
    finally:
        jax.config.update(threshold, before)


def _load(path: Path, devices: Sequence[jax.Device]) -> Callable[..., Any] | None:
    """The program that is kept there; None if there is none that can be used."""
    try:
        payload, in_tree, out_tree = pickle.loads(path.read_bytes())
        program = serialize_executable.deserialize_and_load(
            payload, in_tree, out_tree, backend=devices[0].client, execution_devices=list(devices)
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
    version = device.client.platform_version
    return f"{device.platform} {device.device_kind} {device.id} {device.process_index} {version}"


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
