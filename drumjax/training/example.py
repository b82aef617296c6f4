"""Examples: random windows of the corpus, augmented, as tokens, with parts of what goes with them hidden."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from drumjax.codecs.base import ABSENT, Codec, clock
from drumjax.config.settings import Settings
from drumjax.data.corpus import Corpus, max_notes, take_window
from drumjax.models.conditioning import hide, hide_history, measure
from drumjax.models.interface import Memory
from drumjax.models.scoring import Example
from drumjax.music.notes import Array, Window
from drumjax.training.hyper import Hyper

# A smaller corpus is whole on every device: 70 MB. What is learned depends a little on which songs are in a group, but
# not on how many devices there are.
SPLIT_FROM_NOTES = 1 << 22
SONGS_PER_WINDOW = 16  # so that groups are of nearly the same length


class WindowShape(NamedTuple):
    """Static sizes of a batch of windows: windows; beats, tokens, notes (padded, the remembered ones included) of each;
    beats remembered before it, and the most notes of them (None: all); whether each window is of songs of its own."""

    batch: int
    num_beats: int
    num_steps: int
    num_notes: int
    memory_beats: int = 0
    memory_notes: int | None = None
    is_split: bool = False


class Encoded(NamedTuple):
    """A window as tokens [T, F], the first of them at tick `start`, and what was just before it."""

    tokens: Array
    start: Array | int = 0
    memory: Memory | None = None


def make_window_shape(settings: Settings, codec: Codec, corpus: Corpus) -> WindowShape:
    """The sizes of a batch of the corpus's windows."""
    t = settings.train
    if codec.grid or not codec.is_timed:
        memory_beats, memory_notes = t.memory_beats if codec.grid else 0, None
    else:  # a note a beat at least: music of fewer is remembered no further back
        memory_beats = memory_notes = t.memory_notes
    num_notes = _most_notes(settings, corpus)
    num_steps = codec.num_steps(t.window_beats, num_notes)
    if memory_beats:
        most = max_notes(corpus, t.window_beats + memory_beats)
        num_notes = min(most, num_notes + (max_notes(corpus, memory_beats) if memory_notes is None else memory_notes))
    is_split = len(corpus.notes.pitch) >= SPLIT_FROM_NOTES and len(corpus.end_beat) >= SONGS_PER_WINDOW * t.batch_size
    return WindowShape(t.batch_size, t.window_beats, num_steps, num_notes, memory_beats, memory_notes, is_split)


def _most_notes(settings: Settings, corpus: Corpus) -> int:
    """Of a window itself."""
    t = settings.train
    num_notes = max_notes(corpus, t.window_beats)
    return min(num_notes, t.window_notes) if t.window_notes else num_notes


def count_steps(settings: Settings, shape: WindowShape, corpus: Corpus) -> Settings:
    """The settings with their epochs turned into steps: one is as many windows as hold the corpus once, by beats or by
    notes, whichever takes more."""
    t = settings.train
    own_notes = _most_notes(settings, corpus)
    windows = max(len(corpus.beat_song) / shape.num_beats, len(corpus.notes.pitch) / own_notes)
    steps = windows / shape.batch
    changes: dict[str, Any] = {}
    if t.num_epochs:
        changes["num_steps"] = max(1, round(t.num_epochs * steps))
    if t.eval_every_epochs:
        changes["eval_every_steps"] = max(1, round(t.eval_every_epochs * steps))
    return dataclasses.replace(settings, train=dataclasses.replace(t, **changes))


