"""The user's files: where they are, and written so that each is complete or absent."""

import contextlib
import errno
import functools
import inspect
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from drumjax.system.errors import UserError

Function = TypeVar("Function", bound=Callable[..., Any])


def user_path(text: str | os.PathLike[str]) -> Path:
    """The path that a user gives: `~` and `~name` at its beginning are home folders.

    A shell expands them too, but not in `--out_dir=~/samples`, in a config or in Python.
    """
    path = Path(os.path.expanduser(file_name(text)))
    return path.absolute() if str(path).startswith("~") else path  # of that very name: never to be expanded later


def file_name(text: str | os.PathLike[str]) -> str:
    """A name that stands in a text, such as a config, as Python writes that of a file.

    Files are named in UTF-8, also where the locale is one of ASCII or Latin-1; Python would then not know the name.
    """
    name = os.fspath(text)
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        with contextlib.suppress(UnicodeEncodeError):  # of a lone surrogate, which no text has
            return os.fsdecode(name.encode("utf-8", "surrogateescape"))
    return name


def takes_user_path(function: Function) -> Function:
    """The function, its argument `path` as user_path has it."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.arguments["path"] = user_path(given.arguments["path"])
        return function(*given.args, **given.kwargs)

    return cast(Function, call)


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """An OSError names this path, which those of files that are open already do not."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), os.fspath(path)) from error


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file so that a crash or a full disk leaves the old one, or none, but never a part of the new one.

    Raises OSError naming the path.
    """
    with replacing(path) as file, naming(path):
        file.write(data)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write what is to be at the path, where it appears whole as the block ends; not if by an error.

    Raises OSError naming the path.
    """
    # Opened by us, not by `tempfile`, whose files only their owner may read: the mode stays after the rename.
    temporary = Path(path).parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with naming(path):
            file = open(temporary, "xb")  # noqa: SIM115 - closed below, before the rename
        try:
            yield file
            with naming(path):
                file.flush()
                os.fsync(file.fileno())
        finally:
            with contextlib.suppress(OSError):  # what could not be written has been said
                file.close()
        with naming(path):
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


class ForeignFileError(UserError):
    """A file that drumjax did not write is in the way of one that it would."""


def replace_own(path: Path, data: bytes, mark: bytes) -> None:
    """Writes a file as write_atomically does, unless there is one without `mark`, which is in all of our own there.

    Raises ForeignFileError, or OSError naming the path.
    """
    check_own(path, mark)
    write_atomically(path, data)


def check_own(path: Path, mark: bytes) -> None:
    """Raises ForeignFileError if there is a file without `mark` in it; OSError."""
    if os.path.lexists(path) and not is_own(path, mark):
        raise ForeignFileError(f"{path} is a file that drumjax did not write; move it away, or write elsewhere")


def is_own(path: Path, mark: bytes) -> bool:
    """Whether there is a file with `mark` in it. Raises OSError."""
    return path.is_file() and mark in path.read_bytes()


def remove_temporaries(folder: str | os.PathLike[str]) -> None:
    """Removes what write_atomically left in a folder when it was killed; nobody else may be writing there."""
    for path in Path(folder).glob(".*.tmp"):
        if re.fullmatch(r"\.[0-9a-f]{16}\.tmp", path.name):
            path.unlink(missing_ok=True)
