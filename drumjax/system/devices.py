"""The devices a run uses: the mesh of all of them, and the cache of what was compiled for them."""

import logging
import os
from pathlib import Path

import jax
import numpy as np
import platformdirs
from jax.experimental import multihost_utils

from drumjax.system.errors import UserError

logger = logging.getLogger(__name__)


MIN_SHARE = 8  # examples per CPU device


class DeviceError(UserError):
    """Devices or processes that were asked for cannot be had; one line says which, and what to do."""


def join_cluster() -> None:
    """Makes this process one of several; to be called before JAX looks at a device.

    Slurm, Open MPI, Kubernetes and TPU pods say who is who. Elsewhere JAX_COORDINATOR_ADDRESS (host:port of process 0,
    the same everywhere), JAX_NUM_PROCESSES and JAX_PROCESS_ID must: JAX itself reads only the first of the three.
    """
    try:
        num_processes, process_id = (
            int(os.environ[name]) if name in os.environ else None for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
        )
        jax.distributed.initialize(num_processes=num_processes, process_id=process_id)
    except (ValueError, RuntimeError) as error:
        raise DeviceError(
            f"cannot join the cluster: {error}; --distributed wants JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and "
            "JAX_PROCESS_ID in the environment, or a cluster that JAX knows"
        ) from error


def agree(text: str) -> str:
    """The text of the first process that has any, the same in all of them. Up to 32 bytes; waits for the devices."""
    padded = np.frombuffer(text.encode().ljust(32, b"\0"), np.uint8)
    texts = [bytes(row).rstrip(b"\0").decode() for row in np.asarray(multihost_utils.process_allgather(padded))]
    return next(filter(None, texts), "")


def count_shares(batch_size: int) -> int:
    """How many CPU cores can share a batch evenly: fewer than MIN_SHARE examples each make matrix products too thin."""
    shares = [n for n in range(1, count_cores() + 1) if batch_size % n == 0 and batch_size // n >= MIN_SHARE]
    return max(shares, default=1)


def count_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_cores(num_devices: int) -> None:
    """Makes that many JAX devices of the CPU, one per core at most; to be called before JAX looks at a device.

    XLA runs most of what is not a matrix product on one thread. With one device per core, and a batch shared by them,
    all of it runs on all cores: a training step of rock.py takes 0.8 times as long on two. XLA_FLAGS or
    jax_num_cpu_devices, if set, have the last word.
    """
    asked = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not asked and jax.config.jax_num_cpu_devices == -1:  # type: ignore[attr-defined]
        jax.config.update("jax_num_cpu_devices", max(1, min(num_devices, count_cores())))


def matmuls_in(precision: str):
    """A context in which matrix products are compiled at that precision, one of config.training.MATMUL_PRECISIONS."""
    return jax.default_matmul_precision(None if precision == "default" else precision)


def use_compile_cache(directory: Path | None = None) -> None:
    """Keeps compiled programs in the user's own cache folder, so that a second start does not compile again.

    The folder is trusted: what lies in it is executed. So it is never a shared or temporary one.
    """
    directory = directory or Path(platformdirs.user_cache_dir("drumjax")) / "compiled"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("compiled programs are not kept: %s", error)
        return
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def make_data_mesh(num_devices: int = 0) -> jax.sharding.Mesh:
    """A mesh with one axis, `data`, over the first num_devices devices of all processes; 0 takes all."""
    if num_devices > jax.device_count():
        raise DeviceError(f"num_devices is {num_devices}; there are {jax.device_count()}")
    devices = jax.devices()[: num_devices or None]
    return jax.make_mesh((len(devices),), ("data",), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)


def replicate(tree, mesh: jax.sharding.Mesh):
    """The tree of numpy arrays, the same in each process, with every array whole on every device of the mesh."""
    return jax.device_put(tree, replicated(mesh))


def replicated(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
    """The sharding of arrays that are whole on every device of the mesh."""
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


def to_local(tree):
    """Replicated arrays as this process's own single-device copies."""
    return jax.tree.map(lambda x: x.addressable_data(0), tree)
