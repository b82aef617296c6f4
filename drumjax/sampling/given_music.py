"""Music to work on: a MIDI file, a drum tab or a song, and what of it a model knows.

What is given stays as it is. A model sees it through its own drums or pitches; the notes that it does not know are kept
beside what it plays, and counted in a line.
"""

import collections
import dataclasses
import logging
import math
from pathlib import Path

import numpy as np

from drumjax.codecs.base import Codec
from drumjax.midi.chunks import count_starts
from drumjax.midi.reader import MidiError, count_struck, read_midi
from drumjax.music.drum_maps import DrumMap, read_map
from drumjax.music.kits import KITS, Kit
from drumjax.music.metre import parse_metre
from drumjax.music.notes import EARLY_BEAT, Notes, Song
from drumjax.music.tab import read_tab_file
from drumjax.music.tab_text import TAB_SUFFIXES
from drumjax.system.errors import UserError
from drumjax.system.files import user_path

logger = logging.getLogger(__name__)


class MusicError(UserError):
    """Music that there is nothing to play on in; the message names it and says what is missing."""


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """Music as it is given, and as a model sees it.

    song       all of its notes [N], in its own pitches; its first bar is not silent
    pitch      [N] int32, the pitch that the model takes each note for, -1 for those that it does not know
    new_pitch  [128] int32, what is written for each pitch that the model plays beside them
    lead_bars  silent bars of the file before the song
    """

    song: Song
    pitch: np.ndarray
    new_pitch: np.ndarray
    lead_bars: int = 0

    @property
    def is_known(self) -> np.ndarray:
        """[N] bool."""
        return self.pitch >= 0

    @property
    def known(self) -> Notes:
        """The notes that the model knows, in its pitches."""
        notes = self.song.notes._replace(pitch=self.pitch)
        return Notes(*(column[self.is_known] for column in notes))

    def at_tempo(self, tempo_bpm: float) -> "Given":
        """In another tempo throughout; as it is if it has that."""
        song = self.song
        if tempo_bpm == song.tempo_bpm:
            return self
        timeline = song.timeline._replace(tempos=())
        return dataclasses.replace(self, song=dataclasses.replace(song, tempo_bpm=tempo_bpm, timeline=timeline))


def read_given(path: Path | str, codec: Codec, instrument: str, *, sustain: bool = False, drum_map: str = "") -> Given:
    """The music in a file, for a model of this codec: of a .mid file the notes of `instrument`, as in read_midi (a
    pitched model takes all pitched ones if there are none of those), or a .tab or .txt file of drums.

    drum_map says which pitch is which drum, as in drum_maps.read_map; "" is the codec's kit itself. Raises MusicError,
    MidiError, TabError, KitError or OSError.
    """
    path = user_path(path)
    if path.suffix.lower() in TAB_SUFFIXES:
        if codec.kit is None:
            raise MusicError(f"{path} is a drum tab; this model plays a pitched instrument: give a .mid file")
        return give(read_tab_file(path, codec.kit), codec)
    try:
        song = read_midi(path, instrument=instrument, sustain=sustain, with_messages=codec.kit is not None)
    except MidiError as error:
        if error.reason == "no drum track":
            raise MidiError(path, error.reason, "with --instrument=all its notes on other channels are taken") from None
        if codec.kit is not None or error.reason != f"no notes of {instrument}":
            raise
        song = read_midi(path, instrument=(instrument := "pitched"), sustain=sustain)
        logger.warning("%s: %s; all its pitched notes are taken", path, error.reason)
    others = count_starts(path).total() - count_struck(song)
    if others:
        how = "left out: --instrument says which notes of a file are taken, here"
        logger.warning("%s: %d notes of other instruments are %s %s", path, others, how, instrument)
    return give(dataclasses.replace(song, name=str(path)), codec, drum_map)


