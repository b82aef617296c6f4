"""One writer per working directory.

The lock is `flock` on `<workdir>/lock`. The kernel gives it back when the process ends, however it ends (kill -9, out
of memory, power), so a leftover file locks nobody out: what is in it is only text for the error message.
"""

import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from drumjax.system.errors import UserError

try:
    import fcntl
except ImportError:  # not a POSIX system: no flock there, so lock_workdir only warns
    fcntl = None  # type: ignore[assignment]

_HELD = (errno.EWOULDBLOCK, errno.EACCES)
_NOT_SUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

_log = logging.getLogger(__name__)


class LockError(UserError):
    """Another process is writing to the working directory, or the lock file cannot be opened; one line says which."""


@contextlib.contextmanager
def lock_workdir(workdir: str | os.PathLike) -> Iterator[None]:
    """Hold `<workdir>/lock` for as long as the context lasts; makes the directory if it is missing.

    Raises LockError at once, naming process and host, if another process holds it, also one that shares the file
    system (NFS passes flock on to its server). Where locks are not supported, warns and goes on.
    """
    path = Path(workdir) / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not truncated on opening: until the lock is ours, the text in it is the holder's. Not inherited by children
        # (Python's default): a helper process that outlives us must not keep the lock.
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise LockError(f"cannot open {path}: {error.strerror}; choose a working directory you can write to") from error
    try:
        if _acquire(file, path):
            holder = f"pid {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S %z')}\n"
            os.ftruncate(file, 0)
            os.pwrite(file, holder.encode(), 0)
        yield
    finally:
        # Closing releases the lock. The file stays: were it removed, a process that has it open already and one that
        # makes it anew could each lock their own.
        os.close(file)


def _acquire(file: int, path: Path) -> bool:
    """True once locked, False where locking is not supported; LockError if another process holds the lock."""
    if fcntl is None:
        _log.warning("no file locks on this system: make sure that nothing else writes to %s", path.parent)
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            holder = os.pread(file, 200, 0).decode(errors="replace").split("\n")[0] or "another process"
            raise LockError(
                f"{path.parent} is in use by {holder}; wait for it, stop it, or choose another --workdir"
            ) from error
        if error.errno not in _NOT_SUPPORTED:
            raise LockError(f"cannot lock {path}: {error.strerror}") from error
        _log.warning("cannot lock %s (%s): make sure that nothing else writes there", path, error.strerror)
        return False
    return True
