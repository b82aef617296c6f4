"""Music that a user hands in: a MIDI file or a drum tab, in the drums of the model."""

import collections
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drumjax.midi.reader import MidiError, read_midi
from drumjax.music.kits import DrumMap, Kit, read_map
from drumjax.music.notes import Song
from drumjax.music.tab import read_tab

logger = logging.getLogger(__name__)

TAB_SUFFIXES = (".tab", ".txt")


class PatternError(ValueError):
    """A file that holds nothing to play on; the message names it and says what is missing."""


def read_pattern(path: str | Path, kit: Kit, drum_map: str = "", time_signature: str | None = None) -> Song:
    """The drum performance in a .mid or .tab file, in the pitches of `kit`.

    drum_map says which pitch is which drum, as in kits.read_map; "" is `kit` itself. Pitches that it does not know are
    counted, named in a warning and left as they are. A time signature such as "6/8" takes the place of the file's.
    Raises PatternError, MidiError, TabError, KitError or OSError.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() in TAB_SUFFIXES:
        song = read_tab(path.read_text(encoding="utf-8"), kit, name=str(path))
        drum_map = ""
    else:
        song = read_midi(path)
    table = read_map(drum_map, kit.names).read if drum_map else kit.class_table()
    drum = table[song.notes.pitch]
    unknown = collections.Counter(song.notes.pitch[drum < 0].tolist())
    if unknown:
        named = ", ".join(f"{pitch} ({count})" for pitch, count in sorted(unknown.items()))
        logger.warning("%s: pitches that are no drum of %s: %s", path, drum_map or kit.name, named)
    if not np.any(drum >= 0):
        raise PatternError(f"{path} has no hit on a drum of {drum_map or kit.name}; another map can be named by --kit")
    pitch = np.where(drum >= 0, kit.pitch_table()[drum], song.notes.pitch) if drum_map else song.notes.pitch
    return _in_metre(dataclasses.replace(song, notes=song.notes._replace(pitch=pitch.astype(np.int32))), time_signature)


def read_notes(path: str | Path, instrument: str, *, sustain: bool = False, time_signature: str | None = None) -> Song:
    """The performance of a pitched instrument in a .mid file: its notes of `instrument`, as in read_midi, or of all
    pitched instruments if it has none of those. Raises PatternError, MidiError or OSError."""
    path = Path(path).expanduser()
    if path.suffix.lower() in TAB_SUFFIXES:
        raise PatternError(f"{path} is a drum tab; this model plays a pitched instrument: give a .mid file")
    try:
        song = read_midi(path, instrument=instrument, sustain=sustain)
    except MidiError as error:
        if error.reason != f"no notes of {instrument}":
            raise
        song = read_midi(path, instrument="pitched", sustain=sustain)
        logger.warning("%s: %s; all its pitched notes are taken", path, error.reason)
    return _in_metre(song, time_signature)


def check_pitches(song: Song, known: Sequence[int], path: str | Path) -> None:
    """Warns of notes that a model does not know. Raises PatternError if it knows none."""
    is_known = np.isin(song.notes.pitch, known)
    if not is_known.any():
        raise PatternError(f"{path} has no note that this model knows; its pitches are MIDI {known[0]} to {known[-1]}")
    if not is_known.all():
        count = int((~is_known).sum())
        logger.warning("%s: %d notes have pitches that this model does not know; it does not hear them", path, count)


def _in_metre(song: Song, time_signature: str | None) -> Song:
    """The song in a metre such as "6/8" in the place of its own. Raises PatternError."""
    numerator, _, denominator = (time_signature or "{}/{}".format(*song.time_signature)).partition("/")
    if not numerator.isdecimal() or not denominator.isdecimal() or not int(numerator) or not int(denominator):
        raise PatternError(f"time signature is {time_signature!r}; give one such as 6/8")
    return dataclasses.replace(song, time_signature=(int(numerator), int(denominator)))


def write_pitches(song: Song, kit: Kit, drum_map: DrumMap) -> Song:
    """The song in the pitches of another instrument; drums that the map lacks keep theirs."""
    out = np.asarray(
        [drum_map.write.get(name, pitch) for name, pitch in zip(kit.names, kit.write, strict=True)], np.int32
    )
    drum = kit.class_table()[song.notes.pitch]
    pitch = np.where(drum >= 0, out[drum], song.notes.pitch).astype(np.int32)
    return dataclasses.replace(song, notes=song.notes._replace(pitch=pitch))
