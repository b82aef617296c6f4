"""The user's files: where they are, and written so that each is complete or absent."""

import contextlib
import errno
import functools
import inspect
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def user_path(text: str | os.PathLike[str]) -> Path:
    """The path that a user gives: `~` and `~name` at its beginning are home folders.

    A shell expands them too, but not in `--out_dir=~/samples`, in a config or in Python.
    """
    path = Path(os.path.expanduser(text))
    return path.absolute() if str(path).startswith("~") else path  # of that very name: never to be expanded later


def takes_user_path(function: Function) -> Function:
    """The function, its argument `path` as user_path has it."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.arguments["path"] = user_path(given.arguments["path"])
        return function(*given.args, **given.kwargs)

    return cast(Function, call)


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
