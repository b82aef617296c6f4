"""What is converted: the song of a file, the drums that it is read with, and what of the file is not in it."""

import dataclasses
from pathlib import Path

import numpy as np

from drumjax.data.midi_folder import SUFFIXES as MIDI_SUFFIXES
from drumjax.midi.instruments import parse_instrument
from drumjax.midi.reader import MidiError, count_struck, read_midi
from drumjax.music.drum_maps import OUT_MAPS, read_map
from drumjax.music.kits import KITS, ROLAND_TD11, Kit
from drumjax.music.notes import Song
from drumjax.music.tab import read_tab_file
from drumjax.music.tab_text import TAB_SUFFIXES, TabError
from drumjax.system.errors import UserError


class ConversionError(UserError):
    """A file that cannot be converted as asked; the message says what to ask for."""


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A file's song, in its own pitches.

    kit_name    what says which pitch is which drum: a kit, or a file
    kit         whose drums these are
    drum        [N] int32, the drum of each note, -1 for none
    is_tab      it was a drum tab
    num_drums   notes of channel 10
    remarks     what of the file is not in the song
    """

    song: Song
    kit_name: str
    kit: Kit
    drum: np.ndarray
    is_tab: bool
    num_drums: int
    remarks: tuple[str, ...]


def read_source(path: Path, kit: str, instrument: str) -> Source:
    """A drum tab, or the chosen notes of a MIDI file; "" is what is usual.

    Raises ConversionError, MidiError, TabError, KitError or OSError.
    """
    is_tab = path.suffix.lower() in TAB_SUFFIXES
    if not is_tab and path.suffix.lower() not in MIDI_SUFFIXES:
        raise unknown_suffix(path)
    if is_tab and instrument:
        raise ConversionError(f"{path} is a drum tab; --instrument chooses notes of a MIDI file")
    name = kit or ROLAND_TD11.name
    found = KITS.get(name, ROLAND_TD11)
    if is_tab and name not in KITS:
        raise ConversionError(f"the rows of a tab are read with one of --kit {', '.join(KITS)}, not with {name!r}")
    if name in OUT_MAPS and name not in KITS:
        raise ConversionError(f"{name} is for writing: give it as --out_kit; --kit can be {', '.join(KITS)} or a .json")
    table = read_map(name, found.names).read
    no_remarks: tuple[str, ...] = ()
    if is_tab:
        song = _read_tab(path, found)
        num_drums, remarks = len(song.notes.pitch), no_remarks
    else:
        song, num_drums, remarks = _read_midi(path, instrument or "drums")
    if not len(song.notes.pitch):
        raise ConversionError(f"{path} has no notes")
    notices = tuple(map(str, song.notices))
    return Source(song, name, found, table[song.notes.pitch], is_tab, num_drums, notices + remarks)


def unknown_suffix(path: Path) -> ConversionError:
    known = ", ".join((*MIDI_SUFFIXES, *TAB_SUFFIXES))
    return ConversionError(f"{path}: unknown suffix {path.suffix!r}; files can be {known}")


def _read_tab(path: Path, kit: Kit) -> Song:
    """Named after its title, if it has one."""
    try:
        song = read_tab_file(path, kit, "")
    except TabError as error:
        text = str(error)
        raise TabError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    return dataclasses.replace(song, name=song.name or path.name)


def _read_midi(path: Path, instrument: str) -> tuple[Song, int, tuple[str, ...]]:
    """The song, how many of its notes are of channel 10, and what is said of the notes that are not taken."""
    try:
        parse_instrument(instrument)
    except ValueError as error:
        raise ConversionError(str(error)) from None
    try:
        song = read_midi(path, instrument=instrument, with_messages=True)
    except MidiError as error:
        if error.reason != "no drum track":
            raise
        raise MidiError(path, error.reason, "with --instrument all its notes on other channels are taken") from None
    if song.is_drums and instrument == "all":
        return song, len(song.notes.pitch), ()
    taken = count_struck(song)
    drums = taken if instrument == "drums" else _count_of(path, "drums")
    if instrument == "all":
        return song, drums, ()
    others = drums + _count_of(path, "pitched") - taken
    remark = f"{others} notes of other instruments are left out; --instrument all takes all notes of a file"
    return song, drums if instrument == "drums" else 0, (remark,) if others else ()


def _count_of(path: Path, instrument: str) -> int:
    """The notes of an instrument in a file that has notes; 0 if they cannot be read."""
    try:
        return count_struck(read_midi(path, instrument=instrument))
    except MidiError:
        return 0
