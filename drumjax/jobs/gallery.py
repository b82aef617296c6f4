"""The page of a folder of samples: what run_sample.py wrote, to look at and listen to."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from drumjax.config.controls import CONTROLS
from drumjax.jobs.manifest import MANIFEST, read_rows
from drumjax.midi.reader import MidiError, read_midi
from drumjax.music.drum_maps import DrumMap
from drumjax.music.kits import Kit
from drumjax.music.metre import parse_metre
from drumjax.music.notes import Song, make_notes
from drumjax.report.page import PAGE_MARK, Page, Piece
from drumjax.sampling.piece import RequestError
from drumjax.system.files import check_own, replace_own
from drumjax.system.lock import lock_folder

GALLERY = "index.html"
# A page with more takes long to draw and to open.
MAX_PIECES = 24


def write_gallery(out_dir: Path, kit: Kit | None, run_name: str, out_map: DrumMap | None = None) -> Path:
    """Writes out_dir/index.html with the first MAX_PIECES samples of its manifest; returns its path.

    Raises RequestError if the manifest is damaged, LockError while a job writes there, ForeignFileError for another
    file of that name, OSError.
    """
    with lock_folder(out_dir, "--out_dir"):
        lines = read_rows(out_dir / MANIFEST)
        rows = [row for row, _ in itertools.islice(lines, MAX_PIECES)]
        rest = sum(1 for _ in lines)
        more = f"; {rest} more are in the folder" if rest else ""
        page = Page(f"{run_name} plays", f"{len(rows)} pieces{more}. Click a picture to play from there.", kit)
        for row in rows:
            try:
                title, facts = make_title(run_name, row), describe(row)
                song = _read(out_dir / row["file"], row, "drums" if kit else "pitched")
                num_bars = _num_bars(song, row)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise RequestError(
                    f"{out_dir / MANIFEST}: the row of {row['file']} is damaged ({error!r}); choose another --out_dir"
                ) from error
            if kit and out_map:
                song = _read_back(song, kit, out_map)
            page.add_piece(Piece(song, title, num_bars, facts))
        path = out_dir / GALLERY
        replace_own(path, page.write().encode(), PAGE_MARK)
    return path


def check_gallery(out_dir: Path) -> None:
    """Raises ForeignFileError, before hours of work, if write_gallery would."""
    check_own(out_dir / GALLERY, PAGE_MARK)


def make_title(run_name: str, row: dict[str, Any]) -> str:
    """Run, style and number of a sample."""
    return " · ".join(filter(None, [run_name, row["context"].get("style", ""), str(row["index"])]))


def describe(row: dict[str, Any]) -> str:
    """How a sample was made, in a line: the captions of all controls that ask for something."""
    values = {**row["context"], **row}
    left_out = "bars" if values["num_notes"] else "num_notes"
    parts = [row["edit"]] if "edit" in row else []
    for name, control in CONTROLS.items():
        if name in values and name != left_out and values[name] != control.neutral:
            parts.append(control.caption(values[name]))
    return " · ".join(filter(None, [*parts, f"seed {row['seed']}, number {row['index']}"]))


def _read(path: Path, row: dict[str, Any], instrument: str) -> Song:
    """The song of a sample; a model may play a piece without a note, which read_midi refuses."""
    try:
        return read_midi(path, instrument=instrument)
    except MidiError as error:
        if error.reason != "no notes":
            raise
        metre = parse_metre(row["context"]["time_signature"]) or (4, 4)
        return Song(make_notes([], [], [], []), row["context"]["bpm"], metre)


def _num_bars(song: Song, row: dict[str, Any]) -> int:
    """As long as was asked for; music that was given may be longer or, without its prompt, shorter."""
    is_free = "edit" in row or row["context"]["num_notes"]
    return max(1, song.num_bars if is_free else row["context"]["bars"])


def _read_back(song: Song, kit: Kit, out_map: DrumMap) -> Song:
    """The song in the kit's own pitches, where it was written in those of another instrument."""
    table = np.arange(128)
    for name, pitch in out_map.write.items():
        table[pitch] = kit.write[kit.names.index(name)]
    return dataclasses.replace(song, notes=song.notes._replace(pitch=table[song.notes.pitch]))
