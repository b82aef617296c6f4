"""What a grid loses, and how people play against it."""

from collections.abc import Sequence

import numpy as np

from drumjax.music.kits import Kit
from drumjax.music.notes import Song
from drumjax.report.tables import Table

GRIDS = (4, 12, 24)  # steps per beat


def lost_hits(songs: Sequence[Song], steps_per_beat: int, kit: Kit | None) -> float:
    """Share of the notes that fall on a step where their drum, or their pitch without a kit, is struck already."""
    lost = total = 0
    for song in songs:
        voice = kit.class_table()[song.notes.pitch] if kit else song.notes.pitch
        known = voice >= 0
        step = np.floor(song.notes.onset_beat[known] * steps_per_beat + 0.5).astype(int)
        cells = np.unique(step * 128 + voice[known])
        lost, total = lost + int(known.sum()) - len(cells), total + int(known.sum())
    return lost / max(total, 1)


def offsets_ms(songs: Sequence[Song], steps_per_beat: int) -> np.ndarray:
    """How late each note is against the nearest step, in milliseconds."""
    parts = []
    for song in songs:
        exact = song.notes.onset_beat * steps_per_beat
        parts.append((exact - np.floor(exact + 0.5)) * 60_000 / song.tempo_bpm / steps_per_beat)
    return np.concatenate(parts)


def compare_grids(songs: Sequence[Song], kit: Kit | None) -> Table:
    """A row per grid: what is lost, and how far notes lie from it."""
    rows = [["steps per beat", "notes lost", "mean distance", "mean lateness", "sd"]]
    for grid in GRIDS:
        offset = offsets_ms(songs, grid)
        rows.append([str(grid), f"{100 * lost_hits(songs, grid, kit):.2f}%", f"{np.abs(offset).mean():.1f} ms",
                     f"{offset.mean():+.1f} ms", f"{offset.std():.1f} ms"])  # fmt: skip
    note = "Of several hits of one drum in a step the loudest stays; below 0 is ahead of the grid."
    return Table("What a grid keeps", note, rows)
