"""The recurrence: a fast LSTM layer over time-major sequences, and the plain one it is held to.

Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; gates are ordered i, f, g, o:

    a_t = x_t W_x + h_{t-1} W_h + b
    c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
    h_t = sigmoid(o) * tanh(c_t)

Axes are [T, B, H]: time outermost, so that each step of the scan reads one contiguous slab. The same steps run on every
platform. NVIDIA's cuDNN, as JAX 0.11 calls it, took longer on an H200 (11 ms in place of 8, forward and backward over
256 steps of 32 sequences, 256 wide, in float32), and some of its gradients were wrong there by half and more.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from drumjax.models.initial import Keys, glorot_uniform, orthogonal
from drumjax.models.interface import LSTMState
from drumjax.music.notes import Array

# How many steps of a scan are compiled as one on GPUs. To start a step takes them longer than to compute it: two layers
# as above, in TensorFloat-32, took an H200 11 ms, and 6 with 8 steps as one. A CPU only takes longer.
UNROLL = 8
UNROLLED_ON = ("cuda", "rocm")


def lstm_layer(x: Array, w_x: Array, w_h: Array, bias: Array, state: LSTMState) -> tuple[Array, LSTMState]:
    """Runs one layer: x [T, B, D], w_x [D, 4H], w_h [H, 4H], bias [4H] -> outputs [T, B, H] and the last state."""
    # The input projection of all steps is one matmul before the scan. (Inside it, a CPU at hidden 256 gained 3% and
    # at 512 lost 7%.)
    steps, batch, _ = x.shape
    projected = jnp.dot(x.reshape(steps * batch, -1), w_x).reshape(steps, batch, -1)
    return recur(projected, w_h, bias, state)


@jax.custom_vjp
def recur(projected: Array, w_h: Array, bias: Array, state: LSTMState) -> tuple[Array, LSTMState]:
    """The recurrence over projected inputs x W_x [T, B, 4H]: outputs [T, B, H] and the last state.

    The gradient of w_h is one matmul after the reverse scan, instead of T rank-B updates inside it. The bias is added
    inside the scan, where it costs no pass over memory.
    """
    return _forward(projected, w_h, bias, state)[0]


def _forward(projected, w_h, bias, state):
    def step(carry, a):
        i, f, g, o = jnp.split(a + carry.hidden @ w_h + bias[None], 4, axis=-1)
        i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
        cell = f * carry.cell + i * g
        tanh_cell = jnp.tanh(cell)
        hidden = o * tanh_cell
        # Gates stay apart: to join them for the backward pass is a copy per step (8% of a layer at hidden 128).
        return LSTMState(hidden, cell), (hidden, cell, tanh_cell, i, f, g, o)

    last, (hiddens, cells, *gates) = _scan(step, state, projected)
    return (hiddens, last), (w_h, state, hiddens, cells, gates)


def _backward(saved, cotangents):
    w_h, state, hiddens, cells, gates = saved
    d_hiddens, d_last = cotangents
    previous_cells = jnp.concatenate([state.cell[None], cells[:-1]])
    w_h_t = w_h.T  # transposed once: inside the scan it would be copied at every step

    def step(carry, now):
        # From the last step to the first. `carry` is what the later steps want of this one's hidden and cell; the
        # slopes of the gates are those before their sigmoid (s' = s (1 - s)) or tanh (t' = 1 - t^2).
        d_hidden, previous_cell, tanh_cell, i, f, g, o = now
        d_hidden = d_hidden + carry.hidden
        # The cell counts through h = o tanh(c), and goes on to the next step's cell.
        d_cell = carry.cell + d_hidden * o * (1 - tanh_cell * tanh_cell)
        d_gate = jnp.concatenate(
            [
                d_cell * g * i * (1 - i),  # c = f c' + i g, by i
                d_cell * previous_cell * f * (1 - f),  # by f
                d_cell * i * (1 - g * g),  # by g
                d_hidden * tanh_cell * o * (1 - o),  # h = o tanh(c), by o
            ],
            axis=-1,
        )
        return LSTMState(d_gate @ w_h_t, d_cell * f), d_gate

    d_state, d_gates = _scan(step, d_last, (d_hiddens, previous_cells, *gates), reverse=True)
    size, width = w_h.shape
    # The gradient of w_h is the sum over steps of h'^T d_gate: one product [H, T B] @ [T B, 4H].
    previous_hiddens = jnp.concatenate([state.hidden[None], hiddens[:-1]])
    d_w_h = previous_hiddens.reshape(-1, size).T @ d_gates.reshape(-1, width)
    return d_gates, d_w_h, jnp.sum(d_gates, (0, 1)), d_state


recur.defvjp(_forward, _backward)


def _scan(step, state, inputs, reverse=False):
    """The scan as it is best on the platform that the program is compiled for, wherever it is traced."""

    def scan(state, inputs, unroll=1):
        return jax.lax.scan(step, state, inputs, reverse=reverse, unroll=unroll)

    unrolled = functools.partial(scan, unroll=UNROLL)
    return jax.lax.platform_dependent(state, inputs, default=scan, **dict.fromkeys(UNROLLED_ON, unrolled))


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

    def __init__(self, size_in: int, hidden: int, keys: Keys):
        self.w_x = nnx.Param(glorot_uniform(keys.params(), (size_in, 4 * hidden)))
        self.w_h = nnx.Param(orthogonal(tuple(keys.params() for _ in range(4)), hidden))
        self.bias = nnx.Param(np.repeat(np.asarray([0, 1, 0, 0], np.float32), hidden))

    @staticmethod
    def initial_state(batch: int, hidden: int) -> LSTMState:
        """Zeros [B, H], from which a sequence begins."""
        return LSTMState(jnp.zeros((batch, hidden)), jnp.zeros((batch, hidden)))

    def __call__(self, x: Array, state: LSTMState) -> tuple[Array, LSTMState]:
        """x [T, B, D] -> outputs [T, B, H] and the last state."""
        return lstm_layer(x, self.w_x[...], self.w_h[...], self.bias[...], state)

    def project(self, rows: Array) -> Array:
        """rows [..., D] -> [..., 4H], the linear part of the input projection, for inputs that are rows of a table."""
        return rows @ self.w_x[...]

    def recur(self, projected: Array, state: LSTMState) -> tuple[Array, LSTMState]:
        """The layer over inputs [T, B, 4H] that `project` has mapped."""
        return recur(projected, self.w_h[...], self.bias[...], state)


# The layers there are, by config.model.cell. Each has initial_state(batch, hidden), and is called with inputs
# [T, B, D] and the state before them; `project` and `recur` are the two halves of that call.
LAYERS = {"lstm": LSTMLayer}
