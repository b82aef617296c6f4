"""A file of music as another one; every note of it is there, or it is said how many are not, and why."""

import dataclasses
import logging
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from drumjax.convert.draft import Draft, draft_midi, draft_tab, is_merged, write_ms
from drumjax.convert.source import MIDI_SUFFIXES, ConversionError, read_source, unknown_suffix
from drumjax.midi.reader import read_midi, write_midi
from drumjax.music.kits import Kit
from drumjax.music.notes import Notes, Song
from drumjax.music.tab import read_tab, read_tab_file
from drumjax.music.tab_text import TAB_SUFFIXES, TabError
from drumjax.system.console import printable
from drumjax.system.files import user_path, write_atomically

logger = logging.getLogger(__name__)

STDOUT = "-"


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What became of a file: num_read == num_written + num_left_out + num_merged, or a remark says that this is not so.

    num_read      notes in the source
    num_written   notes in the new file, read again
    num_left_out  notes that have no place in it
    num_merged    notes that are one with another there
    remarks       all that was said
    """

    num_read: int
    num_written: int
    num_left_out: int
    num_merged: int
    remarks: tuple[str, ...]


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    kit: str = "",
    out_kit: str = "",
    instrument: str = "",
    steps_per_beat: int | None = None,
    overwrite: bool = False,
) -> Conversion:
    """Writes a MIDI file or a drum tab as another one, whose kind its suffix tells; "-" prints a tab.

    kit             which pitch of the source is which drum, as in drum_maps.read_map; "" is roland_td11
    out_kit         whose pitches a MIDI file is written in; "" keeps them
    instrument      which notes of a MIDI file, as in read_midi; "" is drums
    steps_per_beat  cells per quarter note of a tab; None chooses, see tab_grid.choose_grid
    overwrite       also if the target exists

    What is lost is logged, and in the result. Raises UserError or OSError; the target is then as it was.
    """
    source, path = user_path(source), user_path(target)
    to_tab = _check_target(source, path, overwrite)
    _check_flags(source, kit, out_kit, steps_per_beat, to_tab=to_tab)
    found = read_source(source, kit, instrument)
    _say(source, found.remarks)
    draft = draft_tab(found, steps_per_beat) if to_tab else draft_midi(found, out_kit)
    _say(source, draft.remarks)
    _say(source, draft.hints, logging.INFO)
    written = _write_tab(draft, path, found.kit) if to_tab else _write_midi(draft.song, path)
    num_read, num_written = len(found.song.notes.pitch), len(written.notes.pitch)
    last = [] if to_tab else _describe_difference(draft.song, written, with_lengths=not found.is_tab)
    missing = num_read - draft.num_left_out - draft.num_merged - num_written
    if missing:
        last.append(f"{abs(missing)} notes {'less' if missing > 0 else 'more'} than that were read again")
    _say(path, last)
    where = "" if str(path) == STDOUT else f" to {printable(str(path))}"
    logger.info("%d note%s read, %d written%s", num_read, "" if num_read == 1 else "s", num_written, where)
    remarks = (*found.remarks, *draft.remarks, *draft.hints, *last)
    return Conversion(num_read, num_written, draft.num_left_out, draft.num_merged, remarks)


def _check_target(source: Path, path: Path, overwrite: bool) -> bool:
    """Whether it will be a tab. Raises ConversionError."""
    if str(path) == STDOUT:
        return True
    if path.suffix.lower() not in (*MIDI_SUFFIXES, *TAB_SUFFIXES):
        raise unknown_suffix(path)
    if source.resolve() == path.resolve() or (source.exists() and path.exists() and source.samefile(path)):
        raise ConversionError(f"{path} is the file that is read; give another name to write to")
    if os.path.lexists(path) and not overwrite:
        raise ConversionError(f"{path} exists; give another name, or --overwrite")
    return path.suffix.lower() in TAB_SUFFIXES


def _check_flags(source: Path, kit: str, out_kit: str, steps_per_beat: int | None, *, to_tab: bool) -> None:
    """Raises ConversionError for what would change nothing."""
    if to_tab and out_kit:
        raise ConversionError("--out_kit chooses pitches of a MIDI file; the rows of a tab have none")
    if steps_per_beat is not None and steps_per_beat < 1:
        raise ConversionError(f"--steps_per_beat is {steps_per_beat}; give 1 or more")
    if not to_tab and steps_per_beat is not None:
        raise ConversionError("--steps_per_beat is for tabs; a MIDI file keeps the timing as it is")
    if not to_tab and kit and not out_kit and source.suffix.lower() in MIDI_SUFFIXES:
        raise ConversionError("--kit alone changes no pitch of a MIDI file; give --out_kit too")


def _say(path: Path, lines: Iterable[str], level: int = logging.WARNING) -> None:
    for line in lines:
        logger.log(level, "%s: %s", printable(str(path)), line)


def _write_tab(draft: Draft, path: Path, kit: Kit) -> Song:
    """The tab in its file, or printed, as it is read again. Raises ConversionError or OSError."""
    data = draft.text.encode("utf-8", "replace")  # a file name may hold bytes that are no text
    try:
        song = read_tab(data.decode(), kit)
    except TabError as error:
        raise ConversionError(f"the tab would not be read again: {error}") from None
    if str(path) == STDOUT:
        print(data.decode(), end="", flush=True)
        return song
    write_atomically(path, data)
    return read_tab_file(path, kit)


def _write_midi(song: Song, path: Path) -> Song:
    """The song in its file, as it is read again. Raises ConversionError or OSError."""
    try:
        write_midi(song, path)
    except ValueError as error:
        raise ConversionError(str(error)) from None
    return read_midi(path, instrument="all")


def _describe_difference(song: Song, written: Song, *, with_lengths: bool) -> list[str]:
    """What a MIDI file has otherwise than the song: notes moved, and notes that end earlier."""
    notes, others = _by_pitch(song), _by_pitch(written)
    if len(notes.pitch) != len(others.pitch):
        return []  # which is said
    tick = 1.5 / written.timeline.ticks_per_beat
    lines = []
    moved = np.abs(others.onset_beat - notes.onset_beat)
    if count := int((moved > tick).sum()):
        by = write_ms(float(moved.max()), song.tempo_bpm)
        lines.append(f"{count} notes are moved, by up to {by}: before the beginning, or too close to another")
    if with_lengths and (count := int((others.duration_beat < notes.duration_beat - tick).sum())):
        lines.append(f"{count} notes end earlier, where their pitch is struck again")
    return lines


def _by_pitch(song: Song) -> Notes:
    """The notes that a MIDI file has, by pitch and onset, in beats from the beginning of the file."""
    kept = ~is_merged(song.notes)
    notes = Notes(*(column[kept].astype(np.float64) for column in song.notes))
    order = np.lexsort((notes.onset_beat, notes.pitch))
    notes = Notes(*(column[order] for column in notes))
    return notes._replace(onset_beat=notes.onset_beat - song.timeline.start_beat)
