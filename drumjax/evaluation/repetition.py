"""How much a performance repeats itself: between random drumming and a loop."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from drumjax.kits import Kit
from drumjax.notes import Song

STEPS_PER_BEAT = 4


class Repetition(NamedTuple):
    """Of some bars of one performance; each 0..1 but for density.

    stability  mean over neighbouring bars of the hits (a drum at a 16th) that both have, of those that either has
    distinct   share of different bars, whatever the velocities: 1 of n if it is a loop
    backbeat   share of bars in 4/4 with a snare on 2 and on 4; 0 in other metres
    toms       share of hits on toms and crash
    density    hits per beat, at most one per drum and 16th
    """

    stability: float
    distinct: float
    backbeat: float
    toms: float
    density: float


def bars_of(song: Song, kit: Kit, num_bars: int | None = None) -> np.ndarray:
    """[bars, steps, drums] bool: the drums hit at each 16th, hits up to half of one early included.

    num_bars is the song's own if not given; a song that ends with rests does not know it.
    """
    num_bars = song.num_bars if num_bars is None else num_bars
    steps = max(1, round(song.beats_per_bar * STEPS_PER_BEAT))
    step = np.floor(song.notes.onset_beat * STEPS_PER_BEAT + 0.5).astype(int)
    drum = kit.class_table()[song.notes.pitch]
    inside = (drum >= 0) & (step >= 0) & (step < num_bars * steps)
    cells = np.zeros((num_bars * steps, kit.num_classes), bool)
    cells[step[inside], drum[inside]] = True
    return cells.reshape(num_bars, steps, kit.num_classes)


def excerpts(songs: Iterable[Song], kit: Kit, num_bars: int) -> Iterator[np.ndarray]:
    """All stretches of num_bars bars [num_bars, steps, drums], side by side, of all songs."""
    for song in songs:
        bars = bars_of(song, kit)
        for first in range(0, len(bars) - num_bars + 1, num_bars):
            yield bars[first : first + num_bars]


def measure_repetition(bars: np.ndarray, kit: Kit) -> Repetition:
    """Of bars [n, steps, drums], n >= 2."""
    both = (bars[1:] & bars[:-1]).sum(axis=(1, 2))
    either = (bars[1:] | bars[:-1]).sum(axis=(1, 2))
    stability = np.mean(np.where(either > 0, both / np.maximum(either, 1), 1.0))
    distinct = len({bar.tobytes() for bar in bars}) / len(bars)
    backbeat = 0.0
    if "snare" in kit.names and bars.shape[1] == 4 * STEPS_PER_BEAT:
        snare = bars[:, :, kit.names.index("snare")]
        backbeat = float(np.mean(snare[:, STEPS_PER_BEAT] & snare[:, 3 * STEPS_PER_BEAT]))
    accents = [k for k, name in enumerate(kit.names) if "tom" in name or name == "crash"]
    hits = max(int(bars.sum()), 1)
    density = bars.sum() / (bars.shape[0] * bars.shape[1] / STEPS_PER_BEAT)
    return Repetition(float(stability), distinct, backbeat, float(bars[:, :, accents].sum() / hits), float(density))


def distance(a: Sequence[float], b: Sequence[float]) -> float:
    """How far two samples of one figure lie apart: the 1-Wasserstein distance, in standard deviations of the second."""
    places = (np.arange(200) + 0.5) / 200
    gap = np.mean(np.abs(np.quantile(a, places) - np.quantile(b, places)))
    return float(gap / max(float(np.std(b)), 1e-9))
