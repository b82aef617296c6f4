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
from drumjax.models.scoring import Example
from drumjax.music.notes import Array, Window
from drumjax.training.hyper import Hyper


class WindowShape(NamedTuple):
    """Static sizes of a batch of windows: windows; beats, tokens, notes (padded) of each, and beats remembered before
    it."""

    batch: int
    num_beats: int
    num_steps: int
    num_notes: int
    memory_beats: int = 0


def make_window_shape(settings: Settings, codec: Codec, corpus: Corpus) -> WindowShape:
    """The sizes of a batch of the corpus's windows."""
    t = settings.train
    memory_beats = t.memory_beats if codec.grid else 0
    num_notes = max_notes(corpus, t.window_beats + memory_beats)
    if t.window_notes:
        memory_notes = max_notes(corpus, memory_beats) if memory_beats else 0
        num_notes = min(num_notes, memory_notes + t.window_notes)
    return WindowShape(
        t.batch_size, t.window_beats, codec.num_steps(t.window_beats, num_notes), num_notes, memory_beats
    )


def count_steps(settings: Settings, shape: WindowShape, corpus: Corpus) -> Settings:
    """The settings with their epochs turned into steps: one is as many windows as hold the corpus once, by beats or by
    notes, whichever takes more."""
    t = settings.train
    windows = max(len(corpus.beat_song) / shape.num_beats, len(corpus.notes.pitch) / shape.num_notes)
    steps = windows / shape.batch
    changes: dict[str, Any] = {}
    if t.num_epochs:
        changes["num_steps"] = max(1, round(t.num_epochs * steps))
    if t.eval_every_epochs:
        changes["eval_every_steps"] = max(1, round(t.eval_every_epochs * steps))
    return dataclasses.replace(settings, train=dataclasses.replace(t, **changes))


def take_example(
    corpus: Corpus,
    codec: Codec,
    shape: WindowShape,
    key: Array,
    hyper: Hyper,
    change: Callable[[Array, Window], Window] | None = None,
) -> Example:
    """One random example: its tokens [T, F], places and context, and what came before it [M, F]. `change` (key, window)
    augments the window."""
    key_window, key_change, key_context, key_history = jax.random.split(key, 4)
    window = take_window(corpus, key_window, shape.num_beats, shape.num_notes, shape.memory_beats)
    if change is not None:
        window = change(key_change, window)
    past, tokens = encode_memory(codec, window, shape)
    # Places are where the music is, whether or not the model is conditioned on its tempo.
    place = codec.place(window.context, clock(codec, tokens[None], 0)[0, :-1])
    measured = measure(window, codec.kit, shape.num_beats).context
    context = hide(key_context, measured, hyper.context_dropout, hyper.measured_dropout)
    hidden = functools.partial(hide_history, key_history, codec.fields, rates=hyper.history_dropout)
    memory = None if past is None else hidden(past)
    return Example(tokens, hidden(tokens), place, context, memory)


def encode_memory(codec: Codec, window: Window, shape: WindowShape) -> tuple[Array | None, Array]:
    """Tokens [M, F] of the beats before the window, ABSENT where there is no song, and [T, F] of the window itself."""
    if not shape.memory_beats:
        return None, codec.encode(window, shape.num_steps)
    notes = window.notes._replace(onset_beat=window.notes.onset_beat + shape.memory_beats)
    whole = window._replace(notes=notes, num_beats=window.num_beats + shape.memory_beats)
    num_steps = codec.num_steps(shape.memory_beats, 0)
    tokens = codec.encode(whole, num_steps + shape.num_steps)
    ago = jnp.arange(num_steps, 0, -1)
    is_there = ago <= codec.to_ticks(window.context, window.memory_beats)
    return jnp.where(is_there[:, None], tokens[:num_steps], ABSENT), tokens[num_steps:]
