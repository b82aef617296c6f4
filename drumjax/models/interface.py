"""What goes into a model and comes out of it: types that need no flax, for all rooms that train, score and sample."""

from typing import Any, NamedTuple

from drumjax.music.notes import Array

# Parameters as plain nested dicts of arrays.
Params = dict[str, Any]


class Weights(NamedTuple):
    """All that a model has learned: what is saved, averaged, shared and sampled from.

    params  trained by gradients
    stats   running statistics of batch norm, {} without it
    """

    params: Params
    stats: Params


class Shape(NamedTuple):
    """What a model must know of its data: places of a codec (grid: its steps in a beat), and the sizes of the
    vocabularies of styles and players."""

    num_positions: int
    num_lookbacks: int
    memory_steps: int
    num_styles: int
    grid: int
    num_players: int = 1


class LSTMState(NamedTuple):
    """What an LSTM layer carries from step to step: hidden and cell, each [B, H] float32."""

    hidden: Array
    cell: Array


class History(NamedTuple):
    """A ring of the last R tokens.

    tokens  [B, R, F] int32, ABSENT before the start
    tick    [B, R] int32, when each began, NEVER before the start
    oldest  int32 scalar, where in the ring the oldest of them stands
    now     [B] int32, when the step after them begins
    """

    tokens: Array
    tick: Array
    oldest: Array
    now: Array


class Memory(NamedTuple):
    """What came before the first step of sequences: tokens [B, M, F], ABSENT before the song, and the tick at which
    each began [B, M], counted as those of the steps."""

    tokens: Array
    tick: Array


class Carry(NamedTuple):
    """All that a model remembers of a sequence.

    layers   what each layer carries, LSTMState [B, H] of an LSTM's
    history  the last tokens, as many as are looked back to
    match    [B, NUM_MATCHES, L] how well what came before matches what came L lags before that (models/matching.py); ()
             without a pointer
    """

    layers: tuple[Any, ...]
    history: History
    match: Any


class Hidden(NamedTuple):
    """What the heads see of a step: the stack's output [T, B, D], the lookback's tokens [T, B, L, F], what the pointers
    found (pointer.Votes), and what is known of the hits to come [T, B, E]; None without these."""

    output: Array
    lookback: Array
    votes: Any
    coming: Any


class Noise(NamedTuple):
    """Dropout of a training pass: a key per example [B], and the rate, a traced scalar."""

    keys: Array
    rate: Array
