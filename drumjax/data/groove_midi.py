"""The Groove MIDI Dataset: where it is, and what its info.csv says about each file.

Gillick et al., "Learning to Groove with Inverse Sequence Transformations", ICML 2019; CC BY 4.0.
https://magenta.tensorflow.org/datasets/groove
"""

import csv
import logging
import math
import os
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from drumjax.midi.reader import MAX_TEMPO_BPM, MIN_TEMPO_BPM
from drumjax.music.notes import FILL_NO, FILL_UNKNOWN, FILL_YES
from drumjax.system.download import fetch_archive
from drumjax.system.files import user_path

logger = logging.getLogger(__name__)

GROOVE_NAME = "Groove MIDI Dataset v1.0.0"
GROOVE_URL = "https://storage.googleapis.com/magentadata/datasets/groove/groove-v1.0.0-midionly.zip"
GROOVE_SHA256 = "651cbc524ffb891be1a3e46d89dc82a1cecb09a57c748c7b45b844c4841dcc1e"
GROOVE_BYTES = 3_260_318

_COLUMNS = ("drummer", "style", "bpm", "beat_type", "time_signature", "midi_filename", "split")
_FILL = {"beat": FILL_NO, "fill": FILL_YES}


class GrooveRow(NamedTuple):
    """What info.csv says about one file; the fields are those of Song."""

    name: str
    tempo_bpm: float
    time_signature: tuple[int, int]
    style: str
    fill: int
    split: str
    drummer: str


def shared_folder() -> Path | None:
    """$DRUMJAX_DATA, where datasets lie; None if it is not set."""
    name = os.environ.get("DRUMJAX_DATA", "")
    return user_path(name) if name else None


def find_groove(directory: str, cache_dir: Path) -> Path:
    """The folder that holds info.csv: `directory` if given, else $DRUMJAX_DATA/groove, the cache, or a download.

    Raises ValueError if `directory`, or what is in the cache, is not the dataset; DownloadError if it cannot be had.
    """
    if directory:
        folder = user_path(directory)
        if (folder / "info.csv").is_file():
            return folder
        hint = f"; did you mean {folder / 'groove'}?" if (folder / "groove" / "info.csv").is_file() else ""
        raise ValueError(f"{folder} is not the Groove MIDI Dataset: it has no info.csv{hint}")
    if shared := shared_folder():
        if (shared / "groove" / "info.csv").is_file():
            return shared / "groove"
        logger.warning("DRUMJAX_DATA is %s, but that has no groove/info.csv; looking elsewhere", shared)
    folder = fetch_archive(GROOVE_URL, GROOVE_SHA256, GROOVE_BYTES, cache_dir / "groove-v1.0.0", top_folder="groove")
    if not (folder / "info.csv").is_file():
        raise ValueError(f"{folder} has no info.csv; delete the folder and it will be downloaded again")
    return folder


def read_info(directory: Path) -> tuple[list[GrooveRow], dict[str, list[str]]]:
    """The rows of info.csv, and those that make no sense: names by reason.

    Whether the files exist is not looked at. Raises ValueError if the file as a whole is not usable.
    """
    path = directory / "info.csv"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            records = list(reader)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}); get a fresh copy of the dataset") from error
    except (csv.Error, OSError) as error:
        raise ValueError(f"{path} cannot be read: {error}; get a fresh copy of the dataset") from error
    missing = [column for column in _COLUMNS if column not in columns]
    if missing:
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}; get a fresh copy of the dataset")
    rows: dict[str, GrooveRow] = {}
    skipped: dict[str, list[str]] = {}
    for number, record in enumerate(records, start=2):
        name = record["midi_filename"] or f"line {number} of info.csv"
        try:
            if name in rows:
                raise ValueError("listed twice in info.csv")
            rows[name] = _parse_row(record)
        except ValueError as error:
            skipped.setdefault(str(error), []).append(name)
    return list(rows.values()), skipped


def _parse_row(record: dict[str, str]) -> GrooveRow:
    """Raises ValueError with a reason that can be counted."""
    split = record["split"] or ""
    if split not in ("train", "validation", "test"):
        raise ValueError("unknown split in info.csv")
    return GrooveRow(
        name=_parse_name(record["midi_filename"] or ""),
        tempo_bpm=_parse_bpm(record["bpm"] or ""),
        time_signature=_parse_time_signature(record["time_signature"] or ""),
        style=(record["style"] or "").partition("/")[0].strip(),
        fill=_FILL.get(record["beat_type"] or "", FILL_UNKNOWN),
        split=split,
        drummer=record["drummer"] or "",
    )


def _parse_name(text: str) -> str:
    if not text:
        raise ValueError("no file name in info.csv")
    if PurePosixPath(text).is_absolute() or ".." in PurePosixPath(text).parts or any(c in text for c in "\\:\0"):
        raise ValueError("path outside the dataset in info.csv")
    return text


def _parse_bpm(text: str) -> float:
    try:
        bpm = float(text)
    except ValueError:
        bpm = math.nan
    if not MIN_TEMPO_BPM <= bpm <= MAX_TEMPO_BPM:
        raise ValueError("bad bpm in info.csv")
    return bpm


def _parse_time_signature(text: str) -> tuple[int, int]:
    """`6-8` -> (6, 8)."""
    numerator, _, denominator = text.partition("-")
    if not (numerator.isdecimal() and 1 <= int(numerator) <= 64 and denominator in ("1", "2", "4", "8", "16", "32")):
        raise ValueError("bad time signature in info.csv")
    return int(numerator), int(denominator)
