"""The sustain pedal: notes that are let go while it is down sound on until it comes up."""

from collections.abc import Sequence

import numpy as np

DOWN_FROM = 64  # values of controller 64


def sustain_notes(
    start: np.ndarray, end: np.ndarray, pitch: np.ndarray, pedal: Sequence[tuple[int, int]], last: int
) -> np.ndarray:
    """The ticks [N] at which notes [N] end with the pedal.

    pedal holds (tick, value) of controller 64 in order of time; one that is down at the end comes up at tick `last`. A
    note ends at the latest when its pitch is struck again.
    """
    if not len(pedal) or not len(start):
        return end
    ticks, values = (np.asarray(column) for column in zip(*pedal, strict=True))
    is_down = values >= DOWN_FROM
    # For each message: when the pedal is up again, if it is down now.
    release = np.full(len(ticks) + 1, last)
    for i in range(len(ticks) - 1, -1, -1):
        release[i] = release[i + 1] if is_down[i] else ticks[i]
    state = np.searchsorted(ticks, end, side="right") - 1  # the last message before each note's end
    held = (state >= 0) & is_down[state]
    longer = np.where(held, np.maximum(end, release[np.maximum(state, 0)]), end)
    order = np.lexsort((start, pitch))
    again = np.flatnonzero((np.diff(pitch[order]) == 0) & (np.diff(start[order]) > 0))
    longer[order[again]] = np.maximum(end[order[again]], np.minimum(longer[order[again]], start[order[again + 1]]))
    return longer
