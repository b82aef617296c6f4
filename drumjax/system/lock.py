"""One writer per folder: a run's working directory, or the out_dir of a job.

The lock is `flock` on `<folder>/lock`. The kernel gives it back when the process ends, however it ends (kill -9, out
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
except ImportError:  # not a POSIX system: no flock there, so lock_folder only warns
    fcntl = None  # type: ignore[assignment]

_HELD = (errno.EWOULDBLOCK, errno.EACCES)
_NOT_SUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

_HOLDER = b"pid "  # how the text begins

_log = logging.getLogger(__name__)


class LockError(UserError):
    """Another process is writing to the folder, or the lock file cannot be written; one line says which."""


@contextlib.contextmanager
def lock_folder(folder: str | os.PathLike[str], flag: str) -> Iterator[None]:
    """Hold `<folder>/lock` for as long as the context lasts; makes the folder if it is missing.

    Raises LockError at once, naming process and host, if another process holds it, also one that shares the file
    system (NFS passes flock on to its server); `flag` is what gave the folder, as in "choose another {flag}". Where
    locks are not supported, warns and goes on.
    """
    path = Path(folder) / "lock"
    file, is_locked = _open_locked(path, flag)
    try:
        if is_locked:
            _write_holder(file, path, flag)
        yield
    finally:
        if is_locked:  # while it is ours: who has it open already sees that it is gone, and opens the new one
            with contextlib.suppress(OSError):
                path.unlink()
        os.close(file)  # which releases it


def _open_locked(path: Path, flag: str) -> tuple[int, bool]:
    """The open file, and whether it is locked, which it is not where that is not supported. Raises LockError."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not truncated on opening: until the lock is ours, the text in it is the holder's. Not inherited by
            # children (Python's default): a helper process that outlives us must not keep the lock.
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise LockError(f"cannot open {path}: {error.strerror}; make room or choose another {flag}") from error
        try:
            is_locked = _acquire(file, path, flag)
            _check_own(file, path, flag)
            if not is_locked or _is_there(path, file):
                return file, is_locked
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its holder has removed it since we opened it: what others would lock is another file


def _is_there(path: Path, file: int) -> bool:
    """Whether the open file still has its name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except OSError:
        return False


def _check_own(file: int, path: Path, flag: str) -> None:
    """Raises LockError for a file of the user's that happens to have this name."""
    text = os.pread(file, len(_HOLDER), 0)
    if text and text != _HOLDER:
        raise LockError(f"{path} is a file that drumjax did not write; move it away or choose another {flag}")


def _write_holder(file: int, path: Path, flag: str) -> None:
    holder = f"{os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S %z')}\n"
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, _HOLDER + holder.encode(), 0)
    except OSError as error:  # it names no file
        raise LockError(f"cannot write {path}: {error.strerror}; make room or choose another {flag}") from error


def _acquire(file: int, path: Path, flag: str) -> bool:
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
                f"{path.parent} is in use by {holder}; wait for it, stop it, or choose another {flag}"
            ) from error
        if error.errno not in _NOT_SUPPORTED:
            raise LockError(f"cannot lock {path}: {error.strerror}") from error
        _log.warning("cannot lock %s (%s): make sure that nothing else writes there", path, error.strerror)
        return False
    return True
