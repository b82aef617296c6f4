"""The train state: everything a run is, as its checkpoints hold it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from drumjax.models.interface import Params, Weights
from drumjax.models.model import Model
from drumjax.music.notes import Array


class TrainState(NamedTuple):
    """Everything a run is: restore it and the run goes on bit for bit.

    step     int32, steps taken
    key      typed PRNG key of the run; each step uses fold_in(key, step)
    params   what is trained
    average  exponential moving average of params, what is evaluated and sampled
    stats    running statistics of batch norm, {} without it
    opt      optax state
    """

    step: Array
    key: Array
    params: Params
    average: Params
    stats: Params
    opt: optax.OptState

    @property
    def averaged(self) -> Weights:
        """What is evaluated, played and shared."""
        return Weights(self.average, self.stats)

    def to_items(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The two items of a checkpoint: what sampling needs, and the rest."""
        params = {"params": self.average, **({"stats": self.stats} if self.stats else {})}
        return params, {"step": self.step, "key": self.key, "params": self.params, "opt": self.opt}

    @classmethod
    def from_items(cls, params: dict[str, Any], rest: dict[str, Any]) -> "TrainState":
        """The inverse of to_items."""
        stats = params.get("stats", {})
        return cls(rest["step"], rest["key"], rest["params"], params["params"], stats, rest["opt"])


def init_state(model: Model, tx: optax.GradientTransformation, key: Array) -> TrainState:
    """Fresh parameters, step 0."""
    key_init, key_run = jax.random.split(key)
    params, stats = model.init(key_init)
    average = jax.tree.map(jnp.copy, params)
    return TrainState(jnp.int32(0), key_run, params, average, stats, tx.init(params))
