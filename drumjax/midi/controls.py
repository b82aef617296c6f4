"""Programs and sustain pedals of a file: who sent which, and whom they are for.

A sender is a channel of a track, written track << 4 | channel, where tracks count from 1. What a track without notes
sends is for its channel in all tracks, for a pedal often has a track of its own: it counts as sent by track 0.
"""

import array

import numpy as np

from drumjax.midi.chunks import require

MAX_CONTROLS = 200_000  # messages of each kind
SUSTAIN = 64  # number of the controller
_TICK_BITS = 31  # ticks are below walk.MAX_BEATS * 0x7FFF


class Controls:
    """Messages (sender, tick, value) of one kind, as they come, track by track."""

    def __init__(self) -> None:
        self._numbers = array.array("q")
        self._track_start = 0

    def __len__(self) -> int:
        return len(self._numbers) // 3

    def add(self, sender: int, tick: int, value: int) -> None:
        """Raises DamageError if it is one too many."""
        require(len(self._numbers) < 3 * MAX_CONTROLS, "too many controls", f"more than {MAX_CONTROLS}")
        self._numbers.extend((sender, tick, value))

    def end_track(self, *, has_notes: bool) -> None:
        """Everything since the last call was of one track."""
        if not has_notes:
            senders = self._numbers[self._track_start :: 3]
            self._numbers[self._track_start :: 3] = array.array("q", [sender & 0x0F for sender in senders])
        self._track_start = len(self._numbers)

    def in_order(self) -> np.ndarray:
        """The messages [M, 3], those of a sender in order of time; at one tick as they came."""
        rows = np.asarray(self._numbers, np.int64).reshape(-1, 3)
        return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def spread_loose(messages: np.ndarray) -> np.ndarray:
    """Messages [M, 3] in which each sender that is no track 0 has those of track 0 for its channel among its own; those
    of track 0 alone are for whoever sends none. Raises DamageError if they become too many."""
    sender = messages[:, 0]
    senders = np.unique(sender[sender > 0x0F])
    loose = [messages[sender == channel] for channel in range(16)]
    followers = [senders[senders & 0x0F == channel] for channel in range(16)]
    total = len(messages) + sum(len(some) * len(them) for some, them in zip(loose, followers, strict=True))
    require(total <= 2 * MAX_CONTROLS, "too many controls", f"more than {MAX_CONTROLS}")
    copies = [messages]
    for some, them in zip(loose, followers, strict=True):
        copy = np.tile(some, (len(them), 1))
        copy[:, 0] = np.repeat(them, len(some))
        copies.append(copy)
    return np.concatenate(copies)


def programs_at(programs: np.ndarray, sender: np.ndarray, tick: np.ndarray) -> np.ndarray:
    """The programs [N] in force for senders [N] at ticks [N], 0 where there is none, of messages [M, 3] in order: the
    last one of the track itself or, where that is later, of a track without notes."""
    padded = np.concatenate([[[-1, -1, 0]], programs])
    place = padded[:, 0] << _TICK_BITS | padded[:, 1]
    place[0] = -1
    found = []
    for whose in (sender, sender & 0x0F):
        last = np.searchsorted(place, whose << _TICK_BITS | tick, side="right") - 1
        found.append(padded[np.where(padded[last, 0] == whose, last, 0)])
    own, loose = found
    return np.where(own[:, 1] >= loose[:, 1], own[:, 2], loose[:, 2])
