"""What is asked of the sampler, array by array, and how its choices are controlled."""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from drumjax.codecs.base import ABSENT, FREE, Codec
from drumjax.music.notes import Array, Context


class RequestError(ValueError):
    """Something that cannot be played; the message says what was asked and what can be."""


class Request(NamedTuple):
    """What to sample. Every leaf is traced: none of them recompiles.

    number       [B] int32, the number of each sample, folded into the key
    context      Context [B]
    clamp        [B, T, F] int32, tokens given; the sampler chooses where they are FREE, and where they are ABSENT but
                 the fields before make the variable exist
    keep         [B, T] int32, what must stay of the codec's partial_field where it is given; the rest is chosen. -1 is
                 all of it, 0 nothing
    end          [B] int32, the tick at which each sample ends
    fill_every   int32, every so many bars one is a fill, whatever the context says; 0 for none
    unheard      [fields] bool, whether earlier values of a field, chosen or given, are not heard
    guidance     [fields] float32, >= 0: how far to go from what the model plays if it is told nothing (0) to what it
                 plays as asked (1) and beyond, where what was asked for is exaggerated; 1 if the sampler is not guided
    temperature  [fields] float32, >= 0; 0 takes the most likely value
    spread       float32, 0..1: how far expression strays from its median, 1 as the odds are, 0 not at all
    top_k        int32, keep only the k most likely values; 0 keeps all
    top_p        float32, in (0, 1]: keep the most likely values that together reach this probability
    no_repeat    int32, no run of so many values of the first field occurs twice in a sample; 0 allows all
    """

    number: Array
    context: Context
    clamp: Array
    keep: Array
    end: Array
    fill_every: Array
    unheard: Array
    guidance: Array
    temperature: Array
    spread: Array
    top_k: Array
    top_p: Array
    no_repeat: Array


class Samples(NamedTuple):
    """tokens [B, T, F] int32, ABSENT from the end on; nll [B, fields], nats under the model, at temperature 1, of the
    tokens it chose."""

    tokens: Array
    nll: Array


@dataclasses.dataclass(frozen=True)
class Controls:
    """How to choose values, validated on the host; see Request."""

    temperature: tuple[float, ...]
    top_k: int = 0
    top_p: float = 1.0
    guidance: float = 1.0
    no_repeat: int = 0
    spread: float = 1.0

    def __post_init__(self):
        for value in self.temperature:
            if not 0 <= value <= 10:
                raise ValueError(f"temperature is {value}; it must be in 0..10")
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}; it must be at least 0 (0 keeps all)")
        if not (self.no_repeat == 0 or 2 <= self.no_repeat <= 1000):
            raise ValueError(f"no_repeat is {self.no_repeat}; it must be in 2..1000, or 0")
        if not 0 <= self.guidance <= 10:
            raise ValueError(f"guidance is {self.guidance}; it must be in 0..10")
        if not 0 <= self.spread <= 1:
            raise ValueError(f"spread is {self.spread}; it must be in 0..1")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; it must be above 0 and at most 1")


def free_clamp(batch: int, num_steps: int, codec: Codec) -> Array:
    """The clamp that gives nothing: [B, T, F]."""
    return np.full((batch, num_steps, sum(field.count for field in codec.fields)), FREE, np.int32)


def chosen_tokens(codec: Codec, tokens: Array, request: Request) -> Array:
    """The tokens [B, T, F] without what was given: ABSENT where a first variable was given whole, its bits to keep
    taken out where they were given."""
    first, given = tokens[..., 0], request.clamp[..., 0] >= 0
    is_whole = (request.keep == -1) if codec.partial_field == 0 else jnp.ones_like(given)
    return tokens.at[..., 0].set(jnp.where(given, jnp.where(is_whole, ABSENT, first & ~request.keep), first))