def give(song: Song, codec: Codec, drum_map: str = "") -> Given:
    """A song for a model of this codec; what is odd about it, and which notes the model does not know, is said.

    Raises MusicError if the model knows none, KitError for a drum map that cannot be used.
    """
    name = song.name or "the song"
    for notice in song.notices:
        logger.warning("%s: %s", name, notice)
    if not len(song.notes.pitch):
        raise MusicError(f"{name} has no notes")
    lead = max(0, math.floor((float(song.notes.onset_beat[0]) + EARLY_BEAT) / song.beats_per_bar))
    song = _later(song, -lead * song.beats_per_bar)
    if codec.kit is None:
        pitch = np.where(np.isin(song.notes.pitch, codec.pitches), song.notes.pitch, -1)
        if not (pitch >= 0).any():
            low, high = codec.pitches[0], codec.pitches[-1]
            raise MusicError(f"{name} has no note that this model knows; its pitches are MIDI {low} to {high}")
        _say_unknown(name, song, pitch < 0, "pitches that this model does not know")
        return Given(song, pitch.astype(np.int32), np.arange(128, dtype=np.int32), lead)
    kit = codec.kit
    found = read_map(drum_map, kit.names) if drum_map else DrumMap(kit.class_table(), {})
    drum = found.read[song.notes.pitch]
    pitch = np.where(drum >= 0, kit.pitch_table()[drum], -1).astype(np.int32)
    if not (pitch >= 0).any():
        raise MusicError(f"{name} has no hit on a drum of {drum_map or kit.name}; another map can be named by --kit")
    better = max(KITS.values(), key=lambda other: _count_known(other, song) if other.num_classes > 1 else 0)
    hint = f"; --kit {better.name} knows more of them" if _count_known(better, song) > (pitch >= 0).sum() else ""
    _say_unknown(name, song, pitch < 0, f"pitches that are no drum of {drum_map or kit.name}", hint)
    new_pitch = np.arange(128, dtype=np.int32)
    for drum_name, written in zip(kit.names, kit.write, strict=True):
        new_pitch[written] = found.write.get(drum_name, written)
    return Given(song, pitch, new_pitch, lead)


def in_kit(given: Given) -> Given:
    """The music in the pitches that the model takes it for, for who has a drum map applied to it afterwards."""
    notes = given.song.notes
    pitch = np.where(given.is_known, given.pitch, notes.pitch).astype(np.int32)
    song = dataclasses.replace(given.song, notes=notes._replace(pitch=pitch))
    return dataclasses.replace(given, song=song, new_pitch=np.arange(128, dtype=np.int32))


def in_metre(song: Song, time_signature: str | None) -> Song:
    """The song in a metre such as "6/8" in the place of its own. Raises MusicError."""
    if not time_signature:
        return song
    metre = parse_metre(time_signature)
    if metre is None:
        raise MusicError(f"time signature is {time_signature!r}; give one such as 6/8")
    return dataclasses.replace(song, time_signature=metre, timeline=song.timeline._replace(metres=()))


def _later(song: Song, beats: float) -> Song:
    """The song so many beats later, its file beginning where it did."""
    if not beats:
        return song

    def move(events):
        return tuple((beat + beats, event) for beat, event in events)

    t = song.timeline
    timeline = t._replace(
        start_beat=t.start_beat + beats, tempos=move(t.tempos), metres=move(t.metres), messages=move(t.messages)
    )
    onset = (song.notes.onset_beat.astype(np.float64) + beats).astype(np.float32)
    return dataclasses.replace(song, notes=song.notes._replace(onset_beat=onset), timeline=timeline)


def _count_known(kit: Kit, song: Song) -> int:
    return int((kit.class_table()[song.notes.pitch] >= 0).sum())


def _say_unknown(name: str, song: Song, is_unknown: np.ndarray, what: str, hint: str = "") -> None:
    unknown = collections.Counter(song.notes.pitch[is_unknown].tolist())
    if unknown:
        named = ", ".join(f"{pitch} ({count})" for pitch, count in sorted(unknown.items()))
        logger.warning("%s: %s are kept as they are: %s%s", name, what, named, hint)
