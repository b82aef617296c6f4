"""Several processes that train together: how one joins them, and what they agree on."""

import contextlib
import dataclasses
import logging
import os
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from drumjax.system.cluster_watch import Watch, watch_first, watch_members
from drumjax.system.console import run_or_explain
from drumjax.system.coordinator import check_coordinator
from drumjax.system.devices import DeviceError, find_devices

# Longer than ours, so that whoever ends is ended by us, with a line that says why.
_JAX_LATER_SECONDS = 60
_FIRST_WORD_SECONDS = 20.0

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Timeouts:
    """How long one waits for others, in seconds.

    heartbeat       a process that is silent: one that has died, or whose machine has, is missed within a minute
    initialization  for all to have started: a scheduler may start them one after the other
    """

    heartbeat: int = 1800
    initialization: int = 1800


def join_cluster(timeouts: Timeouts) -> None:
    """Makes this process one of several; to be called before JAX looks at a device.

    Slurm, Open MPI, Kubernetes and TPU pods say who is who. Elsewhere JAX_COORDINATOR_ADDRESS (host:port of process 0,
    the same everywhere), JAX_NUM_PROCESSES and JAX_PROCESS_ID must: JAX itself reads only the first of the three.
    """
    if hasattr(jax.config, "jax_enable_preemption_service"):  # its handler of SIGTERM would take the place of ours
        jax.config.update("jax_enable_preemption_service", False)
    try:
        check_coordinator(os.environ)
        num_processes, process_id = (
            int(os.environ[name]) if name in os.environ else None for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
        )
        with _waiting_for(timeouts.initialization):
            jax.distributed.initialize(
                num_processes=num_processes,
                process_id=process_id,
                initialization_timeout=timeouts.initialization + _JAX_LATER_SECONDS,
                heartbeat_timeout_seconds=timeouts.heartbeat + _JAX_LATER_SECONDS,
            )
    except (ValueError, RuntimeError) as error:
        raise DeviceError(
            f"cannot join the cluster: {error}; --distributed wants JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and "
            "JAX_PROCESS_ID in the environment, or a cluster that JAX knows"
        ) from error


@contextlib.contextmanager
def _waiting_for(seconds: float) -> Iterator[None]:
    """Says now and then, within the block, who is awaited; ends this process when it takes longer than that: JAX would
    abort it."""
    over = threading.Event()

    def watch() -> None:
        end, pause = time.monotonic() + seconds, _FIRST_WORD_SECONDS
        while (left := end - time.monotonic()) > 0:
            if over.wait(min(pause, left)):
                return
            if time.monotonic() < end:
                logger.info("waiting for the other processes, %d s more at most; process 0 is to be at %s",
                            end - time.monotonic(), _coordinator_address())  # fmt: skip
            pause = min(2 * pause, 600)
        text = (
            f"error: the other processes did not come within {seconds:.0f} s (--initialization_timeout); process 0 is "
            f"to be at {_coordinator_address()}\n"
        )
        os.write(2, text.encode())
        os._exit(1)

    threading.Thread(target=watch, name="cluster_start", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def agree(text: str) -> str:
    """The text of the first process that has any, the same in all of them. Up to 32 bytes; waits for the devices."""
    padded = np.frombuffer(text.encode().ljust(32, b"\0"), np.uint8)
    texts = [bytes(row).rstrip(b"\0").decode() for row in np.asarray(multihost_utils.process_allgather(padded))]
    return next(filter(None, texts), "")


def run_in_cluster(
    run: Callable[[], int], *, timeouts: Timeouts = Timeouts(), require_accelerator: bool = False
) -> int:
    """Joins the cluster, then runs it and returns the exit status, as run_or_explain does.

    Ends the process itself where it does not end well: on the usual way out JAX would wait for the other processes, and
    they for this one.
    """
    ended_well = False

    def run_watched() -> int:
        nonlocal ended_well
        join_cluster(timeouts)
        find_devices(require_accelerator=require_accelerator)
        watch = _watch_cluster(timeouts.heartbeat)
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


def _watch_cluster(patience: float) -> Watch | None:
    """Ends this process, with one line, when another one is gone, or silent for so many seconds; None where it is
    alone, or where process 0 cannot be reached: then only JAX watches. Called by all processes at once, after
    join_cluster."""
    number, count = jax.process_index(), jax.process_count()
    if count == 1:
        return None
    secret = secrets.token_hex(8)
    if number == 0:
        watch = watch_members(count, secret, patience)
        agree(f"{watch.port} {secret}")
        return watch
    port, secret = agree("").split()
    try:
        return watch_first(_coordinator_host(), int(port), number, secret, patience)
    except OSError as error:
        logger.warning("cannot reach process 0 at port %s (%s): should a process die, the others notice after %d s",
                       port, error, patience + _JAX_LATER_SECONDS)  # fmt: skip
        return None


def _coordinator_host() -> str:
    return _coordinator_address().rpartition(":")[0].strip("[]") or "localhost"


def _coordinator_address() -> str:
    """Where process 0 is, as a cluster or the environment said: nothing public of JAX tells."""
    from jax._src.distributed import global_state

    return global_state.coordinator_address or ""
