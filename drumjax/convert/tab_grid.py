"""The grid of a tab: how many cells to the beat, and what that costs."""

import dataclasses

import numpy as np

from drumjax.music.kits import Kit
from drumjax.music.notes import Song
from drumjax.music.tab_writer import nearest_steps

# Cells per beat, in the order of preference: for written music, which lies on one of them, and for played music.
WRITTEN, PLAYED = (4, 3, 6, 8, 12, 24), (4, 8, 12, 24)
# What is written lies this close to its step, for ticks are rounded; and within an eighth of a cell, for on the finest
# grid no hit, whoever plays it, is further than that from one.
ON_STEP_BEAT, ON_STEP_CELL = 1 / 48, 1 / 8
_FEWEST_CELLS = 16  # to the beat, on which a bar of 1/64 is whole


@dataclasses.dataclass(frozen=True, eq=False)
class TabGrid:
    """How the hits of a song lie in a tab.

    steps_per_beat  cells per quarter note
    is_merged       [N] bool, the hits that meet a louder one, or an equal one before, of their drum in their cell
    moved_beat      the furthest that a hit is from its cell, in beats
    why             this grid was chosen
    """

    steps_per_beat: int
    is_merged: np.ndarray
    moved_beat: float
    why: str = "as asked for"

    @property
    def num_merged(self) -> int:
        return int(self.is_merged.sum())


def lay_on_grid(song: Song, kit: Kit, steps_per_beat: int) -> TabGrid:
    """The hits of a song, all of which the kit knows, as write_tab has them."""
    notes = song.notes
    step = nearest_steps(notes.onset_beat, steps_per_beat)
    moved = np.abs(step / steps_per_beat - np.asarray(notes.onset_beat, np.float64))
    is_merged = _are_merged(step, kit.class_table()[notes.pitch], notes.velocity)
    return TabGrid(steps_per_beat, is_merged, float(moved.max(initial=0)))


def choose_grid(song: Song, kit: Kit) -> TabGrid:
    """The coarsest grid that keeps every hit where it is, up to ON_STEP_BEAT, which is there for written music; for
    played music 4 cells to the beat, or of 8, 12 and 24 the coarsest that keeps the most hits.

    Hits of a drum at the very same time meet on every grid.
    """
    drum = kit.class_table()[song.notes.pitch]
    together = int(_are_merged(song.notes.onset_beat, drum, song.notes.velocity).sum())
    grids = {n: lay_on_grid(song, kit, n) for n in WRITTEN if (song.beats_per_bar * n).is_integer()}
    for n, grid in grids.items():
        if grid.num_merged <= together and grid.moved_beat <= min(ON_STEP_BEAT, ON_STEP_CELL / n):
            return dataclasses.replace(grid, why="the coarsest that has every hit in place")
    played = [grids[n] for n in PLAYED if n in grids] or [*grids.values()]
    played = played or [lay_on_grid(song, kit, _FEWEST_CELLS)]
    best = min(played, key=lambda grid: grid.num_merged)
    all_hits = "all hits that a tab can hold" if together else "every hit"
    why = "the coarsest that keeps " + (all_hits if best.num_merged <= together else "the most hits")
    if best.num_merged < played[0].num_merged:
        lost = played[0].num_merged - best.num_merged
        why += f"; --steps_per_beat {played[0].steps_per_beat} would lose {lost} more"
    return dataclasses.replace(best, why=f"{why}; no grid has all in place")


def _are_merged(place, drum, velocity) -> np.ndarray:
    """[N] bool: the hits that are not the loudest of their drum at their place."""
    order = np.lexsort((-np.asarray(velocity), drum, place))
    merged = np.zeros(len(order), bool)
    merged[order[1:]] = (np.diff(np.asarray(place)[order]) == 0) & (np.diff(drum[order]) == 0)
    return merged
