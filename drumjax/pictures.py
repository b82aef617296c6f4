"""Pictures of drum performances: one dot per hit, where it lies, as large and as dark as it is loud."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # a file is drawn, never a window
import matplotlib.pyplot as plt
import numpy as np

from drumjax.kits import Kit
from drumjax.notes import Notes

# Okabe and Ito's colours, which colour-blind people can tell apart.
BEFORE, AFTER, GRID = "#999999", "#0072B2", "#dddddd"
_STYLE: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 130}


def draw_roll(ax: Any, notes: Notes, kit: Kit, num_beats: float, *, colour: str = AFTER, hollow: bool = False) -> None:
    """Draws unpadded notes (numpy) on matplotlib axes: beats to the right, a row per drum, the kick at the bottom."""
    drum = kit.class_table()[np.clip(np.asarray(notes.pitch), 0, 127)]
    shown = np.asarray(notes.mask) & (drum >= 0)
    velocity = np.asarray(notes.velocity, float)[shown] / 127
    face = "none" if hollow else [(*matplotlib.colors.to_rgb(colour), 0.25 + 0.75 * v) for v in velocity]
    ax.scatter(np.asarray(notes.onset_beat)[shown], drum[shown], s=6 + 70 * velocity, c=face, edgecolors=colour, lw=0.7)
    ax.set_xlim(-0.25, num_beats)
    ax.set_ylim(-0.7, kit.num_classes - 0.3)
    ax.set_yticks(range(kit.num_classes), kit.symbols)
    ax.set_xticks(np.arange(0, num_beats + 0.1, 1), minor=False)
    ax.set_xticks(np.arange(0, num_beats, 0.25), minor=True)
    ax.grid(axis="x", which="major", color=GRID, lw=1)
    ax.grid(axis="x", which="minor", color=GRID, lw=0.3)
    ax.set_axisbelow(True)


def draw_changes(
    before: Notes, after: dict[str, Notes], tempos: dict[str, float], kit: Kit, num_beats: float, path: Path
) -> None:
    """A panel per change: the window before in hollow grey, and after in blue. Writes a PNG."""
    with plt.rc_context(_STYLE):
        rows = -(-len(after) // 2)
        figure, axes = plt.subplots(rows, 2, figsize=(13, 1.9 * rows), constrained_layout=True)
        for ax in axes.flat[len(after) :]:
            ax.set_visible(False)
        for ax, (name, notes) in zip(axes.flat, after.items(), strict=False):
            draw_roll(ax, before, kit, num_beats, colour=BEFORE, hollow=True)
            draw_roll(ax, notes, kit, num_beats)
            ax.set_title(f"{name}    ({tempos[name]:.0f} bpm)", loc="left", fontsize=10)
        for ax in axes[-1]:
            ax.set_xlabel("beats")
        figure.savefig(path)
        plt.close(figure)
