"""Whether a band could play to it: bars in 4/4 that hold a beat, by the strict reading of a rock drummer.

A bar is steady with (a) a snare that is heard on 2 and 4, or on 3 (half-time); (b) few loud snares;
(c) a timekeeper on most beats and a fourth time, or on most off-beat 8ths; (d) a kick; (e) hardly a tom, and no crash
but on 1.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from drumjax.config.conditions import HEARD_VELOCITY, TIMEKEEPERS
from drumjax.music.grid_view import STEPS_PER_BEAT, Excerpt
from drumjax.music.kits import Kit

# A piece is playable if so many of its bars are: 6 of 8.
MIN_STEADY = 0.75
LOUD_VELOCITY = 64
MAX_LOUD_SNARES, MAX_TOMS, MIN_KEPT, MIN_KEPT_IN_BAR = 4, 1, 3, 4
KEEPERS = tuple(drum for drums in TIMEKEEPERS.values() for drum in drums)
TOMS = ("low tom", "mid tom", "high tom")


@dataclasses.dataclass(frozen=True)
class Playability:
    """Of some pieces of as many bars each.

    playable   share of the pieces with enough steady bars (steady_bars)
    distinct   mean share of different bars in a piece, by the drums hit at each 16th
    first      share of different first bars among the pieces, 1: no two begin alike
    among_all  share of different bars among all bars of all pieces; falls with their number, so only as many compare
    pieces     how many there are
    """

    playable: float
    distinct: float
    first: float
    among_all: float
    pieces: int


def has_needed_drums(kit: Kit) -> bool:
    """Whether the kit tells apart all drums that are looked for."""
    return {"kick", "snare", *KEEPERS, *TOMS} <= set(kit.names)


def steady_bars(excerpt: Excerpt, kit: Kit) -> np.ndarray:
    """[bars] bool, of an excerpt in 4/4."""

    def loudest(*names: str) -> np.ndarray:
        """[bars, 16]: velocity of the loudest of these drums, 0 where none is hit."""
        return excerpt.velocity[:, :, [kit.names.index(name) for name in names]].max(axis=2)

    def count(hits: np.ndarray) -> np.ndarray:
        return hits.reshape(len(hits), -1).sum(axis=1)

    snare, keeps = loudest("snare"), loudest(*KEEPERS) > 0
    two, three, four = (snare[:, beat * STEPS_PER_BEAT] >= HEARD_VELOCITY for beat in (1, 2, 3))
    on_beats = (count(keeps[:, ::STEPS_PER_BEAT]) >= MIN_KEPT) & (count(keeps) >= MIN_KEPT_IN_BAR)
    off_beats = count(keeps[:, STEPS_PER_BEAT // 2 :: STEPS_PER_BEAT]) >= MIN_KEPT
    num_toms = count(excerpt.hits[:, :, [kit.names.index(name) for name in TOMS]])
    return (
        ((two & four) | three)
        & (count(snare >= LOUD_VELOCITY) <= MAX_LOUD_SNARES)
        & (on_beats | off_beats)
        & (loudest("kick") > 0).any(axis=1)
        & (num_toms <= MAX_TOMS)
        & ~(loudest("crash")[:, 1:] > 0).any(axis=1)
    )


def playable(excerpt: Excerpt, kit: Kit) -> bool:
    """Whether enough bars of an excerpt in 4/4 are steady."""
    return bool(steady_bars(excerpt, kit).mean() >= MIN_STEADY)


def judge(pieces: Sequence[Excerpt], kit: Kit) -> Playability:
    """The figures of one or more pieces."""
    bars = [[bar.tobytes() for bar in piece.hits] for piece in pieces]
    return Playability(
        playable=float(np.mean([playable(piece, kit) for piece in pieces])),
        distinct=float(np.mean([len(set(piece)) / len(piece) for piece in bars])),
        first=len({piece[0] for piece in bars}) / len(bars),
        among_all=len({bar for piece in bars for bar in piece}) / sum(map(len, bars)),
        pieces=len(pieces),
    )
