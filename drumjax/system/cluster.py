"""Several processes that train together: how one joins them, and what they agree on."""

import logging
import os
import secrets
import sys
import traceback
from collections.abc import Callable

import jax
import numpy as np
from jax.experimental import multihost_utils

from drumjax.system.cluster_watch import Watch, watch_first, watch_members
from drumjax.system.console import run_or_explain
from drumjax.system.devices import DeviceError, find_devices

# Until JAX itself ends a process whose companion is silent, with lines of its own: longer than ours takes.
HEARTBEAT_SECONDS = 60

logger = logging.getLogger(__name__)


def join_cluster() -> None:
    """Makes this process one of several; to be called before JAX looks at a device.

    Slurm, Open MPI, Kubernetes and TPU pods say who is who. Elsewhere JAX_COORDINATOR_ADDRESS (host:port of process 0,
    the same everywhere), JAX_NUM_PROCESSES and JAX_PROCESS_ID must: JAX itself reads only the first of the three.
    """
    if hasattr(jax.config, "jax_enable_preemption_service"):  # its handler of SIGTERM would take the place of ours
        jax.config.update("jax_enable_preemption_service", False)
    try:
        num_processes, process_id = (
            int(os.environ[name]) if name in os.environ else None for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
        )
        jax.distributed.initialize(
            num_processes=num_processes, process_id=process_id, heartbeat_timeout_seconds=HEARTBEAT_SECONDS
        )
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


def run_in_cluster(run: Callable[[], int], *, require_accelerator: bool = False) -> int:
    """Joins the cluster, then runs it and returns the exit status, as run_or_explain does.

    Ends the process itself where it does not end well: on the usual way out JAX would wait for the other processes, and
    they for this one.
    """
    ended_well = False

    def run_watched() -> int:
        nonlocal ended_well
        join_cluster()
        find_devices(require_accelerator=require_accelerator)
        watch = _watch_cluster()
        try:
            status = run()
        except Exception as error:
            if watch and _is_of_xla(error):  # a collective operation, most likely, whose other half is gone
                watch.wait()
            raise
        if watch:
            watch.close()
        ended_well = True
        return status

    try:
        status = run_or_explain(run_watched)
    except Exception:
        traceback.print_exc()
        status = 1
    if not ended_well:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _is_of_xla(error: BaseException | None) -> bool:
    """Whether XLA raised it, or what it follows from."""
    return error is not None and (
        isinstance(error, jax.errors.JaxRuntimeError) or _is_of_xla(error.__cause__ or error.__context__)
    )


def _watch_cluster() -> Watch | None:
    """Ends this process, with one line, when another one is gone or silent; None where it is alone, or where process 0
    cannot be reached: then only JAX watches. Called by all processes at once, after join_cluster."""
    number, count = jax.process_index(), jax.process_count()
    if count == 1:
        return None
    secret = secrets.token_hex(8)
    if number == 0:
        watch = watch_members(count, secret)
        agree(f"{watch.port} {secret}")
        return watch
    port, secret = agree("").split()
    try:
        return watch_first(_coordinator_host(), int(port), number, secret)
    except OSError as error:
        logger.warning("cannot reach process 0 at port %s (%s): should a process die, the others notice late", port,
                       error)  # fmt: skip
        return None


def _coordinator_host() -> str:
    """Where process 0 is, as a cluster or the environment said: nothing public of JAX tells."""
    from jax._src.distributed import global_state

    return (global_state.coordinator_address or "").rpartition(":")[0].strip("[]") or "localhost"
