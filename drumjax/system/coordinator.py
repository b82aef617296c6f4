"""Where process 0 of a cluster is, as its environment says, and whether the others can reach it there."""

import ipaddress
import socket
from collections.abc import Mapping

from drumjax.system.devices import DeviceError

# What says on how many hosts the processes of a job are: of Slurm, then of TPU pods (names separated by commas).
_HOST_COUNTS = ("SLURM_STEP_NUM_NODES", "SLURM_JOB_NUM_NODES", "SLURM_NNODES")
_HOST_NAMES = "TPU_WORKER_HOSTNAMES"
# Of MPI: all processes, and those on this host.
_MPI_SIZES = ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE")


def check_coordinator(environment: Mapping[str, str]) -> None:
    """Raises DeviceError if JAX_COORDINATOR_ADDRESS is no host:port, has no address, or is of this very machine
    although process 0 runs on another: then the processes wait for each other in vain.

    The name of a host may well be of 127.0.1.1 on that host itself: there process 0 listens at all its addresses.
    """
    said = environment.get("JAX_COORDINATOR_ADDRESS")
    if said is None:
        return
    host, _, port = said.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise DeviceError(f"JAX_COORDINATOR_ADDRESS is {said!r}; it must be the host and port of process 0: node1:1234")
    if count_hosts(environment) < 2:
        return
    host = host.strip("[]")
    is_first = environment.get("JAX_PROCESS_ID", environment.get("SLURM_PROCID")) == "0"
    if _is_loopback(host) or (not is_first and _resolves_to_loopback(host)):
        raise DeviceError(
            f"JAX_COORDINATOR_ADDRESS is {said}, which each machine takes for itself, and this job has "
            f"{count_hosts(environment)} of them: give the name or address of process 0's machine in the network"
        )


def count_hosts(environment: Mapping[str, str]) -> int:
    """On how many hosts the processes are, as the scheduler says; 1 where none says it."""
    for name in _HOST_COUNTS:
        if environment.get(name, "").isdecimal():
            return int(environment[name])
    if names := environment.get(_HOST_NAMES):
        return len(names.split(","))
    if "JOB_COMPLETION_INDEX" in environment:  # each pod of Kubernetes is a host of its own
        return int(environment.get("JAX_NUM_PROCESSES", "1"))
    every, here = (environment.get(name, "") for name in _MPI_SIZES)
    return -(-int(every) // max(int(here), 1)) if every.isdecimal() and here.isdecimal() else 1


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.startswith("localhost."):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _resolves_to_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DeviceError(
            f"JAX_COORDINATOR_ADDRESS: this machine does not find {host} ({error.strerror}); give the name or address "
            "of process 0's machine in the network"
        ) from error
    return any(_is_loopback(str(address[0])) for *_, address in found)
