"""Luck that lasts: how far what is drawn for a step depends on the steps before, where the model does not hear these.

Timing is drawn without the earlier timing where notes are given (train.history_dropout), so that the model does not go
by its own chance. Drawn anew at each step it would be restless: the luck of people lasts. Where held-out hits fall in
the model's distributions, as normal numbers, correlates by 0.25 with hits of the same take far away, by 0.4 with the
step before, and by 0.5 with the same place one beat ago (`python -m drumjax.studies.luck`). So the number that the
first drum of a step is drawn by is, in normal numbers,

    sqrt(TAKE) g + sqrt(STEPS) a_t + sqrt(PLACE) b_t + sqrt(the rest) e_t

with g drawn once a take, a_t = r a_{t-1} + ..., b_t the same from beat to beat, and e_t of each step (a Gaussian
copula: what is drawn at a step is distributed as before). The other drums of the step hear the first, and share the
take's part.
"""

import jax
import jax.numpy as jnp

from drumjax.music.notes import Array

# Shares of the variance, measured on the training split, and how much of a part is still there a step, or a beat,
# later.
TAKE, STEPS, PLACE = 0.22, 0.16, 0.15
STEP_KEPT, BEAT_KEPT = 0.8, 0.8
# Uniform numbers as normal ones, without infinities.
SMALLEST = 2.0**-25


def draw_luck(key: Array, num_steps: int, grid: int) -> Array:
    """[T, 2] of one sample: what is added to the normal number of the first drum of each step, and of its others."""
    take_key, step_key, place_key = jax.random.split(key, 3)
    take = jnp.sqrt(TAKE) * jax.random.normal(take_key)
    num_beats = -(-num_steps // grid)
    steps = _persist(jax.random.normal(step_key, (num_steps,)), STEP_KEPT)
    places = _persist(jax.random.normal(place_key, (num_beats, grid)), BEAT_KEPT).reshape(-1)[:num_steps]
    first = take + jnp.sqrt(STEPS) * steps + jnp.sqrt(PLACE) * places
    return jnp.stack([first, jnp.full_like(first, take)], axis=1)


def share_luck(uniform: Array, luck: Array, is_first: Array | bool) -> Array:
    """The number [B] in (0, 1) that a drum is drawn by, of its own [B], and the luck of the step [B, 2]."""
    own = jax.scipy.special.ndtri(jnp.clip(uniform, SMALLEST, 1 - SMALLEST))
    shared = jnp.where(is_first, luck[:, 0], luck[:, 1])
    rest = jnp.where(is_first, 1 - TAKE - STEPS - PLACE, 1 - TAKE)
    return jax.scipy.special.ndtr(shared + jnp.sqrt(rest) * own)


def _persist(noise: Array, kept: float) -> Array:
    """x_0 = noise_0, x_t = kept x_{t-1} + sqrt(1 - kept^2) noise_t along the first axis: of variance 1 as the noise."""

    def step(x, e):
        x = kept * x + jnp.sqrt(1 - kept**2) * e
        return x, x

    return jnp.concatenate([noise[:1], jax.lax.scan(step, noise[0], noise[1:])[1]])
