"""Files that are complete or absent: written beside their place, then renamed into it."""

import contextlib
import errno
import os
import re
import secrets
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file so that a crash or a full disk leaves the old one, or none, but never a part of the new one.

    Raises OSError naming the path.
    """
    # Opened by us, not by `tempfile`, whose files only their owner may read: the mode stays after the rename.
    temporary = Path(path).parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):  # it names the temporary file, or none
            code = error.errno or errno.EIO
            raise OSError(code, error.strerror or str(error), os.fspath(path)) from error
        raise


def remove_temporaries(folder: str | os.PathLike[str]) -> None:
    """Removes what write_atomically left in a folder when it was killed; nobody else may be writing there."""
    for path in Path(folder).glob(".*.tmp"):
        if re.fullmatch(r"\.[0-9a-f]{16}\.tmp", path.name):
            path.unlink(missing_ok=True)
