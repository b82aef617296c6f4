"""Optimizers whose numbers are traced: what a sweep varies goes through the compiled step as arrays."""

import jax
import jax.numpy as jnp
import optax

from drumjax.models.interface import Params
from drumjax.music.notes import Array


def make_tx(optimizer: str) -> optax.GradientTransformation:
    """Turns gradients into directions of descent of unit scale; the learning rate comes later, traced."""
    if optimizer in ("adamw", "adam"):
        return optax.scale_by_adam(b1=0.9, b2=0.99)
    if optimizer == "rmsprop":
        return optax.scale_by_rms(decay=0.9)
    raise ValueError(f"no such optimizer: {optimizer!r}")


def clip(grads: Params, norm: Array, clip_norm: Array) -> Params:
    """The gradients, of global norm `norm`, scaled down to at most clip_norm (0: as they are)."""
    factor = jnp.where((clip_norm > 0) & (norm > clip_norm), clip_norm / norm, 1.0)
    return jax.tree.map(lambda g: g * factor, grads)


def descend(params: Params, updates: Params, rate: Array, decay: Array) -> Params:
    """params - rate * (updates + decay * params), the decay for matrices only."""

    def move(p, u):
        return p - rate * (u + decay * p) if p.ndim >= 2 else p - rate * u

    return jax.tree.map(move, params, updates)
