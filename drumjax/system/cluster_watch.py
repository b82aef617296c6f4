"""Who watches over several processes: each holds a connection to the first, and says every second that it is alive.

A connection that closes without a goodbye is a process that has died, and one whose other end does not even acknowledge
what it is sent, a machine that has: the others end then, where they would wait in a collective operation for whoever
does not come. One that is silent is a process that has stopped, or a machine that is overloaded: that is said, and the
others end after as many seconds as they have patience. JAX notices too, but later and in its own words.

Lines of text: `<number> <secret>` from each process to the first, then `alive` and at last `bye` from both sides; from
the first, `lost <number> <how>` when it ends because of another.
"""

import contextlib
import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable

BEAT_SECONDS = 1.0
REPORT_SECONDS = 20.0  # of silence, until it is said
CONNECT_SECONDS = 10.0
UNREACHED_SECONDS = 30  # that a machine may take to acknowledge what it is sent

logger = logging.getLogger(__name__)


class Watch:
    """A thread that looks after the connections of this process. `lost(number, how)` is called once, when one fails;
    `patience` is how many seconds of silence are no failure."""

    def __init__(self, listener: socket.socket | None, secret: str, patience: float):
        self._listener, self._secret, self._patience = listener, secret, patience
        self.port = listener.getsockname()[1] if listener else 0
        self._peers: dict[socket.socket, _Peer] = {}
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cluster_watch", daemon=True)
        self.lost: Callable[[int, str], None] = end_process

    def add(self, connection: socket.socket, number: int) -> None:
        """Watches a connection; a number of -1 is of one that has not said yet who it is."""
        connection.setblocking(False)
        _miss_dead_machines(connection)
        self._peers[connection] = _Peer(number, time.monotonic())
        self._selector.register(connection, selectors.EVENT_READ)

    def start(self) -> None:
        if self._listener:
            self._listener.setblocking(False)
            self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()

    def close(self) -> None:
        """Says goodbye: this process ends well, and is not to be missed."""
        self._stop.set()
        self._thread.join()
        if self._listener:
            self._listener.close()
        for connection in self._peers:
            _send(connection, "bye")
            connection.close()

    def wait(self) -> None:
        """Returns after the time in which a process that is gone would have been noticed; if one is, never."""
        self._thread.join(UNREACHED_SECONDS + 2 * BEAT_SECONDS)

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stop.is_set():
            for key, _ in self._selector.select(timeout=BEAT_SECONDS / 4):
                if key.fileobj is self._listener:
                    self.add(self._listener.accept()[0], -1)
                else:
                    self._read(key.fileobj)  # type: ignore[arg-type]
            now = time.monotonic()
            if now - last > min(REPORT_SECONDS, self._patience) / 2:
                for peer in self._peers.values():  # it is we who were stopped: who kept silent meanwhile cannot be told
                    peer.heard = now
            last = now
            for connection, peer in list(self._peers.items()):
                if now - peer.sent >= BEAT_SECONDS:
                    peer.sent = now
                    _send(connection, "alive")
                self._look_at(connection, peer, now - peer.heard)

    def _look_at(self, connection: socket.socket, peer: "_Peer", silence: float) -> None:
        """Says once that a process is silent, and that it is back; gives it up when patience ends."""
        if silence > self._patience:
            return self._drop(connection, f"has been silent for {self._patience:.0f} s")
        if (silence > REPORT_SECONDS) == peer.is_missed or peer.number < 0:
            return
        peer.is_missed = not peer.is_missed
        if peer.is_missed:
            logger.warning(
                "process %d has been silent for %d s: it is stopped, or its machine is overloaded; this one waits for "
                "it, %d s in all", peer.number, silence, self._patience,
            )  # fmt: skip
        else:
            logger.warning("process %d is back", peer.number)

    def _read(self, connection: socket.socket) -> None:
        peer = self._peers[connection]
        try:
            data = connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self._drop(connection, "has died")
        peer.heard = time.monotonic()
        *lines, peer.rest = (peer.rest + data).split(b"\n")
        for line in lines:
            words = line.decode(errors="replace").split(maxsplit=2)
            if peer.number < 0:
                if len(words) != 2 or words[1] != self._secret or not words[0].isdecimal():
                    return self._forget(connection)  # a stranger
                peer.number = int(words[0])
            elif words[:1] == ["bye"]:
                return self._forget(connection)
            elif words[:1] == ["lost"] and len(words) == 3:
                self.lost(int(words[1]), words[2])
        if len(peer.rest) > 200:
            self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._peers[connection]
        connection.close()

    def _drop(self, connection: socket.socket, how: str) -> None:
        number = self._peers[connection].number
        self._forget(connection)
        if number < 0:
            return
        if self._listener:
            for other in self._peers:
                _send(other, f"lost {number} {how}")
        self.lost(number, how)


class _Peer:
    """Who is at the other end, when it was last heard and spoken to, whether it is missed, and half a line of its."""

    def __init__(self, number: int, now: float):
        self.number, self.heard, self.sent, self.is_missed, self.rest = number, now, 0.0, False, b""


def watch_members(num_processes: int, secret: str, patience: float) -> Watch:
    """What the first process does: listens at a free port for the others, who know the secret."""
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    listener = socket.create_server(
        ("", 0), family=family, backlog=num_processes, dualstack_ipv6=family == socket.AF_INET6
    )
    watch = Watch(listener, secret, patience)
    watch.start()
    return watch


def watch_first(host: str, port: int, number: int, secret: str, patience: float) -> Watch:
    """What each other process does. Raises OSError if the first cannot be reached."""
    connection = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    connection.sendall(f"{number} {secret}\n".encode())
    watch = Watch(None, secret, patience)
    watch.add(connection, 0)
    watch.start()
    return watch


def end_process(number: int, how: str) -> None:
    """Says who is gone and ends this process at once: it may be waiting where no exception reaches it."""
    text = (
        f"error: process {number} {how}, and this one ends with it; what process {number} said last is why. Start all "
        "processes again with the same command: they go on from the newest checkpoint\n"
    )
    os.write(2, text.encode())  # at once, and past whatever locks the rest of the program holds
    os._exit(1)


def _miss_dead_machines(connection: socket.socket) -> None:
    """Has the system close a connection whose other end does not answer: one that is only stopped does, by its own."""
    options = {
        "TCP_KEEPIDLE": UNREACHED_SECONDS // 3, "TCP_KEEPINTVL": UNREACHED_SECONDS // 6, "TCP_KEEPCNT": 4,
        "TCP_USER_TIMEOUT": 1000 * UNREACHED_SECONDS,
    }  # fmt: skip
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options.items():
        if hasattr(socket, name):  # Linux has them all
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _send(connection: socket.socket, text: str) -> None:
    with contextlib.suppress(OSError):  # it is gone, or so far behind that its buffer is full: reading from it tells
        connection.send(text.encode() + b"\n")
