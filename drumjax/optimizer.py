"""Optimizers whose numbers are traced: what a sweep varies goes through the compiled step as arrays."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from drumjax.model import Params
from drumjax.notes import Array

OPTIMIZERS = ("adamw", "adam", "rmsprop")
SCHEDULES = ("cosine", "constant")


class Hyper(NamedTuple):
    """Numbers of a run that a sweep may vary; scalars, traced.

    learning_rate      peak
    weight_decay       decoupled, adamw only; on matrices, not on biases and scales
    clip_norm          the gradient is scaled down to this global norm; 0 does not clip
    dropout            rate, 0..1
    context_dropout    odds that a part of the context is hidden from an example, 0..1
    average_decay      decay of the weight average per step; 0 keeps no average
    field_weights      [fields], weight of each field's nats per step in the loss
    """

    learning_rate: Array
    weight_decay: Array
    clip_norm: Array
    dropout: Array
    context_dropout: Array
    average_decay: Array
    field_weights: Array


def make_tx(optimizer: str) -> optax.GradientTransformation:
    """Turns gradients into directions of descent of unit scale; the learning rate comes later, traced."""
    if optimizer in ("adamw", "adam"):
        return optax.scale_by_adam(b1=0.9, b2=0.99)
    if optimizer == "rmsprop":
        return optax.scale_by_rms(decay=0.9)
    raise ValueError(f"train.optimizer is {optimizer!r}; there are: {', '.join(OPTIMIZERS)}")


def make_schedule(schedule: str, warmup_steps: int, num_steps: int) -> optax.Schedule:
    """Factor of the peak learning rate at a step: linear warm-up, then a cosine down to 1% or constant."""
    if schedule == "constant":
        return optax.linear_schedule(0.0, 1.0, max(warmup_steps, 1))
    if schedule == "cosine":
        decay = max(num_steps, max(warmup_steps, 1) + 1)
        return optax.warmup_cosine_decay_schedule(0.0, 1.0, max(warmup_steps, 1), decay, 0.01)
    raise ValueError(f"train.schedule is {schedule!r}; there are: {', '.join(SCHEDULES)}")


def clip(grads: Params, norm: Array, clip_norm: Array) -> Params:
    """The gradients, of global norm `norm`, scaled down to at most clip_norm (0: as they are)."""
    factor = jnp.where((clip_norm > 0) & (norm > clip_norm), clip_norm / norm, 1.0)
    return jax.tree.map(lambda g: g * factor, grads)


def descend(params: Params, updates: Params, rate: Array, decay: Array) -> Params:
    """params - rate * (updates + decay * params), the decay for matrices only."""

    def move(p, u):
        return p - rate * (u + decay * p) if p.ndim >= 2 else p - rate * u

    return jax.tree.map(move, params, updates)
