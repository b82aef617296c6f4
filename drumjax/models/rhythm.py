"""The rhythm of a window on the device: its hits in 16ths and bars, and what is measured from them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.config.conditions import HEARD_VELOCITY, LEAST_SHARE, TIMEKEEPERS
from drumjax.music.kits import Kit
from drumjax.music.metre import metre_id
from drumjax.music.notes import EARLY_BEAT, Array, Window

# A timekeeper is hit in this share of the 8ths at least: in 4/4 twice a bar.
MIN_KEPT = 0.25
_COMMON_TIME = metre_id((4, 4))


class Rhythm(NamedTuple):
    """Q 16ths from the window's start on, which is on a beat, and C drums of the kit.

    velocity   [Q, C] int32, of the loudest hit of each drum in each 16th, 0 for none
    first_bar  int32, the 16th of the first bar line
    per_bar    int32, 16ths of a bar; 0 where that is no whole number
    length     int32, 16ths that begin before the song or the window ends
    metre      int32, as in Context
    """

    velocity: Array
    first_bar: Array
    per_bar: Array
    length: Array
    metre: Array


def inside(window: Window) -> Array:
    """[N] bool: the notes that are in the window, without what is remembered of before it."""
    onset = window.notes.onset_beat
    return window.notes.mask & (onset >= -EARLY_BEAT) & (onset < window.num_beats)


def find_rhythm(window: Window, kit: Kit, max_beats: int) -> Rhythm:
    """The rhythm of a window of at most so many beats. Notes that are no drum of the kit are left out."""
    table = jnp.asarray(kit.class_table())
    drum = table[window.notes.pitch]
    step = jnp.floor(window.notes.onset_beat * 4 + 0.5).astype(jnp.int32)
    num_steps = 4 * max_beats
    step = jnp.where(inside(window) & (drum >= 0), step, num_steps)  # of the others: dropped
    velocity = jnp.zeros((num_steps, kit.num_classes), jnp.int32)
    velocity = velocity.at[step, jnp.maximum(drum, 0)].max(window.notes.velocity, mode="drop")
    context = window.context
    per_bar = jnp.round(4 * context.beats_per_bar).astype(jnp.int32)
    per_bar = jnp.where(per_bar == 4 * context.beats_per_bar, per_bar, 0)
    start = jnp.round(4 * context.start_beat).astype(jnp.int32)
    return Rhythm(
        velocity=velocity,
        first_bar=-start % jnp.maximum(per_bar, 1),
        per_bar=per_bar,
        length=jnp.ceil(4 * window.num_beats).astype(jnp.int32),
        metre=jnp.asarray(context.metre),
    )


def measure_steadiness(rhythm: Rhythm) -> Array:
    """How alike neighbouring bars are: the mean over all pairs of whole bars of the hits that both have among those
    that either has, by 16th and drum; 1 for two silent ones. LEAST_SHARE..1; 0, unknown, of fewer than two bars.

    The mean Jaccard similarity, as `stability` of evaluate/features/drums.py.
    """
    num_steps, num_drums = rhythm.velocity.shape
    # The drums of a 16th as bits of one number.
    bits = jnp.asarray(1 << np.arange(num_drums), jnp.int32)
    hits = jnp.sum(jnp.where(rhythm.velocity > 0, bits[None], 0), axis=1)
    step = jnp.arange(num_steps)
    later = hits.at[step + rhythm.per_bar].get(mode="fill", fill_value=0)
    bar = (step - rhythm.first_bar) // jnp.maximum(rhythm.per_bar, 1)  # -1 before the first bar line
    end = rhythm.first_bar + (bar + 2) * rhythm.per_bar  # of the bar after it
    is_pair = (bar >= 0) & (end <= rhythm.length) & (rhythm.per_bar > 0)
    bar = jnp.where(is_pair, bar, num_steps)

    def count(bits: Array) -> Array:
        """Hits by bar."""
        each = jax.lax.population_count(bits)
        return jnp.zeros(num_steps, jnp.int32).at[bar].add(each, mode="drop")

    both, either = count(hits & later), count(hits | later)
    pairs = jnp.zeros(num_steps, bool).at[bar].set(True, mode="drop")
    alike = jnp.where(either > 0, both / jnp.maximum(either, 1), 1.0)
    return _mean_share(alike, pairs)


def measure_backbeat(rhythm: Rhythm, kit: Kit) -> Array:
    """The share of the whole bars with a snare that is heard on 2 and 4, or (half-time) on 3: LEAST_SHARE..1; 0,
    unknown, in other metres than 4/4 and where there is no whole bar."""
    snare = jnp.asarray(rhythm.velocity)[:, kit.names.index("snare")] >= HEARD_VELOCITY
    begin = rhythm.first_bar + jnp.arange(0, len(snare), 16)
    two, three, four = (snare.at[begin + beat * 4].get(mode="fill", fill_value=False) for beat in (1, 2, 3))
    is_bar = (begin + 16 <= rhythm.length) & (rhythm.metre == _COMMON_TIME)
    return _mean_share((two & four) | three, is_bar)


def measure_timekeeper(rhythm: Rhythm, kit: Kit) -> Array:
    """Which of TIMEKEEPERS is hit in most 8ths, counted from 1 (the first of equals); one more where none is hit in
    MIN_KEPT of them. Never unknown."""
    eighths = rhythm.velocity[::2] > 0
    is_there = jnp.arange(0, len(rhythm.velocity), 2) < rhythm.length
    kept = []
    for drums in TIMEKEEPERS.values():
        classes = np.asarray([kit.names.index(drum) for drum in drums])
        kept.append(jnp.sum(eighths[:, classes].any(axis=1) & is_there))
    counts = jnp.stack(kept)
    is_kept = jnp.max(counts) >= MIN_KEPT * jnp.maximum(jnp.sum(is_there), 1)
    return jnp.where(is_kept, jnp.argmax(counts) + 1, len(TIMEKEEPERS) + 1).astype(jnp.int32)


def _mean_share(values: Array, counts: Array) -> Array:
    """The mean of those that count, as a share that is known; 0 where none does."""
    num = jnp.sum(counts)
    mean = jnp.sum(jnp.where(counts, values, 0)) / jnp.maximum(num, 1)
    return jnp.where(num > 0, jnp.maximum(mean, LEAST_SHARE), 0).astype(jnp.float32)
