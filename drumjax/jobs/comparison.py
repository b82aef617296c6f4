"""What the samples of a job were made from, to be seen and heard beside each of them."""

import dataclasses
from pathlib import Path

import numpy as np

from drumjax.music.drum_maps import DrumMap
from drumjax.music.kits import Kit
from drumjax.music.notes import Notes, Song
from drumjax.report.page import Page
from drumjax.report.piece import Given, Piece
from drumjax.sampling.edits import count_whole_bars
from drumjax.sampling.plan import Plan

# Edits that leave some notes as they were, so that the others are new.
KEEPING = ("add", "vary", "infill")
# Onsets closer than this are the same, in beats: less than a tick, more than float32 loses.
_SAME_BEAT = 1 / 1920


class Comparison:
    """The music that a plan edits, on the page of its samples."""

    def __init__(self, page: Page, plan: Plan):
        self._page, self._plan = page, plan
        self._places: dict[float, int] = {}  # of the music on the page, by the beat at which a sample's file begins

    def add(self, piece: Piece) -> Piece:
        """The piece beside what it was made from; as it is if it was made from nothing. What is compared are pitches
        of the page's kit, see show_pitches."""
        edit, given = self._plan.edit, self._plan.given
        if edit is None or given is None:
            return piece
        facts = f"{piece.facts} · from {Path(given.song.name).name or 'a song'}"
        if edit.skip_bars:
            own = self._place(piece.song, given.song.timeline.start_beat)
            return dataclasses.replace(
                piece, given=own, label="played", facts=f"{facts}, which comes before it and is not in its file"
            )
        song, start = given.song, piece.song.timeline.start_beat
        place = self._place(piece.song, start)
        if edit.name == "continue":
            later = (start - song.timeline.start_beat) / song.beats_per_bar
            seam = count_whole_bars(song) + later
            fills = tuple(bar for bar in piece.fills if bar >= seam)
            return dataclasses.replace(piece, given=place, label="played", facts=facts, seam=seam, fills=fills)
        is_new = self._find_new(piece.song) if edit.name in KEEPING else None
        return dataclasses.replace(piece, given=place, label="played", facts=facts, is_new=is_new)

    def _place(self, sample: Song, start_beat: float) -> int:
        """The place on the page of what is given, for samples whose file begins at this beat of theirs."""
        if start_beat not in self._places:
            notes = self._notes(start_beat)
            song = dataclasses.replace(sample, notes=notes)
            self._places[start_beat] = self._page.add_given(Given("given", song, max(1, song.num_bars)))
        return self._places[start_beat]

    def _notes(self, start_beat: float) -> Notes:
        """What is given, in the pitches that the model takes its notes for, in a file that begins at this beat."""
        given = self._plan.given
        assert given is not None
        notes = given.song.notes
        onset = (notes.onset_beat - given.song.timeline.start_beat).clip(0) + start_beat
        pitch = np.where(given.is_known, given.pitch, notes.pitch)
        return notes._replace(onset_beat=onset.astype(np.float32), pitch=pitch)

    def _find_new(self, sample: Song) -> np.ndarray:
        """[N] bool: the notes of a sample that were not given, or not as loud."""
        known = set(_keys(self._notes(sample.timeline.start_beat)))
        return np.asarray([key not in known for key in _keys(sample.notes)], bool)


def _keys(notes: Notes) -> list[tuple[int, int, int]]:
    beat = np.round(notes.onset_beat / _SAME_BEAT).astype(int).tolist()
    return list(zip(beat, notes.pitch.tolist(), notes.velocity.tolist(), strict=True))


def show_pitches(song: Song, kit: Kit, out_map: DrumMap | None, plan: Plan | None) -> Song:
    """A sample in the pitches of the kit, where it was written in those of another instrument or of the user's file."""
    table = np.arange(128)
    if out_map:
        for name, pitch in out_map.write.items():
            table[pitch] = kit.write[kit.names.index(name)]
    elif plan and plan.given:
        given = plan.given
        table[given.new_pitch[list(kit.write)]] = kit.write
        table[given.song.notes.pitch[given.is_known]] = given.pitch[given.is_known]
    return dataclasses.replace(song, notes=song.notes._replace(pitch=table[song.notes.pitch]))
