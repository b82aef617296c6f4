"""Where process 0 is, by the environment alone."""

import socket

import pytest

from drumjax.system.cluster import Timeouts, join_cluster
from drumjax.system.coordinator import check_coordinator, count_hosts
from drumjax.system.devices import DeviceError

TWO_NODES = {"SLURM_JOB_NUM_NODES": "2", "SLURM_PROCID": "1"}


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({}, 1),
        ({"JAX_NUM_PROCESSES": "4"}, 1),  # of which nobody says where they are
        ({"SLURM_JOB_NUM_NODES": "4", "SLURM_STEP_NUM_NODES": "2"}, 2),
        ({"TPU_WORKER_HOSTNAMES": "a,b,c"}, 3),
        ({"JOB_COMPLETION_INDEX": "0", "JAX_NUM_PROCESSES": "5"}, 5),
        ({"OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_LOCAL_SIZE": "4"}, 2),
    ],
)
def test_how_many_hosts_there_are(environment, count):
    assert count_hosts(environment) == count


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.3.2.1", "[::1]"])
@pytest.mark.parametrize("number", ["0", "1"])
def test_this_very_machine_is_no_coordinator_of_several(host, number):
    address = {"JAX_COORDINATOR_ADDRESS": f"{host}:1234", "JAX_PROCESS_ID": number}
    check_coordinator(address)
    with pytest.raises(DeviceError, match=r"each machine takes for itself, and this job has 2 of them"):
        check_coordinator(TWO_NODES | address)


def test_a_name_that_is_of_this_machine_is_process_0s_alone(monkeypatch):
    """As Debian has it in /etc/hosts."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.1.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    address = {"JAX_COORDINATOR_ADDRESS": "node1:1234"}
    check_coordinator(TWO_NODES | address | {"SLURM_PROCID": "0"})
    with pytest.raises(DeviceError, match="node1:1234, which each machine takes for itself"):
        check_coordinator(TWO_NODES | address)


@pytest.mark.parametrize("said", ["node1", ":1234", "node1:port", "node1:0", "node1:70000", ""])
def test_what_is_no_address_at_all(said):
    with pytest.raises(DeviceError, match="must be the host and port of process 0"):
        check_coordinator({"JAX_COORDINATOR_ADDRESS": said})


def test_what_is_no_number_is_one_line(monkeypatch):
    """Also where it is only asked for to count the hosts."""
    for name, value in {"JOB_COMPLETION_INDEX": "0", "JAX_NUM_PROCESSES": "two", "JAX_PROCESS_ID": "0",
                        "JAX_COORDINATOR_ADDRESS": "node1:1234"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(DeviceError, match=r"cannot join the cluster: .*'two'"):
        join_cluster(Timeouts())


def test_a_host_that_nobody_knows(monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DeviceError, match=r"does not find node1 \(Name or service not known\)"):
        check_coordinator(TWO_NODES | {"JAX_COORDINATOR_ADDRESS": "node1:1234"})
