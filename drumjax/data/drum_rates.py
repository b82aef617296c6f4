"""How often people play each drum where they play it at all."""

from collections.abc import Mapping, Sequence

import numpy as np

from drumjax.music.grid_view import NUM_BARS, cut_excerpts
from drumjax.music.kits import Kit
from drumjax.music.notes import FILL_YES, Song

# By name of a drum, of stretches of 8 bars in which it is hit at all: hits a bar that a quarter of them stays below,
# and that half of them does.
Rates = Mapping[str, Sequence[float]]
_QUANTILES = (0.25, 0.5)
# Those of all training beats of the Groove MIDI Dataset, for models whose training did not count.
USUAL_RATES: Rates = {
    "kick": (2.75, 3.88), "snare": (2.75, 4.5), "closed hi-hat": (3.0, 4.38), "open hi-hat": (0.25, 0.75),
    "low tom": (0.25, 0.38), "mid tom": (0.25, 0.38), "high tom": (0.25, 0.62), "crash": (0.12, 0.25),
    "ride": (2.75, 5.25), "drum": (4.0, 8.0),
}  # fmt: skip


def measure_rates(songs: Sequence[Song], kit: Kit) -> dict[str, dict[str, list[float]]]:
    """The rates by style, "" for all of them. Drums and styles that no stretch has are missing."""
    found: dict[str, list[np.ndarray]] = {"": []}
    for song, excerpt in cut_excerpts((song for song in songs if song.fill != FILL_YES), kit, NUM_BARS):
        rates = excerpt.hits.sum(axis=(0, 1)) / NUM_BARS
        for style in {"", song.style}:
            found.setdefault(style, []).append(rates)
    return {
        style: {
            name: np.quantile(column[column > 0], _QUANTILES).round(3).tolist()
            for name, column in zip(kit.names, np.asarray(rows).T, strict=True)
            if column.any()
        }
        for style, rows in found.items()
        if rows
    }
