"""What is done to notes after they were played: nearer to the grid, drums louder or softer, dynamics as they were
asked for."""

import numpy as np

from drumjax.codecs.base import Codec
from drumjax.config.controls import Controls, read_crescendo
from drumjax.config.form import parse_form
from drumjax.music.notes import EARLY_BEAT, Notes
from drumjax.sampling.piece import Piece, find_balance

# What is scaled up to 127 and cut there is scaled once more, so often.
PASSES = 4


def tighten(notes: Notes, codec: Codec, controls: Controls) -> Notes:
    """Decoded notes [N], nearer to their step of the grid by the share `tightness`."""
    if not controls.tightness or not codec.grid:
        return notes
    onset = np.asarray(notes.onset_beat)
    place = np.round(onset * codec.grid) / codec.grid
    return notes._replace(onset_beat=(onset + controls.tightness * (place - onset)).astype(onset.dtype))


def balance(notes: Notes, codec: Codec, controls: Controls) -> Notes:
    """Decoded notes [N] with the drums of `balance` so much louder, within what MIDI has."""
    louder = find_balance(codec, controls)
    if not louder.any():
        return notes
    velocity = np.rint(notes.velocity + louder[np.asarray(notes.pitch)]).clip(1, 127)
    return notes._replace(velocity=velocity.astype(np.int32))


def shape_dynamics(onset_beat: np.ndarray, velocity: np.ndarray, piece: Piece) -> np.ndarray:
    """The velocities [N] of a piece, scaled to the crescendo or the sections that were asked for.

    A model follows these from afar only: it goes by how loud it has been. What it played is measured, a line of it for
    a crescendo, the mean of each section of a form, and scaled to what is wanted.
    """
    controls = piece.controls
    if not len(velocity) or not (controls.crescendo or controls.form):
        return velocity
    bar = np.clip((onset_beat + EARLY_BEAT) // piece.beats_per_bar, 0, controls.bars - 1).astype(int)
    scaled = velocity.astype(np.float64)
    mean = scaled.mean()
    for _ in range(PASSES):
        if controls.crescendo:
            low, high = read_crescendo(controls.crescendo)
            wanted = np.interp(bar, (0, max(controls.bars - 1, 1)), (low, high))
            slope = np.polyfit(bar, scaled, 1) if np.ptp(bar) else (0.0, scaled.mean())
            played = np.polyval(slope, bar)
        else:
            section, wanted = _sections_of(bar, controls, mean)
            played = (np.bincount(section, scaled) / np.maximum(np.bincount(section), 1))[section]
        scaled = np.clip(scaled * wanted / np.maximum(played, 1), 1, 127)
    return np.rint(scaled).astype(velocity.dtype)


def _sections_of(bar: np.ndarray, controls: Controls, mean: float) -> tuple[np.ndarray, np.ndarray]:
    """The section that each note [N] is in, and the mean velocity that is wanted there."""
    sections = parse_form(controls.form)
    index = np.repeat(np.arange(len(sections)), [section.bars for section in sections])[bar]
    usual = controls.dynamics or mean
    wanted = [section.asked.get("dynamics", np.clip(usual + section.kind.dynamics, 1, 127)) for section in sections]
    return index, np.asarray(wanted, np.float64)[index]
