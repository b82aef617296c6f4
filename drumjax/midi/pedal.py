"""The sustain pedal: notes that are let go while it is down sound on until it comes up."""

import numpy as np

DOWN_FROM = 64  # values of controller 64
_NEVER = -1  # when a pedal comes up that is down at the end


def sustain_notes(notes: np.ndarray, pedals: np.ndarray) -> np.ndarray:
    """The ticks [N] at which notes end with the pedals.

    notes [N, 6] are rows of tick_notes.py, pedals [M, 3] messages (sender, tick, value) of controller 64 as
    spread_loose has them. A part is what a sender plays with one program. A pedal holds all parts of the programs that
    its sender plays: the left hand's pedal is the right hand's too. One that is down at the end comes up with the last
    note of the part. A note ends at the latest when its pitch is struck again in its part.
    """
    start, end, pitch, _, sender, program = notes.T
    whose, down, up = _find_presses(pedals)
    if not len(down) or not len(notes):
        return end
    _, part = np.unique(sender << 7 | program, return_inverse=True)
    last = np.zeros(part.max() + 1, np.int64)
    np.maximum.at(last, part, end)
    released = end.copy()
    for one in np.unique(program):  # 128 at most
        mine = program == one
        players = np.unique(sender[mine])
        holds = np.isin(whose, np.where(np.isin(players, pedals[:, 0]), players, players & 0x0F))
        released[mine] = _release(end[mine], last[part[mine]], down[holds], up[holds])
    order = np.lexsort((start, pitch, part))
    same = (np.diff(pitch[order]) == 0) & (np.diff(part[order]) == 0)
    again = np.flatnonzero(same & (np.diff(start[order]) > 0))
    here, following = order[again], order[again + 1]
    released[here] = np.maximum(end[here], np.minimum(released[here], start[following]))
    return released


def _find_presses(pedals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each time that a pedal is down its sender and the ticks [K] from which and until which it is, in order of the
    first tick. One that comes up and goes down at the same tick is pressed anew."""
    whose, tick, value = pedals[np.lexsort(pedals.T[::-1])].T
    is_down = value >= DOWN_FROM
    begins = np.diff(whose, prepend=-1) != 0
    changes = np.flatnonzero(np.where(begins, is_down, is_down != np.roll(is_down, 1)))
    whose, tick, is_down = whose[changes], tick[changes], is_down[changes]
    # Those of a sender are down and up by turns; the first is down.
    up = np.full(len(tick), _NEVER)
    up[:-1] = np.where(np.diff(whose) == 0, tick[1:], _NEVER)
    pressed = np.flatnonzero(is_down)
    pressed = pressed[np.argsort(tick[pressed], kind="stable")]
    return whose[pressed], tick[pressed], up[pressed]


def _release(end: np.ndarray, last: np.ndarray, down: np.ndarray, up: np.ndarray) -> np.ndarray:
    """The ticks [N] until which notes that end at some are held, by the pedals [K] that are down then; one that never
    comes up holds them until `last` [N]."""
    # Of the presses that began before a note's end, the one that lasts longest holds it, if it lasts until then at all.
    latest = np.maximum.accumulate(np.concatenate([[_NEVER], up]))
    held = np.maximum(end, latest[np.searchsorted(down, end, side="right")])
    for_ever = down[up == _NEVER].min(initial=np.iinfo(np.int64).max)
    return np.where(end >= for_ever, np.maximum(held, last), held)
