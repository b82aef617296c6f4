"""The numbers of a run that a sweep may vary: they go through the compiled step as arrays, not as constants."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from drumjax.codecs.base import Field
from drumjax.config.settings import Settings
from drumjax.music.notes import Array
from drumjax.training.augment import Strengths


class Hyper(NamedTuple):
    """Scalars, traced.

    learning_rate      peak
    weight_decay       decoupled, adamw only; on matrices, not on biases and scales
    clip_norm          the gradient is scaled down to this global norm; 0 does not clip
    dropout            rate, 0..1
    context_dropout    odds that a part of the context is hidden from an example, 0..1
    measured_dropout   odds that all that is measured, and who plays, is hidden, 0..1
    memory_dropout     odds that what came before the window is hidden, as if the song began with it, 0..1
    coming_dropout     odds that the hits to come are hidden from velocity and timing, 0..1
    history_dropout    [fields], odds that the earlier values of a field are hidden from an example, 0..1
    average_decay      decay of the weight average per step; 0 keeps no average
    field_weights      [fields], weight of each field's nats per step in the loss
    augment            how far each change of augmentation may go, at its strongest
    """

    learning_rate: Array
    weight_decay: Array
    clip_norm: Array
    dropout: Array
    context_dropout: Array
    measured_dropout: Array
    memory_dropout: Array
    coming_dropout: Array
    history_dropout: Array
    average_decay: Array
    field_weights: Array
    augment: Strengths


def without_numbers(settings: Settings) -> Settings:
    """The settings with what Hyper holds, and the seed, set to 0 or, where it decides what is compiled, to 1: runs for
    which they are equal have the same compiled step."""
    t, a = settings.train, settings.augment
    strengths: dict[str, Any] = dict.fromkeys(a.strengths(), 0.0) | {"transpose": float(math.ceil(a.transpose))}
    if a.is_on:  # one will do for all
        strengths["double_time"] = 1.0
    numbers = (
        "seed", "weight_decay", "clip_norm", "context_dropout", "measured_dropout", "memory_dropout", "coming_dropout",
        "average_decay",
    )  # fmt: skip
    plain: dict[str, Any] = dict.fromkeys(numbers, 0) | {"history_dropout": {}, "field_weights": {}}
    plain |= {"learning_rate": 1.0, "dropout": 0.5 if t.dropout > 0 else 0.0}
    return dataclasses.replace(
        settings, augment=dataclasses.replace(a, **strengths), train=dataclasses.replace(t, **plain)
    )


def make_hyper(settings: Settings, fields: Sequence[Field]) -> Hyper:
    """The numbers that the settings name, float32. Raises SettingsError if they do not fit the codec's fields."""
    t, names = settings.train, [field.name for field in fields]
    odds = t.history_odds([field.name for field in fields if field.is_expression])
    return Hyper(
        learning_rate=np.asarray(t.learning_rate, np.float32),
        weight_decay=np.asarray(t.weight_decay if t.optimizer == "adamw" else 0.0, np.float32),
        clip_norm=np.asarray(t.clip_norm, np.float32),
        dropout=np.asarray(t.dropout, np.float32),
        context_dropout=np.asarray(t.context_dropout, np.float32),
        measured_dropout=np.asarray(t.measured_dropout, np.float32),
        memory_dropout=np.asarray(t.memory_dropout, np.float32),
        coming_dropout=np.asarray(t.coming_dropout, np.float32),
        history_dropout=np.asarray([odds.get(name, 0) for name in names], np.float32),
        average_decay=np.asarray(t.average_decay, np.float32),
        field_weights=np.asarray(t.weights_of(names), np.float32),
        augment={name: np.asarray(value, np.float32) for name, value in settings.augment.strengths().items()},
    )
