"""Pieces of a page: something to look at and listen to, as the data that the page's script draws and plays."""

import base64
import dataclasses
from typing import Any, NamedTuple

import numpy as np

from drumjax.midi.writer import encode_song
from drumjax.music.kits import Kit
from drumjax.music.notes import Notes, Song
from drumjax.music.text import write_text

# Longer pieces are cut: as many bars as can be asked for are all there, and no picture becomes too wide to scroll.
MAX_BARS = 1000


class Given(NamedTuple):
    """What a piece was made from, to be seen and heard beside it: its name, its song with the pitches of the page's
    kit, and the bars that are shown."""

    label: str
    song: Song
    num_bars: int


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """Something to listen to.

    song      with the pitches of the page's kit
    name      what it is called
    num_bars  how many of its bars are shown
    facts     what is said about it
    number    by which it is looked for; None: its place on the page
    label     of its notes, where what was given stands beside them
    given     the place of that in the page's list, see Page.add_given
    is_new    [N] bool, which notes were not given; None where that is not said
    seam      bars at the beginning that were given
    fills     the bars, counted from 0, that a fill was asked for in
    swing     how far its 8ths were asked to swing, 0..1; its tab has them straight
    midi      the bytes of its file, or the address of it beside the page; "" where the song is to be encoded
    """

    song: Song
    name: str
    num_bars: int
    facts: str = ""
    number: int | None = None
    label: str = ""
    given: int | None = None
    is_new: np.ndarray | None = None
    seam: float = 0.0
    fills: tuple[int, ...] = ()
    swing: float = 0.0
    midi: bytes | str = ""

    def as_data(self, number: int, kit: Kit | None) -> dict[str, Any]:
        """What card.js shows; beats are counted from the first bar."""
        num_bars = min(self.num_bars, MAX_BARS)
        inside = self.song.notes.onset_beat < num_bars * self.song.beats_per_bar - 1e-3
        song = dataclasses.replace(self.song, notes=Notes(*(column[inside] for column in self.song.notes)))
        facts = [self.facts]
        if num_bars < self.num_bars:
            facts.append(f"the first {num_bars} bars: {np.count_nonzero(~inside)} notes come later")
        if kit and (unknown := np.count_nonzero(kit.class_table()[song.notes.pitch] < 0)):
            facts.append(f"{unknown} notes are no drum of the kit: not shown, not heard")
        midi = self.midi
        if not isinstance(midi, str) or not midi:
            midi = "data:audio/midi;base64," + base64.b64encode(midi or encode_song(song)).decode()
        is_new = None if self.is_new is None else self.is_new[inside]
        return {
            "number": number if self.number is None else self.number,
            "name": self.name,
            "file": "".join(c if c.isalnum() or c in "-_" else "_" for c in self.name),
            "facts": " · ".join(filter(None, facts)),
            "bpm": round(song.tempo_bpm, 3),
            "bar": song.beats_per_bar,
            "fills": self.fills,
            "given": self.given,
            "lane": make_lane(song, kit, num_bars, self.label, is_new) | {"seam": self.seam},
            "midi": midi,
            "text": _write_text(song, kit, self.swing),
        }


def make_lane(
    song: Song, kit: Kit | None, num_bars: int, label: str = "", is_new: np.ndarray | None = None
) -> dict[str, Any]:
    """What roll.js draws and player.js plays: notes as [beat, row, velocity], then the beats it sounds unless it is a
    drum, then 1 if it is new. The row is a drum of the kit, counted from 0, or without a kit the pitch."""
    onset, duration, pitch, velocity, _ = song.notes
    row = kit.class_table()[pitch] if kit else pitch
    columns = [np.round(onset.astype(float), 4).tolist(), row.tolist(), velocity.tolist()]
    lengths = [0] * len(pitch) if kit else np.round(duration.astype(float), 3).tolist()
    marks = [0] * len(pitch) if is_new is None else is_new.astype(int).tolist()
    notes: list[list[float]] = []
    least = 3 if kit else 4
    for beat, place, loud, length, mark in zip(*columns, lengths, marks, strict=True):
        note = [beat, place, loud, length, mark]
        while not note[-1] and len(note) > least:
            note.pop()
        if place >= 0:
            notes.append(note)
    return {"label": label, "bars": num_bars, "notes": notes}


def _write_text(song: Song, kit: Kit | None, swing: float) -> str:
    """ "" for a metre that does not fit the 16ths of a tab."""
    try:
        return write_text(song, kit, swing=swing)
    except ValueError:
        return ""
