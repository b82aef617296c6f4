"""Bins of velocities: 0..127 split evenly."""

import jax.numpy as jnp

from drumjax.music.notes import Array


def velocity_in(bins: Array, points: Array, num_bins: int) -> jnp.ndarray:
    """The velocity [...], a whole number as float32, that lies at points [...] in [0, 1) of bins [...]: each of those
    in the bin has the same share of it. Below 1 in the first bin, where the writer makes it 1."""
    width = 128 / num_bins
    lowest, next_lowest = jnp.ceil(bins * width), jnp.ceil((bins + 1) * width)
    return lowest + jnp.floor(points * (next_lowest - lowest))
