"""What a codec is: the border between notes, which have beats, and tokens, which a model predicts.

A codec turns a window into `tokens [T, F]`, int32: T steps in order, and F categorical variables per step. A variable
that does not exist at a step (the velocity of a drum that is not hit, anything beyond the end of the song) is -1, so
tokens carry their own mask. Codecs know nothing of models.
"""

import dataclasses
from typing import NamedTuple, Protocol

import numpy as np

from drumjax.notes import Array, Context, Notes, Window

ABSENT = -1


@dataclasses.dataclass(frozen=True, eq=False)
class Field:
    """`count` categorical variables of `size` values each, predicted together.

    features [size, D] float32 says what values have in common (which drums a chord holds, how loud a bin is), so
    that a model can share what it learns about one value with its relatives. `rest` is the value that means that
    nothing happens, None if there is none.
    """

    name: str
    size: int
    features: np.ndarray
    count: int = 1
    rest: int | None = None


class Place(NamedTuple):
    """Where steps are in the music.

    position  [T] int32, place in the bar, < codec.num_positions
    bar       [T] int32, number of the bar in its song, from 0
    lookback  [T, L] int32, how many steps ago earlier places were that have much to say (the same place a bar ago, a
              beat ago), 1..codec.max_distance; L is codec.num_lookbacks
    """

    position: Array
    bar: Array
    lookback: Array


class Codec(Protocol):
    """Every method is for one example, pure and jittable."""

    @property
    def fields(self) -> tuple[Field, ...]: ...

    @property
    def num_positions(self) -> int:
        """How many places in a bar there can be."""

    @property
    def num_lookbacks(self) -> int:
        """How many earlier places a step looks back to."""

    @property
    def max_distance(self) -> int:
        """The furthest lookback, in steps."""

    def num_steps(self, num_beats: float) -> int:
        """Steps of a window of so many beats."""

    def accepts(self, beats_per_bar: float) -> bool:
        """Whether bars of that length can be encoded."""

    def __hash__(self) -> int:
        """Codecs are static arguments of compiled functions."""

    def encode(self, window: Window, num_steps: int) -> Array:
        """Tokens [T, F] of the window's first `num_steps` steps."""

    def decode(self, tokens: Array, context: Context) -> Notes:
        """Padded notes of the tokens, onsets from the window's start. Inverse of encode up to its quantization."""

    def place(self, context: Context, step: Array) -> Place:
        """The places of steps [T], counted from the window's start."""

    def present(self, field: int, tokens: Array) -> Array:
        """[..., count] bool: which variables of the field exist, given the fields before it in tokens [..., F]."""


def field_slices(fields: tuple[Field, ...]) -> tuple[slice, ...]:
    """Where each field's variables lie in the last axis of the tokens."""
    ends = np.cumsum([field.count for field in fields])
    return tuple(slice(int(end) - field.count, int(end)) for end, field in zip(ends, fields, strict=True))
