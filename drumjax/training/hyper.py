"""The numbers of a run that a sweep may vary: they go through the compiled step as arrays, not as constants."""

from typing import NamedTuple

from drumjax.music.notes import Array
from drumjax.training.augment import Strength


class Hyper(NamedTuple):
    """Scalars, traced.

    learning_rate      peak
    weight_decay       decoupled, adamw only; on matrices, not on biases and scales
    clip_norm          the gradient is scaled down to this global norm; 0 does not clip
    dropout            rate, 0..1
    context_dropout    odds that a part of the context is hidden from an example, 0..1
    measured_dropout   odds that density and dynamics are hidden, 0..1
    history_dropout    [fields], odds that the earlier values of a field are hidden from an example, 0..1
    average_decay      decay of the weight average per step; 0 keeps no average
    field_weights      [fields], weight of each field's nats per step in the loss
    augment            how far augmentation may go, at its strongest
    """

    learning_rate: Array
    weight_decay: Array
    clip_norm: Array
    dropout: Array
    context_dropout: Array
    measured_dropout: Array
    history_dropout: Array
    average_decay: Array
    field_weights: Array
    augment: Strength
