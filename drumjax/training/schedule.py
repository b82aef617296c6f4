"""How numbers of a run change with its steps: functions step -> factor of the configured number, jittable."""

import jax.numpy as jnp
import optax


def make_learning_rate(schedule: str, warmup_steps: int, num_steps: int) -> optax.Schedule:
    """Linear warm-up to 1, then a cosine down to 1% or constant. Raises ValueError at another name."""
    if schedule == "constant":
        return optax.linear_schedule(0.0, 1.0, max(warmup_steps, 1))
    if schedule == "cosine":
        decay = max(num_steps, max(warmup_steps, 1) + 1)
        return optax.warmup_cosine_decay_schedule(0.0, 1.0, max(warmup_steps, 1), decay, 0.01)
    raise ValueError(f"no such schedule of the learning rate: {schedule!r}")


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
