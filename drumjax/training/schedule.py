"""How numbers of a run change with its steps: functions step -> factor of the configured number, jittable."""

import functools

import jax.numpy as jnp
import optax


def make_learning_rate(schedule: str, warmup_steps: int, num_steps: int) -> optax.Schedule:
    """Linear warm-up to 1, then a cosine down to 1% or constant. Raises ValueError at another name."""
    warmup_steps = max(warmup_steps, 1)
    if schedule == "constant":
        return _constant(warmup_steps)
    if schedule == "cosine":
        return _cosine(warmup_steps, max(num_steps, warmup_steps + 1))
    raise ValueError(f"no such schedule of the learning rate: {schedule!r}")


@functools.lru_cache(maxsize=8)  # equal by identity, as the optimizer is
def _constant(warmup_steps: int) -> optax.Schedule:
    return optax.linear_schedule(0.0, 1.0, warmup_steps)


@functools.lru_cache(maxsize=8)
def _cosine(warmup_steps: int, decay_steps: int) -> optax.Schedule:
    return optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps, decay_steps, 0.01)


@functools.lru_cache(maxsize=8)
def make_strength(schedule: str, num_steps: int) -> optax.Schedule:
    """1 throughout, rising from 0 over the first quarter, or fading to 0 over the last, for a finish on what is real.

    Raises ValueError at another name.
    """
    quarter = max(num_steps / 4, 1)
    if schedule == "constant":
        return lambda step: jnp.ones(())
    if schedule == "rise":
        return lambda step: jnp.clip(step / quarter, 0, 1)
    if schedule == "fade":
        return lambda step: jnp.clip((num_steps - step) / quarter, 0, 1)
    raise ValueError(f"no such schedule of augmentation: {schedule!r}")
