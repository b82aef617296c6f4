"""The songs of many MIDI files in one compressed file, so that they are parsed once.

A cache file holds arrays and JSON text only. It is loaded without pickle, so nothing in it can run code, and one that
is damaged, false or cannot be written costs time and nothing else.
"""

import io
import logging
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from drumjax.data.packed_songs import Result, unpack_songs

logger = logging.getLogger(__name__)

# A file that unpacks to more than both, bytes and times its size, is none of ours: Groove's has 4 MB and 2 times.
_MAX_UNPACKED, _MAX_RATIO = 64_000_000, 100


def load_songs(path: Path, names: Sequence[str]) -> list[Result] | None:
    """The results kept at `path`, under these names; None if there are none or the file is damaged."""
    if not path.is_file():
        return None
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False) as arrays:  # checks a CRC-32 per array
            return unpack_songs(arrays, names)
    except Exception as error:  # a damaged zip raises a dozen types; whatever it is, the remedy is to read again
        logger.warning(
            "the cache %s is damaged (%s); reading the MIDI files again", path, error or type(error).__name__
        )
        return None


def _check_size(path: Path) -> None:
    """Raises ValueError for a file that would fill the memory."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(_MAX_UNPACKED, _MAX_RATIO * path.stat().st_size):
        raise ValueError(f"{unpacked} bytes once unpacked")


def store_songs(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays of pack_songs to `path`, whole or not at all; where that fails it logs a warning."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".songs-", delete=False) as file:
            temporary = file.name
            file.write(buffer.getvalue())
        os.replace(temporary, path)
    except OSError as error:
        logger.warning("cannot keep the songs at %s (%s); they will be parsed again next time", path, error)
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