def take_example(
    corpus: Corpus,
    key: Array,
    *,
    codec: Codec,
    shape: WindowShape,
    hyper: Hyper,
    change: Callable[[Array, Window], Window] | None = None,
) -> Example:
    """One random example: its tokens [T, F], places and context, and what came before it [M, F]. `change` (key, window)
    augments the window."""
    key_window, key_change, key_context, key_history = jax.random.split(key, 4)
    sizes = shape.num_beats, shape.num_notes, shape.memory_beats, shape.memory_notes
    window = take_window(corpus, key_window, *sizes)
    if change is not None:
        window = change(key_change, window)
    encoded = encode(codec, window, shape)
    # Places are where the music is, whether or not the model is conditioned on its tempo.
    place = codec.place(window.context, clock(codec, encoded.tokens[None], encoded.start)[0, :-1])
    measured = measure(window, codec.kit, shape.num_beats).context
    context = hide(key_context, measured, hyper.context_dropout, hyper.measured_dropout)
    hidden = functools.partial(hide_history, key_history, codec.fields, rates=hyper.history_dropout)
    memory = encoded.memory
    if memory is not None:
        # Few songs begin within a window, and of those most are fills: without more beginnings than that a model
        # begins badly. (Of 14 styles asked for 18% were recognized in 8 bars, and 33% with a third of them hidden.)
        is_hidden = jax.random.bernoulli(jax.random.fold_in(key, 4), hyper.memory_dropout)
        memory = memory._replace(tokens=jnp.where(is_hidden, ABSENT, hidden(memory.tokens)))
    hears = jax.random.bernoulli(jax.random.fold_in(key, 5), 1 - hyper.coming_dropout)
    return Example(encoded.tokens, hidden(encoded.tokens), place, context, memory, hears)


def encode(codec: Codec, window: Window, shape: WindowShape) -> Encoded:
    """The window as tokens, and what is remembered of before it."""
    if not shape.memory_beats:
        return Encoded(codec.encode(window, shape.num_steps))
    return (_encode_grid if codec.grid else _encode_notes)(codec, window, shape)


def _encode_grid(codec: Codec, window: Window, shape: WindowShape) -> Encoded:
    tokens = codec.encode(_later(window, shape.memory_beats), shape.memory_beats * codec.grid + shape.num_steps)
    when = jnp.arange(-shape.memory_beats * codec.grid, 0)
    is_there = -when <= codec.to_ticks(window.context, window.memory_beats)
    memory = jnp.where(is_there[:, None], tokens[: len(when)], ABSENT)
    return Encoded(tokens[len(when) :], 0, Memory(memory, when))


def _encode_notes(codec: Codec, window: Window, shape: WindowShape) -> Encoded:
    """Steps that begin before the window are its memory. How many these are differs."""
    num_before = codec.num_steps(shape.memory_beats, shape.memory_notes or 0)
    beats = jnp.ceil(window.memory_beats)
    tokens = codec.encode(_later(window, beats), num_before + shape.num_steps)
    when = clock(codec, tokens[None], -codec.to_ticks(window.context, beats))[0, :-1]
    cut = jnp.sum((when < 0) & (tokens[:, 0] != ABSENT))
    # From the beat of the first note remembered to that note, where the song was not silent, is no rest of it.
    is_lead = (jnp.cumsum(tokens[:, 0] != codec.fields[0].rest) == 0) & (when < 0)
    tokens = jnp.where((is_lead & (window.context.start_beat > window.memory_beats))[:, None], ABSENT, tokens)
    tokens = jnp.pad(tokens, ((num_before, shape.num_steps), (0, 0)), constant_values=ABSENT)
    when = jnp.pad(when, (num_before, shape.num_steps))
    memory, own = (
        jax.lax.dynamic_slice_in_dim(tokens, begin, size)
        for begin, size in ((cut, num_before), (cut + num_before, shape.num_steps))
    )
    start = jnp.maximum(when[cut + num_before], 0)
    return Encoded(own, start, Memory(memory, jax.lax.dynamic_slice_in_dim(when, cut, num_before)))


def _later(window: Window, beats: Array | float) -> Window:
    """The window, and what is remembered before it, as one that begins so many beats earlier."""
    notes = window.notes._replace(onset_beat=window.notes.onset_beat + beats)
    return window._replace(notes=notes, num_beats=window.num_beats + beats)
