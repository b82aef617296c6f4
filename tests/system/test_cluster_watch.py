"""Processes that watch over each other, in threads of this one; tests/test_cluster.py has real ones."""

import queue
import socket
import time

import pytest

from drumjax.system import cluster_watch
from drumjax.system.cluster_watch import watch_first, watch_members

SECRET = "0123456789abcdef"
PATIENCE = 1.0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(cluster_watch, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(cluster_watch, "REPORT_SECONDS", 0.4)


@pytest.fixture
def cluster():
    """The first process, a member, and (who noticed, whom they miss, how) as they notice it."""
    noticed = queue.SimpleQueue()
    first = watch_members(3, SECRET, PATIENCE)
    member = watch_first("127.0.0.1", first.port, 2, SECRET, PATIENCE)
    for name, watch in (("first", first), ("member", member)):
        watch.lost = lambda *what, name=name: noticed.put((name, *what))
    yield first, member, noticed
    for watch in (member, first):
        watch.close()


def join(first, number, secret=SECRET):
    """A process that says no more than who it is."""
    connection = socket.create_connection(("127.0.0.1", first.port))
    connection.sendall(f"{number} {secret}\n".encode())
    return connection


def test_a_death_is_noticed_at_once_by_all(cluster):
    first, _, noticed = cluster
    with join(first, 1):
        time.sleep(0.3)
        assert noticed.empty()
    start = time.monotonic()
    assert sorted(noticed.get(timeout=5) for _ in range(2)) == [("first", 1, "has died"), ("member", 1, "has died")]
    assert time.monotonic() - start < 0.9  # not for its silence


def test_silence_is_noticed_in_time(cluster):
    first, _, noticed = cluster
    with join(first, 1):
        start = time.monotonic()
        what = sorted(noticed.get(timeout=5) for _ in range(2))
        assert [(name, number) for name, number, _ in what] == [("first", 1), ("member", 1)]
        assert all("silent" in how for *_, how in what)
        assert 0.9 < time.monotonic() - start < 4


def test_who_is_silent_for_a_while_is_named_and_named_again_when_it_is_back(cluster, caplog):
    first, _, noticed = cluster
    with join(first, 1) as other:
        time.sleep(0.7)
        other.sendall(b"alive\n")
        time.sleep(0.3)
        other.sendall(b"bye\n")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert said[0].startswith("process 1 has been silent for 0 s")
    assert said[0].endswith("1 s in all")
    assert said[1] == "process 1 is back"
    assert noticed.empty()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system closes no such connection")
def test_a_machine_that_acknowledges_nothing_is_missed(cluster):
    """The system closes the connection then, in its own time."""
    first, _, _ = cluster
    with join(first, 1):
        time.sleep(0.2)
        for connection in first._peers:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10


def test_the_first_is_missed_too(cluster):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        noticed = queue.SimpleQueue()
        member = watch_first("127.0.0.1", listener.getsockname()[1], 1, SECRET, PATIENCE)
        member.lost = lambda *what: noticed.put(what)
        connection, _ = listener.accept()
        connection.close()
        assert noticed.get(timeout=5) == (0, "has died")
        member.close()


def test_who_says_goodbye_or_is_a_stranger_is_not_missed(cluster):
    first, _, noticed = cluster
    watch_first("127.0.0.1", first.port, 1, SECRET, PATIENCE).close()
    for number, secret in ((1, "wrong"), ("one", SECRET), (1, "x" * 10_000)):
        join(first, number, secret).close()
    socket.create_connection(("127.0.0.1", first.port)).close()
    time.sleep(1.5)
    assert noticed.empty()


def test_who_was_stopped_itself_does_not_blame_the_others(cluster, monkeypatch):
    """As by Ctrl-Z of all of them: the clock goes on, and nobody has been heard."""
    _, _, noticed = cluster
    now = time.monotonic
    monkeypatch.setattr(cluster_watch.time, "monotonic", lambda: now() + 100)
    time.sleep(0.5)
    assert noticed.empty()


def test_nobody_there_is_an_error_that_can_be_caught():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        watch_first("127.0.0.1", port, 1, SECRET, PATIENCE)
