"""A performance as a picture: time to the right, a row per drum or pitch, loud notes large and bright."""

import io
from typing import Any

import numpy as np

from drumjax.music.kits import Kit
from drumjax.music.notes import Song
from drumjax.music.pitch_names import pitch_name

# Pixels per inch, and inches per bar.
DPI = 96
BAR_INCHES, ROW_INCHES, MARGIN_INCHES = 1.3, 0.2, 0.42
VELOCITY_COLOURS = "viridis_r"  # told apart by the colour-blind, and in grey


def draw_roll(song: Song, num_bars: int, kit: Kit | None = None) -> bytes:
    """A PNG of the song's first num_bars bars; with a kit its drums, without one all pitches, as long as they sound."""
    import matplotlib  # takes a second to import
    from matplotlib.figure import Figure

    beats = num_bars * song.beats_per_bar
    labels, row = _rows(song, kit)
    shown = (row >= 0) & (song.notes.onset_beat < beats)
    width = 2 * MARGIN_INCHES + max(4.0, num_bars * BAR_INCHES * song.beats_per_bar / 4)
    height = 0.55 + max(5, len(labels)) * (ROW_INCHES if kit else ROW_INCHES / 3)
    left, right = MARGIN_INCHES / width, 1 - 0.12 / width
    with matplotlib.rc_context({"font.size": 7, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(width, height), dpi=DPI)
        ax = figure.add_axes((left, 0.24 / height, right - left, 1 - 0.34 / height))
        _draw_grid(ax, song, num_bars, labels, is_kit=kit is not None)
        notes = song.notes
        velocity = notes.velocity[shown] / 127
        if kit:
            ax.scatter(notes.onset_beat[shown], row[shown], s=8 + 80 * velocity**1.5, c=velocity, cmap=VELOCITY_COLOURS,
                       vmin=0, vmax=1.0, linewidths=0.4, edgecolors="#333333", zorder=3)  # fmt: skip
        else:
            colours = matplotlib.colormaps[VELOCITY_COLOURS](velocity)
            ax.barh(row[shown], np.maximum(notes.duration_beat[shown], 0.06), left=notes.onset_beat[shown], height=0.8,
                    color=colours, linewidth=0, zorder=3)  # fmt: skip
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


def _rows(song: Song, kit: Kit | None) -> tuple[list[str], np.ndarray]:
    """Labels from the bottom row up, and the row of each note, -1 for none."""
    if kit:
        return list(kit.symbols), kit.class_table()[song.notes.pitch]
    low, high = (int(song.notes.pitch.min()), int(song.notes.pitch.max())) if len(song.notes.pitch) else (60, 72)
    labels = [pitch_name(pitch) if pitch % 12 == 0 else "" for pitch in range(low, high + 1)]  # Cs are named
    return labels, np.asarray(song.notes.pitch) - low


def _draw_grid(ax: Any, song: Song, num_bars: int, labels: list[str], *, is_kit: bool) -> None:
    beats, bar = num_bars * song.beats_per_bar, song.beats_per_bar
    ax.set_xlim(-0.12 if is_kit else 0, beats)
    ax.set_ylim(-0.7, len(labels) - 0.3)
    named = [i for i, label in enumerate(labels) if label]
    ax.set_yticks(named, [labels[i] for i in named])
    ax.set_xticks(np.arange(num_bars) * bar, [str(i + 1) for i in range(num_bars)])
    ax.tick_params(length=0, colors="#555555")
    for step in np.arange(0, beats + 1e-6, 0.25 if is_kit else 1.0):
        level = 0 if step % bar < 1e-6 else 1 if step % 1 < 1e-6 else 2
        ax.axvline(step, color=("#888888", "#cccccc", "#eeeeee")[level], lw=(1.0, 0.7, 0.5)[level], zorder=1)
    if is_kit:
        ax.hlines(range(len(labels)), 0, beats, color="#eeeeee", lw=0.6, zorder=0)
    for side in ax.spines.values():
        side.set_visible(False)
