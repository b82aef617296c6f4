"""What each augmentation does to a window, as pictures."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.data.corpus import max_notes, pack, window_at
from drumjax.music.kits import Kit
from drumjax.music.notes import Array, Notes, Song, Window
from drumjax.training.augment import MODERATE, Strength, augment

WINDOW_BEATS = 8
# Odds are shown at work, and small numbers a little larger than one would train with, so that they can be seen.
SHOWN = {name: 1.0 if value < 1 and name not in ("tempo", "gain", "curve", "swing") else 2.0 * value
         for name, value in MODERATE.items()}  # fmt: skip


def draw_augmentation(songs: list[Song], kit: Kit, seed: int = 0) -> bytes:
    """A PNG of what each change of augment.Strength makes of two bars of the busiest song."""
    from drumjax.report.plots import draw_changes  # matplotlib takes a second to import

    song = max(songs, key=lambda song: len(set(song.notes.pitch.tolist())) * len(song.notes.pitch) / song.num_bars)
    corpus = pack([song])
    start = np.int32(min(2 * song.beats_per_bar, max(0, song.num_bars * song.beats_per_bar - WINDOW_BEATS)))
    window = window_at(jax.device_put(corpus), jnp.int32(0), start, WINDOW_BEATS, max_notes(corpus, WINDOW_BEATS))
    change = jax.jit(lambda key, strength: augment(key, window, strength, kit))
    after, tempos = {}, {}
    for name, value in SHOWN.items():
        strength = Strength(*(jnp.float32(value if field == name else 0) for field in Strength._fields))
        changed = _first_change(change, window, strength, seed)
        after[f"{name} {value:g}"] = Notes(*map(np.asarray, changed.notes))
        tempos[f"{name} {value:g}"] = float(changed.context.tempo_bpm)
    return draw_changes(Notes(*map(np.asarray, window.notes)), after, tempos, kit, WINDOW_BEATS)


def _first_change(change: Callable[[Array, Strength], Window], window: Window, strength: Strength, seed: int) -> Window:
    """The first of some random changes that does something: another bar may be the same one."""
    for key in jax.random.split(jax.random.key(seed), 20):
        changed = change(key, strength)
        if any(not np.allclose(a, b, atol=1e-3) for a, b in zip(changed.notes, window.notes, strict=True)):
            break
    return changed
