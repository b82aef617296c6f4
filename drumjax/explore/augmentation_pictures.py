"""What each augmentation does to a window, as pictures."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.config.augmentation import AUGMENTATIONS
from drumjax.data.corpus import max_notes, pack, window_at
from drumjax.music.kits import Kit
from drumjax.music.notes import Array, Notes, Song, Window
from drumjax.training.augment import Strengths, augment

WINDOW_BEATS = 8
# Odds are shown at work, and small numbers a little larger than one would train with, so that they can be seen.
SHOWN = {
    name: 1.0 if row.moderate < 1 and row.help.startswith("odds") else 2.0 * row.moderate
    for name, row in AUGMENTATIONS.items()
    if row.moderate is not None
}


def draw_augmentation(songs: list[Song], kit: Kit, seed: int = 0) -> bytes:
    """A PNG of what each change of config.augment makes of two bars of the busiest song."""
    from drumjax.report.plots import draw_changes  # matplotlib takes a second to import

    song = max(songs, key=lambda song: len(set(song.notes.pitch.tolist())) * len(song.notes.pitch) / song.num_bars)
    corpus = pack([song])
    start = np.asarray(min(2 * song.beats_per_bar, max(0, song.num_bars * song.beats_per_bar - WINDOW_BEATS)), np.int32)
    window = window_at(
        jax.device_put(corpus), jnp.asarray(0, np.int32), start, WINDOW_BEATS, max_notes(corpus, WINDOW_BEATS)
    )
    change = jax.jit(lambda key, strengths: augment(key, window, strengths, kit))
    after, tempos = {}, {}
    for name, value in SHOWN.items():
        strengths = {other: jnp.asarray(value if other == name else 0, np.float32) for other in AUGMENTATIONS}
        changed = _first_change(change, window, strengths, seed)
        after[f"{name} {value:g}"] = Notes(*map(np.asarray, changed.notes))
        tempos[f"{name} {value:g}"] = float(changed.context.tempo_bpm)
    return draw_changes(Notes(*map(np.asarray, window.notes)), after, tempos, kit, WINDOW_BEATS)


def _first_change(
    change: Callable[[Array, Strengths], Window], window: Window, strengths: Strengths, seed: int
) -> Window:
    """The first of some random changes that does something: another bar may be the same one."""
    for key in jax.random.split(jax.random.key(seed), 20):
        changed = change(key, strengths)
        if any(not np.allclose(a, b, atol=1e-3) for a, b in zip(changed.notes, window.notes, strict=True)):
            break
    return changed
