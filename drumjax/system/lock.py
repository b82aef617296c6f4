"""One writer per folder: a run's working directory, or the out_dir of a job; of a job in shards, one per shard.

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

_MOMENTS, _MOMENT = 20, 0.05  # in seconds

_HOLDER = b"pid "  # how the text begins

_log = logging.getLogger(__name__)


class LockError(UserError):
    """Another process is writing to the folder, or the lock file cannot be written; one line says which."""


def find_holder(path: Path) -> str | None:
    """Who holds the lock of this path, such as "pid 12 on host since ..."; None if nobody does."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return None if fcntl is None or _is_last(file) else _read_holder(file)
    finally:
        os.close(file)


@contextlib.contextmanager
def lock_folder(
    folder: str | os.PathLike[str], flag: str, *, name: str = "lock", is_shared: bool = False
) -> Iterator[None]:
    """Hold `<folder>/<name>` for as long as the context lasts; makes the folder if it is missing.

    Raises LockError at once, naming process and host, if another process holds it, also one that shares the file
    system (NFS passes flock on to its server); `flag` is what gave the folder, as in "choose another {flag}". Several
    may hold it together if all say that it `is_shared`. Where locks are not supported, warns and goes on.
    """
    path = Path(folder) / name
    file, is_locked = _open_locked(path, flag, is_shared)
    try:
        if is_locked:
            _write_holder(file, path, flag)
        yield
    finally:
        if is_locked and is_shared:
            is_locked = _is_last(file)
        if is_locked:  # while it is ours: who has it open already sees that it is gone, and opens the new one
            with contextlib.suppress(OSError):
                path.unlink()
        os.close(file)  # which releases it


def _is_last(file: int) -> bool:
    """Whether nobody else holds a lock that is shared; it is no longer shared then."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _open_locked(path: Path, flag: str, is_shared: bool) -> tuple[int, bool]:
    """The open file, and whether it is locked, which it is not where that is not supported. Raises LockError."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not truncated on opening: until the lock is ours, the text in it is the holder's. Not inherited by
            # children (Python's default): a helper process that outlives us must not keep the lock.
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except (FileExistsError, NotADirectoryError) as error:
            raise LockError(f"{path.parent} is no folder; choose another {flag}") from error
        except OSError as error:
            raise LockError(f"cannot open {path}: {error.strerror}; make room or choose another {flag}") from error
        try:
            is_locked = _acquire(file, path, flag, is_shared)
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


def _flock(file: int, is_shared: bool) -> None:
    """Locks it at once. Raises OSError."""
    if not is_shared:
        return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for _ in range(_MOMENTS):  # another who leaves has it for itself for a moment: see _is_last
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        time.sleep(_MOMENT)
    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _read_holder(file: int) -> str:
    return os.pread(file, 200, 0).decode(errors="replace").split("\n")[0] or "another process"


def _write_holder(file: int, path: Path, flag: str) -> None:
    holder = f"{os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S %z')}\n"
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, _HOLDER + holder.encode(), 0)
    except OSError as error:  # it names no file
        raise LockError(f"cannot write {path}: {error.strerror}; make room or choose another {flag}") from error


def _acquire(file: int, path: Path, flag: str, is_shared: bool) -> bool:
    """True once locked, False where locking is not supported; LockError if another process holds the lock."""
    if fcntl is None:
        _log.warning("no file locks on this system: make sure that nothing else writes to %s", path.parent)
        return False
    try:
        _flock(file, is_shared)
    except OSError as error:
        if error.errno in _HELD:
            holder = _read_holder(file)
            raise LockError(
                f"{path.parent} is in use by {holder}; wait for it, stop it, or choose another {flag}"
            ) from error
        if error.errno not in _NOT_SUPPORTED:
            raise LockError(f"cannot lock {path}: {error.strerror}") from error
        _log.warning("cannot lock %s (%s): make sure that nothing else writes there", path, error.strerror)
        return False
    return True
