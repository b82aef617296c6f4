"""The recurrence: a fast LSTM layer over time-major sequences, and the plain one it is held to.

Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; gates are ordered i, f, g, o:

    a_t = x_t W_x + h_{t-1} W_h + b
    c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
    h_t = sigmoid(o) * tanh(c_t)

Axes are [T, B, H]: time outermost, so that each step of the scan reads one contiguous slab.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from drumjax.notes import Array


class LSTMState(NamedTuple):
    """What a layer carries from step to step: hidden and cell, each [B, H] float32."""

    hidden: Array
    cell: Array


def initial_state(batch: int, hidden: int) -> LSTMState:
    """Zeros [B, H]."""
    return LSTMState(jnp.zeros((batch, hidden)), jnp.zeros((batch, hidden)))


def lstm_layer(x: Array, w_x: Array, w_h: Array, bias: Array, state: LSTMState) -> tuple[Array, LSTMState]:
    """Runs one layer: x [T, B, D], w_x [D, 4H], w_h [H, 4H], bias [4H] -> outputs [T, B, H] and the last state.

    The input projection of all steps is one matmul before the scan; the gradient of the weights is one matmul after
    the reverse scan, instead of T rank-B updates inside it.
    """
    steps, batch, _ = x.shape
    projected = jnp.dot(x.reshape(steps * batch, -1), w_x).reshape(steps, batch, -1) + bias[None, None]
    outputs, last = _recurrence(projected, w_h, state)
    return outputs, last


@jax.custom_vjp
def _recurrence(projected: Array, w_h: Array, state: LSTMState) -> tuple[Array, LSTMState]:
    return _forward(projected, w_h, state)[0]


def _forward(projected, w_h, state):
    def step(carry, a):
        i, f, g, o = jnp.split(a + carry.hidden @ w_h, 4, axis=-1)
        i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
        cell = f * carry.cell + i * g
        hidden = o * jnp.tanh(cell)
        return LSTMState(hidden, cell), (hidden, cell, jnp.concatenate([i, f, g, o], axis=-1))

    last, (hiddens, cells, gates) = jax.lax.scan(step, state, projected)
    return (hiddens, last), (w_h, state, hiddens, cells, gates)


def _backward(saved, cotangents):
    w_h, state, hiddens, cells, gates = saved
    d_hiddens, d_last = cotangents
    previous_cells = jnp.concatenate([state.cell[None], cells[:-1]])
    w_h_t = w_h.T  # transposed once: inside the scan it would be copied at every step

    def step(carry, now):
        d_hidden, cell, previous, gate = now
        i, f, g, o = jnp.split(gate, 4, axis=-1)
        d_hidden = d_hidden + carry.hidden
        tanh_cell = jnp.tanh(cell)
        d_cell = carry.cell + d_hidden * o * (1 - tanh_cell * tanh_cell)
        d_gate = jnp.concatenate(
            [
                d_cell * g * i * (1 - i),
                d_cell * previous * f * (1 - f),
                d_cell * i * (1 - g * g),
                d_hidden * tanh_cell * o * (1 - o),
            ],
            axis=-1,
        )
        return LSTMState(d_gate @ w_h_t, d_cell * f), d_gate

    d_state, d_gates = jax.lax.scan(step, d_last, (d_hiddens, cells, previous_cells, gates), reverse=True)
    previous_hiddens = jnp.concatenate([state.hidden[None], hiddens[:-1]])
    hidden = w_h.shape[0]
    d_w_h = previous_hiddens.reshape(-1, hidden).T @ d_gates.reshape(-1, 4 * hidden)
    return d_gates, d_w_h, d_state


_recurrence.defvjp(_forward, _backward)


def lstm_layer_reference(x: Array, w_x: Array, w_h: Array, bias: Array, state: LSTMState) -> tuple[Array, LSTMState]:
    """The same layer as written in the formulas above, differentiated by JAX: what the tests hold lstm_layer to."""

    def step(carry, x_t):
        i, f, g, o = jnp.split(x_t @ w_x + carry.hidden @ w_h + bias[None], 4, axis=-1)
        cell = jax.nn.sigmoid(f) * carry.cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return LSTMState(hidden, cell), hidden

    last, hiddens = jax.lax.scan(step, state, x)
    return hiddens, last


class LSTMLayer(nnx.Module):
    """The parameters of one layer, D -> H: Glorot input weights, orthogonal recurrent ones, forget bias 1."""

    def __init__(self, size_in: int, hidden: int, rngs: nnx.Rngs):
        glorot, orthogonal = jax.nn.initializers.glorot_uniform(), jax.nn.initializers.orthogonal()
        self.w_x = nnx.Param(glorot(rngs.params(), (size_in, 4 * hidden), jnp.float32))
        gates = [orthogonal(rngs.params(), (hidden, hidden), jnp.float32) for _ in range(4)]
        self.w_h = nnx.Param(jnp.concatenate(gates, axis=1))
        self.bias = nnx.Param(jnp.zeros(4 * hidden).at[hidden : 2 * hidden].set(1.0))

    def __call__(self, x: Array, state: LSTMState) -> tuple[Array, LSTMState]:
        return lstm_layer(x, self.w_x[...], self.w_h[...], self.bias[...], state)
