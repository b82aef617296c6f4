"""What a codec is: the border between notes, which have beats, and tokens, which a model predicts.

A codec turns a window into `tokens [T, F]`, int32: T steps in order, and F categorical variables per step. A variable
that does not exist at a step (the velocity of a drum that is not hit, anything beyond the end of the song) is -1, so
tokens carry their own mask. Codecs know nothing of models.

Time is counted in *ticks* from the window's start, whole numbers. Where a step is in the music follows from the tokens
before it: every token says how many ticks its step lasts. On a grid that is always one.
"""

import dataclasses
from typing import NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np

from drumjax.music.kits import Kit
from drumjax.music.notes import Array, Context, Notes, Window

ABSENT = -1
# A token that is to be chosen, where some are given.
FREE = -2
# Where in its bin a value is, unless it is said.
CENTRE = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Field:
    """`count` categorical variables of `size` values each, predicted together.

    features [size, D] float32 says what values have in common (which drums a chord holds, how loud a bin is), so
    that a model can share what it learns about one value with its relatives. sets [size] int32, of the first field,
    says by the bits of a number what values can have alike (drums; octave and pitch class); no two have the same set.
    `rest` is the value that means that nothing happens, None if there is none. `is_expression` says that it is how a
    given note is played (how loud, how far from its place), in values from least to most; `is_guided`, whether what is
    asked for may be exaggerated in it.
    """

    name: str
    size: int
    features: np.ndarray
    count: int = 1
    rest: int | None = None
    is_expression: bool = False
    is_guided: bool = True
    sets: np.ndarray | None = None


class Place(NamedTuple):
    """Where steps are in the music.

    tick      [T] int32, when they begin, counted from the window's start
    position  [T] int32, place in the bar, < codec.num_positions
    bar       [T] int32, number of the bar in its song, from 0
    bar_ticks [T] int32, how long the bar is
    lookback  [T, L] int32, how many ticks ago earlier places were that have much to say (the same place a bar ago, a
              beat ago), 1 or more; L is codec.num_lookbacks
    """

    tick: Array
    position: Array
    bar: Array
    bar_ticks: Array
    lookback: Array


class Codec(Protocol):
    """Every method is for one example, pure and jittable."""

    @property
    def fields(self) -> tuple[Field, ...]: ...

    @property
    def kit(self) -> Kit | None:
        """The drums it knows, None for pitched instruments."""

    @property
    def pitches(self) -> tuple[int, ...]:
        """The pitches that it decodes to, ascending where there is no kit."""

    @property
    def program(self) -> int:
        """The General MIDI instrument, where there is no kit."""

    @property
    def num_positions(self) -> int:
        """How many places in a bar there can be."""

    @property
    def num_lookbacks(self) -> int:
        """How many earlier places a step looks back to."""

    @property
    def memory_steps(self) -> int:
        """How many steps are remembered to be looked back to."""

    @property
    def grid(self) -> int:
        """How many steps a beat always has, 0 where a step is a note."""

    @property
    def is_timed(self) -> bool:
        """Whether tokens say when notes are."""

    @property
    def notes_per_step(self) -> int:
        """How many notes a step decodes to, those that are not there included."""

    @property
    def num_voices(self) -> int:
        """How many drums a value of the first field can hold together, 0 where it is one note."""

    def voices(self, values: Array) -> Array:
        """[..., num_voices] bool: the drums that values [...] of the first field hold; none for an absent one."""

    @property
    def partial_field(self) -> int:
        """The field of which a part can be given, see allows."""

    def num_steps(self, num_beats: float, num_notes: int) -> int:
        """Steps that hold any music of so many beats and at most so many notes."""

    def accepts(self, beats_per_bar: float) -> bool:
        """Whether bars of that length can be encoded."""

    def __hash__(self) -> int:
        """Codecs are static arguments of compiled functions."""

    def encode(self, window: Window, num_steps: int) -> Array:
        """Tokens [T, F] of the window's first `num_steps` steps."""

    def decode(self, tokens: Array, context: Context, points: Array | float = CENTRE) -> Notes:
        """Padded notes of the tokens, onsets from the window's start, as many for each step. Inverse of encode up to
        its quantization. points [T, F], in [0, 1), say where in its bin each value of expression is."""

    def locate(self, tokens: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """For each note [N] of the window that was encoded as tokens [T, F]: the index of the note of decode(tokens)
        that stands for it, -1 for none, the same where they share it; and the beat that this is written at, without
        what its tokens say of deviations. On the host."""

    def ticks(self, tokens: Array) -> Array:
        """How many ticks each step of tokens [..., F] lasts: [...] int32."""

    def to_ticks(self, context: Context, beats: Array | float) -> Array:
        """The tick nearest to so many beats from the window's start."""

    def place(self, context: Context, tick: Array) -> Place:
        """The places of steps that begin at tick [T]."""

    def present(self, field: int, tokens: Array) -> Array:
        """[..., count] bool: which variables of the field exist, given the fields before it in tokens [..., F]."""

    def allows(self, given: Array, keep: Array, tick: Array) -> Array:
        """[size] bool: the values of partial_field that agree with what is given of it.

        Scalars: the value given, what of it must stay, and when the step begins.
        """

    def loosen(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of tokens [T, F] those that say which notes there are and about when, the others FREE; and what must stay [T]
        of the partial_field, -1 for all of it."""


def field_slices(fields: tuple[Field, ...]) -> tuple[slice, ...]:
    """Where each field's variables lie in the last axis of the tokens."""
    ends = np.cumsum([field.count for field in fields])
    return tuple(slice(int(end) - field.count, int(end)) for end, field in zip(ends, fields, strict=True))


def per_variable(fields: tuple[Field, ...], values: Array) -> Array:
    """What is said of each field [fields], of each variable of a token [F]."""
    counts = np.asarray([field.count for field in fields])
    return jnp.repeat(jnp.asarray(values), counts, total_repeat_length=int(counts.sum()))


def clock(codec: Codec, tokens: Array, start: Array | int) -> Array:
    """When each step of tokens [B, T, F] begins, and when the last one ends: [B, T + 1] int32. The first begins at
    `start`, [B] or a scalar."""
    lasts = codec.ticks(tokens)
    start = jnp.broadcast_to(jnp.asarray(start, jnp.int32), lasts.shape[:1])
    return jnp.cumsum(jnp.concatenate([start[:, None], lasts], axis=1), axis=1)
