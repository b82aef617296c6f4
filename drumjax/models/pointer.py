"""The pointer: what followed those moments of the song's past that are most like the present one.

On a grid every step of the past a whole number of beats ago is a candidate for what comes now, and where a step is a
note every earlier one, up to `lags` of them. Attention goes to the candidates by how well the steps before them match
those before this one (see matching.py), by how long ago they are, and on a grid by whether they are at the same place
of the bar, and a multiple of 2, 4 or 8 bars ago. Of what the attention finds, the model hears the average in its input,
and can copy: the distribution of the first field (`Votes.odds`) is mixed with the model's own (gate.py). Pointer
sentinel mixtures: Merity et al. 2017; continuous cache: Grave et al. 2017; here nothing is compared but the values
themselves, so that matches cost no matrix product.

There is a row of attention per head. Lags are in order of time: index i of L is L - i beats, or notes, ago.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from drumjax.codecs.base import ABSENT, Field, field_slices
from drumjax.models.initial import Keys
from drumjax.models.interface import History
from drumjax.models.layers import INPUT_INIT, multiply
from drumjax.models.matching import DECAYS, MISSING, NORMALIZER, NUM_MATCHES, advance, match_all
from drumjax.music.notes import Array

# Features of each head: see Pointer._attend.
NUM_FEATURES = 4 + NUM_MATCHES
# What the search of the parameters starts from, by hand: the best match of decay 0.8 (exact in the first head, by
# drums in common in the others), less for another place of the bar, a little less for what is long ago.
FIRST_MATCH = 2.5
FIRST_LAG = {"other place": -2.0, "bars": -0.5, "2 bars": 0.0, "4 bars": 0.0, "8 bars": 0.0}
# Where a step is a note, as many are taken for a bar.
NOTES_PER_BAR = 32
NOTHING = -1e30


class Votes(NamedTuple):
    """What the pointers found for each step.

    odds      [T, B, H, size], the distribution of the first field in the candidates by attention; 0 where there is none
    reads     [T, B, H, D], the average of what is in them: features of the first field, presence and size of the others
    features  [T, B, H, NUM_FEATURES], how much past there is and how well it matches
    known     [T, B] bool, whether there is any candidate
    """

    odds: Array
    reads: Array
    features: Array
    known: Array


class Pointer(nnx.Module):
    """Reads the past of a song of the given fields with so many `heads`; `grid` steps are a beat, 0 where a step is a
    note."""

    def __init__(self, fields: tuple[Field, ...], grid: int, lags: int, heads: int, size: int, keys: Keys):
        self.fields, self.grid, self.unit, self.lags, self.heads = fields, grid, grid or 1, lags, heads
        match = np.zeros((NUM_MATCHES, heads), np.float32)
        for head in range(heads):
            match[(0 if head == 0 else len(DECAYS)) + 1, head] = FIRST_MATCH
        self.match = nnx.Param(match)
        first = np.asarray(list(FIRST_LAG.values()) if grid else [FIRST_LAG["bars"]], np.float32)
        self.lag = nnx.Param(np.tile(first[:, None], (1, heads)))
        width = heads * (self._num_reads + NUM_FEATURES)
        self.kernel = nnx.Param(INPUT_INIT(keys.params(), (width, size)))

    @property
    def _num_reads(self) -> int:
        return self.fields[0].features.shape[1] + sum(field.count * self._width(field) for field in self.fields[1:])

    def _width(self, field: Field) -> int:
        """Numbers that a variable is described by: features, or of many variables together presence and size."""
        return int(field.features.shape[1]) if field.count == 1 else 2

    def __call__(self, history: History, previous: Array, match: Array, bar_steps: Array) -> tuple[Votes, Array]:
        """previous [B, T, F] is the token before each step, history what came before those; match [B, NUM_MATCHES, L]
        the matches up to there; bar_steps [B] how long a bar is. Returns also the matches after these steps."""
        read = self._read_one if previous.shape[1] == 1 else self._read_many
        return read(history, previous, match, bar_steps)

    def embed(self, votes: Votes) -> Array:
        """What the stack hears of them: [T, B, E]."""
        heard = jnp.concatenate([votes.reads, votes.features], axis=-1)
        return multiply(heard.reshape(*heard.shape[:2], -1), self.kernel[...])

    def match_memory(self, memory: Array) -> Array:
        """Matches [B, NUM_MATCHES, L] after the first field's values memory [B, M], which nothing came before."""
        return match_all(self._as_sets(memory), self.unit * np.arange(self.lags, 0, -1))

    def _read_many(self, history: History, previous: Array, match: Array, bar_steps: Array) -> tuple[Votes, Array]:
        num_steps = previous.shape[1]
        ring = jnp.roll(history.tokens, -history.oldest, axis=1)
        tokens = jnp.concatenate([ring[:, ring.shape[1] - self.unit * self.lags :], previous], axis=1)
        sets = self._in_phases(self._as_sets(tokens[..., 0]), num_steps)
        after = self._in_phases(tokens[:, 1:, 0], num_steps)  # what came after each of them

        def scan(match, t):
            match = self._advance(match, sets, t)
            return match, (match, self._window(after, t))

        last, (matches, found) = jax.lax.scan(scan, match, jnp.arange(num_steps))
        attention, features, known = self._attend(matches, found, bar_steps)
        attention, found = _whole_beats(attention, self.unit), _whole_beats(found, self.unit)
        odds = _copy(attention, found, after[..., :-1], self.fields[0].size)
        reads = _average(attention, self._in_phases(self._describe(tokens[:, 1:]), num_steps)[..., :-1, :])
        odds, reads = (x.reshape(-1, *x.shape[2:])[:num_steps] for x in (odds, reads))
        return Votes(odds, reads, features, known), last

    def _read_one(self, history: History, previous: Array, match: Array, bar_steps: Array) -> tuple[Votes, Array]:
        """The same for one step, in place: the ring is not put in order."""
        size = history.tick.shape[1]
        tokens = jax.lax.dynamic_update_slice(history.tokens, previous, (0, history.oldest, 0))
        at = (history.oldest - self.unit * jnp.arange(self.lags, 0, -1)) % size
        found = tokens[:, (at + 1) % size]
        match = advance(match, self._as_sets(previous[:, 0, 0]), self._as_sets(tokens[:, at, 0]))
        attention, features, known = self._attend(match[None], found[None, ..., 0], bar_steps)
        rows = jnp.arange(len(previous))[:, None]
        value = jnp.where(found[..., 0] == ABSENT, self.fields[0].size, found[..., 0])
        odds = jnp.zeros((len(previous), self.fields[0].size, self.heads))
        odds = odds.at[rows, value].add(jnp.swapaxes(attention[0], 1, 2), mode="drop")
        reads = attention[0] @ self._describe(found)
        return Votes(jnp.swapaxes(odds, 1, 2)[None], reads[None], features, known), match

    def _attend(self, matches: Array, found: Array, bar_steps: Array) -> tuple[Array, Array, Array]:
        """matches [T, B, NUM_MATCHES, L], found [T, B, L] -> attention [T, B, H, L], features [T, B, H, NUM_FEATURES],
        known [T, B].

        Matches are data, and nothing is learned through them; what weighs them is.
        """
        matches = jax.lax.stop_gradient(matches)
        is_there = found != ABSENT
        weight, bias = self.match[...], self._lag_bias(bar_steps)
        scores = jnp.stack(
            [
                sum(weight[k, h] * matches[:, :, k] for k in range(NUM_MATCHES)) + bias[None, :, h]
                for h in range(self.heads)
            ],
            axis=2,
        )
        scores = jnp.where(is_there[:, :, None], scores, NOTHING)
        top = jax.lax.stop_gradient(jnp.max(scores, axis=-1, keepdims=True))
        weights = jnp.where(is_there[:, :, None], jnp.exp(scores - top), 0.0)
        total = jnp.maximum(jnp.sum(weights, axis=-1, keepdims=True), 1e-9)
        attention, known = weights / total, jnp.any(is_there, axis=-1)
        amount = jnp.log1p(jnp.sum(is_there, axis=-1).astype(jnp.float32))
        best = jnp.max(jnp.where(is_there[:, :, None], matches, 0.0), axis=-1) * NORMALIZER[None, None]
        columns = [
            *(_repeat(x, self.heads) for x in (known.astype(jnp.float32), amount / 5)),
            jnp.sum(attention**2, axis=-1),  # 1: all on one candidate
            jnp.where(known[..., None], (jnp.log(total) + top)[..., 0], 0.0) / 10,
        ]
        best = jnp.broadcast_to(best[:, :, None], (*best.shape[:2], self.heads, NUM_MATCHES))
        return attention, jnp.concatenate([jnp.stack(columns, axis=-1), best], axis=-1), known

    def _lag_bias(self, bar_steps: Array) -> Array:
        """[B, H, L]: what the distance of a candidate says for it, in the order of FIRST_LAG."""
        lag = (self.unit * jnp.arange(self.lags, 0, -1))[None]
        bar = bar_steps[:, None] if self.grid else jnp.full_like(bar_steps[:, None], NOTES_PER_BAR)
        rows = [jnp.log1p(lag / bar)]
        if self.grid:
            rows = [lag % bar != 0, *rows, *(lag % (bars * bar) == 0 for bars in (2, 4, 8))]
        return jnp.einsum("rbl,rh->bhl", jnp.stack([row.astype(jnp.float32) for row in rows]), self.lag[...])

    def _advance(self, match: Array, sets: Array, t: Array) -> Array:
        """Matches after step t, the sets of all steps lying in phases."""
        now = jax.lax.dynamic_index_in_dim(sets[t % self.unit], t // self.unit + self.lags, axis=1, keepdims=False)
        return advance(match, now, self._window(sets, t))

    def _window(self, phases: Array, t: Array) -> Array:
        """[B, L]: the values some beats before step t."""
        start = (t % self.unit, 0, t // self.unit)
        return jax.lax.dynamic_slice(phases, start, (1, phases.shape[1], self.lags))[0]

    def _in_phases(self, x: Array, num_steps: int) -> Array:
        """x [B, unit * L + T, ...] by place in the beat: [unit, B, L + ceil(T / unit), ...]; what is missing is ABSENT.

        With the step t at x[:, unit * L + t], what is l beats before it lies at [t % unit, :, t // unit + L - l].
        """
        length = self.lags - (-num_steps // self.unit)
        pad = [(0, 0), (0, self.unit * length - x.shape[1]), *[(0, 0)] * (x.ndim - 2)]
        x = jnp.pad(x, pad, constant_values=ABSENT).reshape(x.shape[0], length, self.unit, *x.shape[2:])
        return jnp.moveaxis(x, 2, 0)

    def _describe(self, tokens: Array) -> Array:
        """Tokens [..., F] as numbers to be averaged [..., D]."""
        columns = []
        for field, where in zip(self.fields, field_slices(self.fields), strict=True):
            values = tokens[..., where]
            is_there = values != ABSENT
            if field.count == 1:
                rows = jnp.where(is_there, values, field.size)[..., 0]
                columns.append(jnp.asarray(field.features).at[rows].get(mode="fill", fill_value=0))
            else:
                columns += [is_there.astype(jnp.float32), jnp.where(is_there, (values + 0.5) / field.size, 0.0)]
        return jnp.concatenate(columns, axis=-1)

    def _as_sets(self, values: Array) -> Array:
        """Values of the first field as what is matched."""
        sets = jnp.asarray(self.fields[0].sets)
        return jnp.where(values == ABSENT, MISSING, sets[jnp.maximum(values, 0)])


def _repeat(x: Array, heads: int) -> Array:
    return jnp.broadcast_to(x[..., None], (*x.shape, heads))


def _whole_beats(x: Array, unit: int) -> Array:
    """x [T, ...] as [ceil(T / unit), unit, ...]."""
    pad = -x.shape[0] % unit
    return jnp.pad(x, [(0, pad)] + [(0, 0)] * (x.ndim - 1)).reshape(-1, unit, *x.shape[1:])


def _average(attention: Array, phases: Array) -> Array:
    """What attention [Q, unit, B, H, L] finds in phases [unit, B, L + Q - 1, D] of numbers: [Q, unit, B, H, D].

    Row q of a phase looks at L entries from entry q on. Shifted into a band [Q, L + Q - 1] the rows of attention make
    that one matrix product per phase. With Q = 2 and L = 3 (the padded rows, and the same read in another width):

        a b c 0 0          a b c 0
        d e f 0 0    ->    0 d e f
    """
    num_rows, unit, batch, heads, lags = attention.shape
    width = lags + num_rows - 1
    band = jnp.pad(jnp.transpose(attention, (2, 1, 3, 0, 4)), ((0, 0),) * 4 + ((0, num_rows),))
    band = band.reshape(batch, unit, heads, -1)[..., : num_rows * width].reshape(batch, unit, heads * num_rows, width)
    product = band @ jnp.swapaxes(phases, 0, 1)
    return jnp.transpose(product.reshape(batch, unit, heads, num_rows, -1), (3, 1, 0, 2, 4))


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _copy(attention: Array, found: Array, phases: Array, size: int) -> Array:
    """The distribution [Q, unit, B, H, size] of the values that attention [Q, unit, B, H, L] finds in phases
    [unit, B, L + Q - 1]; found [Q, unit, B, L] are the same values, of each step."""

    return _average(attention, jax.nn.one_hot(phases, size, dtype=jnp.float32))


def _copy_backward(size: int, found: Array, gradient: Array) -> tuple[Array, None, None]:
    # A gather: the product with the transposed one-hot values takes ten times as long on a CPU.
    index = jnp.maximum(found, 0)[:, :, :, None]
    return (
        jnp.take_along_axis(gradient, jnp.broadcast_to(index, (*gradient.shape[:4], index.shape[-1])), axis=-1),
        None,
        None,
    )


_copy.defvjp(lambda attention, found, phases, size: (_copy(attention, found, phases, size), found), _copy_backward)


def first_match(batch: int, lags: int) -> Array:
    """Matches [B, NUM_MATCHES, L] of sequences that have not begun."""
    return jnp.zeros((batch, NUM_MATCHES, lags))
