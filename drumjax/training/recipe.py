"""From settings to what the training step is given: its numbers, its windows, its augmentation."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from drumjax.codecs.base import Codec, Field
from drumjax.config.settings import Settings, history_odds
from drumjax.data.corpus import Corpus, max_notes
from drumjax.training.augment import Strength
from drumjax.training.hyper import Hyper
from drumjax.training.schedule import make_strength
from drumjax.training.step import Augmentation, WindowShape


def make_window_shape(settings: Settings, codec: Codec, corpus: Corpus) -> WindowShape:
    """The sizes of a batch of the corpus's windows."""
    t = settings.train
    num_notes = max_notes(corpus, t.window_beats)
    if t.window_notes:
        num_notes = min(num_notes, t.window_notes)
    return WindowShape(t.batch_size, t.window_beats, codec.num_steps(t.window_beats, num_notes), num_notes)


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


def make_hyper(settings: Settings, fields: Sequence[Field]) -> Hyper:
    """The numbers that the settings name, float32."""
    t, odds = settings.train, history_odds(settings.train, fields)
    return Hyper(
        learning_rate=np.float32(t.learning_rate),
        weight_decay=np.float32(t.weight_decay if t.optimizer == "adamw" else 0.0),
        clip_norm=np.float32(t.clip_norm),
        dropout=np.float32(t.dropout),
        context_dropout=np.float32(t.context_dropout),
        measured_dropout=np.float32(t.measured_dropout),
        history_dropout=np.asarray([odds.get(field.name, 0) for field in fields], np.float32),
        average_decay=np.float32(t.average_decay),
        field_weights=np.asarray(t.field_weights[: len(fields)], np.float32),
        augment=Strength(*(np.float32(getattr(settings.augment, name)) for name in Strength._fields)),
    )


def make_augmentation(settings: Settings) -> Augmentation | None:
    """None where nothing is changed, so that nothing of it is compiled."""
    a = settings.augment
    return (
        Augmentation(settings.codec.make_kit(), make_strength(a.schedule, settings.train.num_steps))
        if a.is_on
        else None
    )
