"""How numbers of a run change with its steps: functions step -> factor of the configured number, jittable, and plain
data, so that a program that uses one can be found again by it."""

import dataclasses

import jax.numpy as jnp
import optax

from drumjax.config.augmentation import SCHEDULES as STRENGTHS
from drumjax.config.training import SCHEDULES
from drumjax.music.notes import Array


@dataclasses.dataclass(frozen=True)
class LearningRate:
    """Linear warm-up to 1, then a cosine down to 1% or constant. Raises ValueError at another name."""

    schedule: str
    warmup_steps: int
    num_steps: int

    def __post_init__(self):
        if self.schedule not in SCHEDULES:
            raise ValueError(f"no such schedule of the learning rate: {self.schedule!r}")

    def __call__(self, step: Array) -> Array:
        warmup_steps = max(self.warmup_steps, 1)
        if self.schedule == "constant":
            return optax.linear_schedule(0.0, 1.0, warmup_steps)(step)
        num_steps = max(self.num_steps, warmup_steps + 1)
        return optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps, num_steps, 0.01)(step)


@dataclasses.dataclass(frozen=True)
class Strength:
    """1 throughout, rising from 0 over the first quarter, or fading to 0 over the last, for a finish on what is real.

    Raises ValueError at another name.
    """

    schedule: str
    num_steps: int

    def __post_init__(self):
        if self.schedule not in STRENGTHS:
            raise ValueError(f"no such schedule of augmentation: {self.schedule!r}")

    def __call__(self, step: Array) -> Array:
        quarter = max(self.num_steps / 4, 1)
        if self.schedule == "rise":
            return jnp.clip(step / quarter, 0, 1)
        if self.schedule == "fade":
            return jnp.clip((self.num_steps - step) / quarter, 0, 1)
        return jnp.ones(())
