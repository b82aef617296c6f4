"""Fetch one pinned archive: download, verify, unpack safely, and put it in place in one move.

Nothing is unpacked before its size and SHA-256 are those that were asked for, and what is unpacked is only ever
seen whole: it is prepared in a temporary folder beside the target and renamed into place.
"""

import hashlib
import http.client
import logging
import os
import stat
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path

from tqdm import tqdm

from drumjax.system.errors import UserError

logger = logging.getLogger(__name__)

NUM_ATTEMPTS = 3
TIMEOUT_S = 30.0  # for one answer of the server
DEADLINE_S = 600.0  # for one whole download, so that a trickle does not hold a run for ever

_CHUNK_BYTES = 1 << 16
_UNPACK_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class DownloadError(UserError):
    """A download or an archive is not usable; the message says what, where and what to do."""


class _CutError(Exception):
    """The connection was made and then lost: worth another attempt."""


def fetch_archive(url: str, sha256: str, num_bytes: int, directory: Path, *, top_folder: str = "") -> Path:
    """Makes sure that the zip archive at `url` is unpacked at `directory`, and returns `directory`.

    Does nothing if `directory` exists and is not empty. Of two processes at once, one moves its copy into place and
    the other finds it there.

    Args:
      url: http(s) address of a zip archive.
      sha256: hex digest of the archive.
      num_bytes: its size in bytes.
      directory: what the archive's content becomes; missing parents are made.
      top_folder: the folder inside the archive that becomes `directory`; "" for the whole archive.

    Raises:
      DownloadError: no network, wrong size or checksum, an unsafe archive, or nowhere to write. Nothing is left behind.
    """
    directory = Path(directory)
    try:
        if _is_filled(directory):
            return directory
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as work:
            archive, content = Path(work, "archive.zip"), Path(work, "content")
            _download(url, sha256, num_bytes, archive)
            try:
                unpack_zip(archive, content)
            except DownloadError as error:
                raise DownloadError(f"{url}: {error}") from error
            if not (content / top_folder).is_dir():
                raise DownloadError(f"{url}: the archive has no folder {top_folder!r}")
            _move_into_place(content / top_folder, directory)
    except OSError as error:
        raise DownloadError(
            f"cannot write to {directory}: {error.strerror or error}; make room or choose another folder"
        ) from error
    return directory


def _is_filled(directory: Path) -> bool:
    return directory.is_dir() and any(directory.iterdir())


def _move_into_place(source: Path, directory: Path) -> None:
    try:
        os.replace(source, directory)
    except OSError:
        # A folder with content is never replaced, so another process may have been first; its copy is as good.
        if not _is_filled(directory):
            raise


def _download(url: str, sha256: str, num_bytes: int, target: Path) -> None:
    """Writes the verified content of `url` to `target`; lost connections are tried again, wrong content is not."""
    for attempt in range(1, NUM_ATTEMPTS + 1):
        try:
            digest = _download_once(url, num_bytes, target)
            break
        except _CutError as error:
            if attempt == NUM_ATTEMPTS:
                raise DownloadError(
                    f"cannot download {url}: {error} ({NUM_ATTEMPTS} attempts); try again later"
                ) from error
            logger.warning("%s: %s; trying again", url, error)
            time.sleep(attempt)
    if digest != sha256:
        raise DownloadError(
            f"{url} is not the expected file: SHA-256 is {digest}, should be {sha256}; "
            "a proxy may have answered in its place, or the file has changed"
        )


def _download_once(url: str, num_bytes: int, target: Path) -> str:
    """Downloads once and returns the SHA-256. Raises _CutError where another attempt may help, else DownloadError."""
    with _open(url) as response, target.open("wb") as file:
        logger.info("downloading %s (%.1f MB)", url, num_bytes / 1e6)
        received, digest, start = 0, hashlib.sha256(), time.monotonic()
        with tqdm(total=num_bytes, unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as progress:
            while chunk := _read(response):
                received += len(chunk)
                if received > num_bytes:
                    raise DownloadError(f"{url} is larger than the expected {num_bytes} bytes: not the same file")
                if time.monotonic() - start > DEADLINE_S:
                    raise DownloadError(f"cannot download {url}: only {received} bytes in {DEADLINE_S:.0f} s")
                file.write(chunk)
                digest.update(chunk)
                progress.update(len(chunk))
    if received < num_bytes:
        raise _CutError(f"the connection was cut after {received} of {num_bytes} bytes")
    return digest.hexdigest()


def _open(url: str) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "drumjax"})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        message = f"the server answered {error.code} {error.reason}"
        if error.code >= 500:
            raise _CutError(message) from error
        raise DownloadError(f"cannot download {url}: {message}; check the address") from error
    except urllib.error.URLError as error:  # refused, no name server, no route, certificates
        raise DownloadError(f"cannot download {url}: {error.reason}; check the network") from error
    except (http.client.HTTPException, OSError) as error:
        raise _CutError(f"no answer ({error or type(error).__name__})") from error


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        # Not read(): it waits for the whole chunk, and a trickle would never meet the deadline.
        return response.read1(_CHUNK_BYTES)
    except (http.client.HTTPException, OSError) as error:
        raise _CutError(f"the connection was cut ({error or type(error).__name__})") from error


def unpack_zip(
    archive: Path, directory: Path, *, max_entries: int = 20_000, max_bytes: int = 1 << 28, max_ratio: float = 100.0
) -> None:
    """Unpacks a zip archive into `directory`, a folder that does not exist yet.

    Only plain files and folders below `directory` are written: zipfile itself would quietly rename `../x` and turn
    links into files. An archive may hold at most `max_entries` entries, `max_bytes` bytes unpacked, and `max_ratio`
    times its own size.

    Raises DownloadError naming the entry; `directory` may then be half filled.
    """
    try:
        with zipfile.ZipFile(archive) as zip_file:
            entries = zip_file.infolist()
            total = sum(entry.file_size for entry in entries)
            limit = min(max_bytes, int(max_ratio * archive.stat().st_size))
            if len(entries) > max_entries:
                raise DownloadError(f"archive refused: {len(entries)} entries, more than {max_entries}")
            if total > limit:
                raise DownloadError(f"archive refused: {total} bytes when unpacked, more than {limit}")
            for entry in entries:
                _check_entry(entry)
            directory.mkdir(parents=True)
            for entry in entries:
                _unpack_entry(zip_file, entry, directory)
    except DownloadError:
        raise
    except _UNPACK_ERRORS as error:
        raise DownloadError(f"archive cannot be unpacked: {error or type(error).__name__}") from error


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Raises DownloadError unless the entry is a plain file or folder with a relative path that stays below."""
    name = entry.orig_filename  # before zipfile cut it at a zero byte
    parts = name.removesuffix("/").split("/")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if any(part in ("", ".", "..") for part in parts) or any(c in name for c in "\\:\0"):
        raise DownloadError(f"archive refused: unsafe path {name!r}")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DownloadError(f"archive refused: {name!r} is a link or a special file")


def _unpack_entry(zip_file: zipfile.ZipFile, entry: zipfile.ZipInfo, directory: Path) -> None:
    target = directory / entry.filename
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # "x": an entry that occurs twice is refused. zipfile reads no more than the size it announced, checked above.
    with zip_file.open(entry) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            file.write(chunk)
