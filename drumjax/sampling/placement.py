"""Where given notes are found again in what a model plays, and how they follow it.

A grid has one place for a drum and a step; a drummer may hit it twice there, or between two steps. So every given note
belongs to a cell, and what the model plays of a cell is done to all of its notes: they move together, keep their
distances, and each gets a velocity, of the strokes of a roll another one.
"""

import dataclasses
import zlib

import numpy as np

from drumjax.music.notes import Notes

# Music is written, not played, if most of its notes lie on 24ths or 32nds of a beat, to about a millisecond.
_DIVISIONS, _NEAR_BEAT, _MOST = (24, 32), 1 / 960, 0.5
# How loud the second of two strokes in one step is beside the first, as a logarithm: its mean and standard deviation.
# On the snare (more than 45 ms apart, training split of Groove, `drumjax.studies.rolls`) -0.18 and 0.54; less in rolls.
_STROKE, _STROKE_SPREAD = -0.15, 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Placement:
    """Given notes [N] and their cells.

    notes   as they are given
    cell    [N] int64, the index of the decoded note that stands for each, -1 for those that no model sees
    anchor  [N] float64, the beat from which the distance of a decoded note counts: the cell's written place, or, of
            music that was played, where its loudest note is
    loudest [N] float64, the velocity of the loudest note of each note's cell
    again   [N] bool, later notes of a cell that are given as loud as its first: strokes of a roll
    """

    notes: Notes
    cell: np.ndarray
    anchor: np.ndarray
    loudest: np.ndarray
    again: np.ndarray

    def follow(self, decoded: Notes, keep_accents: float = 0.0, spread: float = 1.0) -> Notes:
        """The given notes as the decoded ones [M] are played: moved as they are from their place, with their velocity,
        the quieter ones of a cell as much quieter as they were, and the strokes of a roll as people play them, with so
        much of their spread. Those without a cell stay. keep_accents is the share of the given velocities."""
        index, follows = np.maximum(self.cell, 0), self.cell >= 0
        onset = self.notes.onset_beat + (decoded.onset_beat[index].astype(np.float64) - self.anchor)
        onset = np.where(follows, onset, self.notes.onset_beat).astype(np.float32)
        played = decoded.velocity[index] * self.notes.velocity / np.maximum(self.loudest, 1)
        stroke = _STROKE + spread * _STROKE_SPREAD * _luck(decoded, len(index))
        played = np.where(self.again, played * np.exp(stroke), played)
        velocity = np.rint(played + keep_accents * (self.notes.velocity - played)).clip(1, 127)
        return self.notes._replace(
            onset_beat=_keep_apart(onset, np.asarray(self.notes.pitch)),
            velocity=np.where(follows, velocity, self.notes.velocity).astype(np.int32),
        )

    def remain(self, decoded: Notes) -> tuple[Notes, np.ndarray]:
        """The given notes whose cell is still played, as they are given; and which decoded notes [M] are others."""
        stays = (self.cell < 0) | decoded.mask[np.maximum(self.cell, 0)]
        is_new = np.array(decoded.mask)
        is_new[self.cell[self.cell >= 0]] = False
        return Notes(*(column[stays] for column in self.notes)), is_new


def _luck(decoded: Notes, size: int) -> np.ndarray:
    """Normal numbers [size], others for each performance; a performance has the same ones in every batch."""
    seed = zlib.crc32(np.asarray(decoded.onset_beat).tobytes())
    return np.random.default_rng(seed).standard_normal(size)


def _keep_apart(onset_beat: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """The onsets [N] float32 of different notes, those that fell together with another of their pitch a little later:
    to a writer one would be the other."""
    order = np.lexsort((onset_beat, pitch))
    same = np.diff(pitch[order]) == 0
    if not (same & (np.diff(onset_beat[order]) == 0)).any():
        return onset_beat
    apart = onset_beat.copy()
    for before, here in zip(order[:-1][same], order[1:][same], strict=True):
        apart[here] = max(apart[here], np.nextafter(apart[before], np.float32(np.inf)))
    return apart


def place(notes: Notes, cell: np.ndarray, place_beat: np.ndarray) -> Placement:
    """The placement of given notes [N] in cells [N] whose written places are place_beat [N]."""
    onset, velocity = np.asarray(notes.onset_beat, np.float64), np.asarray(notes.velocity, np.float64)
    order = np.lexsort((onset, -velocity, cell))  # the loudest, then the earliest, leads its cell
    _, first, inverse = np.unique(cell[order], return_index=True, return_inverse=True)
    leader = np.empty(len(cell), np.int64)
    leader[order] = order[first][inverse]
    again = (cell >= 0) & (onset > onset[leader]) & (velocity == velocity[leader])
    return Placement(notes, cell, place_beat if is_written(onset) else onset[leader], velocity[leader], again)


def is_written(onset_beat: np.ndarray) -> bool:
    """Whether notes [N] stand where someone wrote them: their places say more than a drummer's accidents."""
    onset = np.asarray(onset_beat, np.float64)
    off = np.min([np.abs(onset * parts - np.rint(onset * parts)) / parts for parts in _DIVISIONS], axis=0)
    return bool(np.mean(off <= _NEAR_BEAT) >= _MOST)
