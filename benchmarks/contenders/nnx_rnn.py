"""Flax's own recurrence: nnx.RNN over its LSTM cells, in a plain jitted training step."""

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.contender import Contender, Figures, Repeat
from benchmarks.contenders.jax_threads import threads

NUM_CHORDS = 512
Cell = type[nnx.LSTMCell] | type[nnx.OptimizedLSTMCell]


class DrumRNN(nnx.Module):
    """Chords [B, T] to logits [B, T, 512]."""

    def __init__(self, cell: Cell, hidden: int, rngs: nnx.Rngs):
        self.hidden = hidden
        self.embed = nnx.Embed(NUM_CHORDS, hidden, rngs=rngs)
        self.first = nnx.RNN(cell(hidden, hidden, rngs=rngs))
        self.second = nnx.RNN(cell(hidden, hidden, rngs=rngs))
        self.head = nnx.Linear(hidden, NUM_CHORDS, rngs=rngs)

    def __call__(self, chords):
        # Given, because left to itself the cell draws zeros with its random keys, which a plain jax.grad may not count.
        state = jnp.zeros((chords.shape[0], self.hidden))
        x = self.first(self.embed(chords), initial_carry=(state, state))
        return self.head(self.second(x, initial_carry=(state, state)))


def train(hidden: int, batch: int, length: int, steps: int) -> Contender:
    """Steps of training on random chords; seconds per step."""
    chords = jax.random.randint(jax.random.key(0), (batch, length + 1), 0, NUM_CHORDS)
    inputs, targets = chords[:, :-1], chords[:, 1:]
    tx = optax.adam(1e-3)

    def make(cell: Cell) -> Repeat:
        parts: Any = nnx.split(DrumRNN(cell, hidden, nnx.Rngs(0)), nnx.Param, ...)
        graph, params, rest = parts

        def loss_fn(params):
            logits = nnx.merge(graph, params, rest)(inputs)
            return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()

        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def step(params, opt):
            updates, opt = tx.update(jax.grad(loss_fn)(params), opt, params)
            return optax.apply_updates(params, updates), opt

        opt = tx.init(params)

        def repeat() -> Figures:
            nonlocal params, opt
            start = time.perf_counter()
            for _ in range(steps):
                params, opt = step(params, opt)
            jax.block_until_ready(params)
            return {"seconds": (time.perf_counter() - start) / steps}

        return repeat

    cells: tuple[Cell, ...] = (nnx.OptimizedLSTMCell, nnx.LSTMCell)
    return Contender({cell.__name__: functools.partial(make, cell) for cell in cells}, threads)
