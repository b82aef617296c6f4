"""The page of a folder of samples: what run_sample.py wrote, to look at and listen to."""

import array
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from drumjax.config.controls import CONTROLS
from drumjax.config.form import find_fills
from drumjax.jobs.comparison import Comparison, show_pitches
from drumjax.jobs.manifest import MANIFEST, read_rows
from drumjax.midi.plain_file import read_plain
from drumjax.midi.reader import MidiError, read_midi
from drumjax.music.drum_maps import DrumMap
from drumjax.music.kits import Kit
from drumjax.music.metre import parse_metre
from drumjax.music.notes import Song, make_notes
from drumjax.report.page import PAGE_MARK, Page, encode_chunk
from drumjax.report.piece import Piece
from drumjax.sampling.piece import RequestError
from drumjax.sampling.plan import Plan
from drumjax.system.files import ForeignFileError, check_own, is_own, replace_own
from drumjax.system.lock import lock_folder

logger = logging.getLogger(__name__)

GALLERY = "index.html"
# A page that holds more takes long to open: their notes lie beside it, in files of CHUNK pieces, read as they are seen.
MAX_HELD = 200
CHUNK = 100
FOLDER = "gallery"  # of these files


def write_gallery(
    out_dir: Path, kit: Kit | None, run_name: str, out_map: DrumMap | None = None, plan: Plan | None = None
) -> Path:
    """Writes out_dir/index.html with all samples of its manifest, and beside it what music they were made from, where
    `plan` has any; returns its path. The notes of more than MAX_HELD samples are in out_dir/gallery.

    Raises RequestError if the manifest is damaged, LockError while a job writes there, ForeignFileError for other files
    of these names, OSError.
    """
    with lock_folder(out_dir, "--out_dir"):
        total = sum(1 for _ in read_rows(out_dir / MANIFEST))
        counted = "1 piece" if total == 1 else f"{total} pieces"
        page = Page(f"{run_name} plays", f"{counted}. Click into the notes to play from there.", kit)
        pieces = _read_pieces(out_dir, page, run_name, out_map, plan)
        if total > MAX_HELD:
            logger.info("writing a page of %d pieces", total)
            written = _write_chunks(out_dir, page, tqdm(pieces, total=total, unit="piece", disable=None))
        else:
            written = set()
            for piece in pieces:
                page.add_piece(piece)
        path = out_dir / GALLERY
        replace_own(path, page.write().encode(), PAGE_MARK)
        _remove_chunks(out_dir, written)
    return path


def check_gallery(out_dir: Path) -> None:
    """Raises ForeignFileError, before hours of work, if write_gallery would."""
    check_own(out_dir / GALLERY, PAGE_MARK)
    if (out_dir / FOLDER).is_file():
        raise ForeignFileError(f"{out_dir / FOLDER} is a file, and a folder is needed there; move it away")
    for path in _chunks(out_dir):
        check_own(path, PAGE_MARK)


def _read_pieces(
    out_dir: Path, page: Page, run_name: str, out_map: DrumMap | None, plan: Plan | None
) -> Iterator[Piece]:
    """The samples, in the order of the manifest, one at a time. Raises RequestError, MidiError."""
    comparison = Comparison(page, plan) if plan else None
    kit = page.kit
    for row, _ in read_rows(out_dir / MANIFEST):
        try:
            title, facts = make_title(run_name, row), _describe(row)
            song = _read(out_dir / row["file"], row, is_drums=kit is not None)
            num_bars, asked, index = _num_bars(song, row), row["context"], row["index"]
            skip = plan.edit.skip_bars if plan and plan.edit else 0
            swing = float(asked.get("swing") or 0)
            how = asked.get("fill") or 0, asked.get("fill_bars") or 1, asked.get("form") or ""
            fills = tuple(bar - skip for bar in find_fills(num_bars + skip, *how) if bar >= skip)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RequestError(
                f"{out_dir / MANIFEST}: the row of {row['file']} is damaged ({error!r}); choose another --out_dir"
            ) from error
        if kit:
            song = show_pitches(song, kit, out_map, plan)
        midi = (out_dir / row["file"]).read_bytes()
        piece = Piece(song, title, num_bars, facts, number=index, fills=fills, swing=swing, midi=midi)
        yield comparison.add(piece) if comparison else piece


def _write_chunks(out_dir: Path, page: Page, pieces: Iterator[Piece]) -> set[Path]:
    """Writes the pieces to files beside the page, to which it adds their index; returns the paths of the files."""
    numbers, which = array.array("q"), array.array("q")
    facts: dict[str, int] = {}  # what is said of many pieces is kept once
    written: set[Path] = set()
    chunk: list[dict[str, Any]] = []

    def write() -> None:
        name = f"{FOLDER}/{len(numbers) - len(chunk):06d}.js"
        (out_dir / FOLDER).mkdir(exist_ok=True)
        replace_own(out_dir / name, encode_chunk(name, chunk), PAGE_MARK)
        written.add(out_dir / name)
        chunk.clear()

    for piece in pieces:
        data = page.encode_piece(piece)
        data["midi"] = f"{piece.number:06d}.mid"
        chunk.append(data)
        numbers.append(data["number"])
        which.append(facts.setdefault(data["facts"], len(facts)))
        if len(chunk) == CHUNK:
            write()
    if chunk:
        write()
    page.add_index(
        {"numbers": list(numbers), "which": list(which), "facts": list(facts), "chunk": CHUNK, "folder": FOLDER}
    )
    return written


def _chunks(out_dir: Path) -> list[Path]:
    return [path for path in (out_dir / FOLDER).glob("*.js") if path.stem.isdecimal()]


def _remove_chunks(out_dir: Path, kept: set[Path]) -> None:
    """Removes what an older page of ours had beside it."""
    for path in _chunks(out_dir):
        if path not in kept and is_own(path, PAGE_MARK):
            path.unlink()
    if not kept and (out_dir / FOLDER).is_dir() and not any((out_dir / FOLDER).iterdir()):
        (out_dir / FOLDER).rmdir()


def make_title(run_name: str, row: dict[str, Any]) -> str:
    """Run, style and number of a sample."""
    return " · ".join(filter(None, [run_name, row["context"].get("style", ""), str(row["index"])]))


def describe(row: dict[str, Any]) -> str:
    """How a sample was made, in a line: the captions of all controls that ask for something, and which it is."""
    return f"{_describe(row)}, number {row['index']}"


def _describe(row: dict[str, Any]) -> str:
    values = {**row["context"], **row}
    left_out = "bars" if values["num_notes"] else "num_notes"
    parts = [row["edit"]] if "edit" in row else []
    for name, control in CONTROLS.items():
        if name in values and name != left_out and values[name] != control.neutral:
            parts.append(control.caption(values[name]))
    return " · ".join(filter(None, [*parts, f"seed {row['seed']}"]))


def _read(path: Path, row: dict[str, Any], *, is_drums: bool) -> Song:
    """The song of a sample; a model may play a piece without a note, which read_midi refuses."""
    try:
        return read_plain(path, is_drums=is_drums) or read_midi(path, instrument="drums" if is_drums else "pitched")
    except MidiError as error:
        if error.reason != "no notes":
            raise
        metre = parse_metre(row["context"]["time_signature"]) or (4, 4)
        return Song(make_notes([], [], [], []), row["context"]["bpm"], metre)


def _num_bars(song: Song, row: dict[str, Any]) -> int:
    """As long as was asked for; music that was given may be longer or, without its prompt, shorter."""
    is_free = "edit" in row or row["context"]["num_notes"]
    return max(1, song.num_bars if is_free else row["context"]["bars"])
