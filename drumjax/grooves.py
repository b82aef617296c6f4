"""What is asked of a model in a musician's terms, and what it answers: requests in, songs out."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.codecs import ABSENT, Codec, Field
from drumjax.codecs.grid import MAX_BEATS_PER_BAR
from drumjax.notes import FILL_NO, METRES, Array, Context, Notes, Song, make_notes
from drumjax.sample import Controls, Request, free_clamp
from drumjax.settings import SampleSettings

# Sequences are padded to a multiple of this many steps, so that asking for another bar seldom compiles anew.
BUCKET_STEPS = 64


class RequestError(ValueError):
    """Something that cannot be played; the message says what was asked and what can be."""


@dataclasses.dataclass(frozen=True)
class Groove:
    """A groove to play.

    bars 1..1000, bpm 20..400, style one of the run's ("" leaves it unknown), time_signature such as "6/8".
    """

    bars: int
    bpm: float
    style: str
    time_signature: str

    def __post_init__(self):
        if not 1 <= self.bars <= 1000:
            raise RequestError(f"bars is {self.bars}; it must be in 1..1000")
        if not 20 <= self.bpm <= 400:
            raise RequestError(f"bpm is {self.bpm:g}; it must be in 20..400")
        self.metre()

    def metre(self) -> tuple[int, int]:
        """(numerator, denominator)."""
        numerator, _, denominator = self.time_signature.partition("/")
        try:
            metre = int(numerator), int(denominator)
        except ValueError:
            metre = (0, 0)
        if metre not in METRES[1:] or 4 * metre[0] / metre[1] > MAX_BEATS_PER_BAR:
            known = ", ".join(f"{n}/{d}" for n, d in METRES[1:])
            raise RequestError(f"time signature is {self.time_signature!r}; there are: {known}")
        return metre

    @property
    def beats(self) -> float:
        numerator, denominator = self.metre()
        return self.bars * 4 * numerator / denominator

    def context(self, styles: Sequence[str]) -> Context:
        """The context of a steady groove from bar 0; scalars. Raises RequestError for a style the run does not know."""
        if self.style not in styles:
            known = ", ".join(style for style in styles if style) or "none"
            raise RequestError(f"the model does not know the style {self.style!r}; it knows: {known}")
        numerator, denominator = self.metre()
        return Context(
            tempo_bpm=np.float32(self.bpm),
            beats_per_bar=np.float32(4 * numerator / denominator),
            metre=np.int32(METRES.index((numerator, denominator))),
            style=np.int32(list(styles).index(self.style)),
            fill=np.int32(FILL_NO),
            start_beat=np.float32(0),
        )


def make_request(
    groove: Groove, codec: Codec, styles: Sequence[str], controls: Controls, number: Sequence[int]
) -> Request:
    """A free request for number `number` [B] of the groove."""
    if not codec.accepts(groove.beats / groove.bars):
        raise RequestError(f"bars of {groove.time_signature} do not fit the steps this model was trained on")
    num_steps = -(-codec.num_steps(groove.beats) // BUCKET_STEPS) * BUCKET_STEPS
    context = groove.context(styles)
    return Request(
        number=np.asarray(number, np.int32),
        context=jax.tree.map(lambda value: np.full(len(number), value), context),
        clamp=free_clamp(len(number), num_steps, codec),
        temperature=np.asarray(controls.temperature, np.float32),
        top_k=np.int32(controls.top_k),
        top_p=np.float32(controls.top_p),
    )


def decode_tokens(groove: Groove, codec: Codec, styles: Sequence[str], tokens: Array) -> Notes:
    """The padded notes [B, N] that tokens [B, T, F] spell, cut to the groove's length.

    On the device, and without waiting for it: tokens may still be on their way there.
    """
    return _make_decoder(codec)(tokens, groove.context(styles), np.int32(codec.num_steps(groove.beats)))


@functools.lru_cache(maxsize=8)
def _make_decoder(codec: Codec) -> Callable[[Array, Context, Array], Notes]:
    """Compiled once per shape [B, T, F]: another length in the same bucket does not compile again."""

    @jax.jit
    def decode(tokens: Array, context: Context, num_steps: Array) -> Notes:
        inside = jnp.arange(tokens.shape[1])[None, :, None] < num_steps
        return jax.vmap(codec.decode, (0, None))(jnp.where(inside, tokens, ABSENT), context)

    return decode


def collect_songs(groove: Groove, notes: Notes) -> list[Song]:
    """The songs [B] of the groove that decoded notes [B, N] are; hits before beat 0 fall on it."""
    songs = []
    for onset, duration, pitch, velocity, mask in zip(*jax.device_get(notes), strict=True):
        song = make_notes(np.maximum(onset[mask], 0), duration[mask], pitch[mask], velocity[mask])
        songs.append(Song(song, groove.bpm, groove.metre(), style=groove.style, fill=FILL_NO, is_drums=True))
    return songs


def make_songs(groove: Groove, codec: Codec, styles: Sequence[str], tokens: Array) -> list[Song]:
    """The songs [B] that tokens [B, T, F] spell."""
    return collect_songs(groove, decode_tokens(groove, codec, styles, tokens))


def make_groove(defaults: SampleSettings, **asked: Any) -> Groove:
    """The groove that was asked for; what is None is as the run's settings say."""
    names = [field.name for field in dataclasses.fields(Groove)]
    return Groove(**{name: getattr(defaults, name) if asked.get(name) is None else asked[name] for name in names})


def make_controls(
    defaults: SampleSettings,
    fields: Sequence[Field],
    *,
    temperature: str | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Controls:
    """Controls from flags; None is as the run's settings say. temperature is a number, or `hits=0.9,velocity=1`.

    Raises RequestError.
    """
    temperatures = {field.name: defaults.temperature for field in fields}
    for part in (temperature or "").split(",") if temperature else ():
        name, _, number = part.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise RequestError(f"temperature is {temperature!r}; give 0.9, or hits=0.9,velocity=1") from None
        if name and name not in temperatures:
            raise RequestError(f"temperature of {name!r}: the fields are {', '.join(temperatures)}")
        temperatures |= {name: value} if name else dict.fromkeys(temperatures, value)
    try:
        return Controls(
            tuple(temperatures.values()),
            defaults.top_k if top_k is None else top_k,
            defaults.top_p if top_p is None else top_p,
        )
    except ValueError as error:
        raise RequestError(str(error)) from None
