"""Music to work on: a MIDI file or a drum tab, in the drums of the model, or a stretch of a held-out song."""

import collections
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drumjax.midi.reader import MidiError, read_midi
from drumjax.music.drum_maps import read_map
from drumjax.music.kits import Kit
from drumjax.music.metre import parse_metre
from drumjax.music.notes import EARLY_BEAT, Notes, Song
from drumjax.music.tab import read_tab_file
from drumjax.system.errors import UserError

logger = logging.getLogger(__name__)

TAB_SUFFIXES = (".tab", ".txt")


# Of the song behind a prompt: what is left of it is how people went on, to compare with.
BARS_LEFT = 4


class MusicError(UserError):
    """Music that there is nothing to play on in; the message names it and says what is missing."""


def read_pattern(path: Path | str, kit: Kit, drum_map: str = "", time_signature: str | None = None) -> Song:
    """The drum performance in a .mid or .tab file, in the pitches of `kit`.

    drum_map says which pitch is which drum, as in kits.read_map; "" is `kit` itself. Pitches that it does not know are
    counted, named in a warning and left as they are. A time signature such as "6/8" takes the place of the file's.
    Raises MusicError, MidiError, TabError, KitError or OSError.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() in TAB_SUFFIXES:
        song = read_tab_file(path, kit)
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
        raise MusicError(f"{path} has no hit on a drum of {drum_map or kit.name}; another map can be named by --kit")
    pitch = np.where(drum >= 0, kit.pitch_table()[drum], song.notes.pitch) if drum_map else song.notes.pitch
    return in_metre(dataclasses.replace(song, notes=song.notes._replace(pitch=pitch.astype(np.int32))), time_signature)


def read_notes(path: Path | str, instrument: str, *, sustain: bool = False, time_signature: str | None = None) -> Song:
    """The performance of a pitched instrument in a .mid file: its notes of `instrument`, as in read_midi, or of all
    pitched instruments if it has none of those. Raises MusicError, MidiError or OSError."""
    path = Path(path).expanduser()
    if path.suffix.lower() in TAB_SUFFIXES:
        raise MusicError(f"{path} is a drum tab; this model plays a pitched instrument: give a .mid file")
    try:
        song = read_midi(path, instrument=instrument, sustain=sustain)
    except MidiError as error:
        if error.reason != f"no notes of {instrument}":
            raise
        song = read_midi(path, instrument="pitched", sustain=sustain)
        logger.warning("%s: %s; all its pitched notes are taken", path, error.reason)
    return in_metre(song, time_signature)


def check_pitches(song: Song, known: Sequence[int], path: Path | str) -> None:
    """Warns of notes that a model does not know. Raises MusicError if it knows none."""
    is_known = np.isin(song.notes.pitch, known)
    if not is_known.any():
        raise MusicError(f"{path} has no note that this model knows; its pitches are MIDI {known[0]} to {known[-1]}")
    if not is_known.all():
        count = int((~is_known).sum())
        logger.warning("%s: %d notes have pitches that this model does not know; it does not see them", path, count)


def in_metre(song: Song, time_signature: str | None) -> Song:
    """The song in a metre such as "6/8" in the place of its own. Raises MusicError."""
    metre = parse_metre(time_signature) if time_signature else song.time_signature
    if metre is None:
        raise MusicError(f"time signature is {time_signature!r}; give one such as 6/8")
    return dataclasses.replace(song, time_signature=metre)


def choose_prompt(songs: Sequence[Song], num_bars: int, seed: int) -> Song:
    """num_bars bars of one of the songs, from a bar line on: a note begins there, no bar is silent, and the song goes
    on for BARS_LEFT bars. Every such place is as likely; the same seed gives the same one.

    Raises MusicError if there is none.
    """
    places = [(song, bar) for song in songs for bar in _places(song, num_bars)]
    if not places:
        raise MusicError(f"no held-out song has {num_bars} bars of music to go on from, and {BARS_LEFT} more")
    song, bar = places[int(np.random.default_rng(seed).integers(len(places)))]
    start = bar * song.beats_per_bar
    onset = song.notes.onset_beat - np.float32(start)
    inside = (onset >= -EARLY_BEAT) & (onset < num_bars * song.beats_per_bar - EARLY_BEAT)
    notes = Notes(*(column[inside] for column in song.notes))
    notes = notes._replace(onset_beat=np.maximum(onset[inside], 0))
    return dataclasses.replace(song, notes=notes, name=f"{song.name}, from bar {bar + 1}")


def _places(song: Song, num_bars: int) -> list[int]:
    """Bars that a prompt can begin at."""
    bar = song.beats_per_bar
    onset = song.notes.onset_beat + EARLY_BEAT
    sounding = np.bincount(np.maximum(onset / bar, 0).astype(int), minlength=song.num_bars) > 0
    begun = np.zeros(len(sounding) + 1, bool)
    begun[np.minimum((onset / bar).astype(int), len(sounding))[np.mod(onset, bar) < 2 * EARLY_BEAT]] = True
    return [
        first
        for first in range(song.num_bars - num_bars - BARS_LEFT + 1)
        if begun[first] and sounding[first : first + num_bars].all()
    ]
