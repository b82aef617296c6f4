"""What is asked of a model in a musician's terms."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from drumjax.codecs.base import MAX_BEATS_PER_BAR, Codec
from drumjax.config.settings import TOLD_BY, SampleSettings
from drumjax.midi.sanitizer import is_time_signature
from drumjax.models.network import ModelSettings
from drumjax.music.notes import FILL_NO, METRES, Context, Song
from drumjax.sampling.edits import KEEP_ALL, Task
from drumjax.sampling.request import Controls, Request, RequestError, free_clamp

# Sequences are padded to a multiple of this many steps, so that asking for another bar seldom compiles anew.
BUCKET_STEPS = 64
# Notes per beat that can be asked for. No music has as many for long, so it bounds the steps where each is a note.
MAX_DENSITY = 24
MAX_LEAN_BEATS = 0.0625  # more would move notes to other 16ths
TEMPO_LIMITS = 20.0, 400.0  # bpm
# Where notes are counted: so many steps more, of the notes, as rests may take; and a tick that is never reached.
SPARE_RESTS, ENDLESS = 0.25, 2**30


@dataclasses.dataclass(frozen=True)
class Groove:
    """A groove to play.

    bars 1..1000, bpm 20..400, style one of the run's ("" leaves it unknown), time_signature such as "6/8".

    fill_every  every so many bars one is a fill; 0: none is asked for
    density     notes per beat, 0..MAX_DENSITY; 0 leaves it unknown
    dynamics    mean MIDI velocity, 0..127; 0 leaves it unknown
    lean        milliseconds by which what is played is late (laid back) on average, below 0 early, up to
                MAX_LEAN_BEATS; notes that would come before the beginning fall on it. None leaves it as it is played
    num_notes   how many notes are played, however many bars that takes; 0: as many as the bars hold
    """

    bars: int
    bpm: float
    style: str
    time_signature: str
    fill_every: int = 0
    density: float = 0.0
    dynamics: float = 0.0
    lean: float | None = None
    num_notes: int = 0

    def __post_init__(self):
        if not 1 <= self.bars <= 1000:
            raise RequestError(f"bars is {self.bars}; it must be in 1..1000")
        if not 0 <= self.num_notes <= 100_000:
            raise RequestError(f"num_notes is {self.num_notes}; it must be in 1..100000, or 0 to play all bars")
        low, high = TEMPO_LIMITS
        if not low <= self.bpm <= high:
            raise RequestError(f"bpm is {self.bpm:g}; it must be in {low:g}..{high:g}")
        if self.fill_every < 0:
            raise RequestError(f"fill is {self.fill_every}; it must be a number of bars, or 0 for no fills")
        if not 0 <= self.density <= MAX_DENSITY:
            limits = f"0..{MAX_DENSITY} notes per beat (0 leaves it open)"
            raise RequestError(f"density is {self.density:g}; it must be in {limits}")
        if not 0 <= self.dynamics <= 127:
            raise RequestError(f"dynamics is {self.dynamics:g}; it must be in 0..127 (0 leaves it open)")
        limit = MAX_LEAN_BEATS * 60_000 / self.bpm
        if self.lean is not None and not -limit <= self.lean <= limit:
            raise RequestError(f"lean is {self.lean:g}; at {self.bpm:g} bpm it must be in -{limit:.0f}..{limit:.0f} ms")
        self.metre()

    def metre(self) -> tuple[int, int]:
        """(numerator, denominator)."""
        numerator, _, denominator = self.time_signature.partition("/")
        try:
            metre = int(numerator), int(denominator)
        except ValueError:
            metre = (0, 0)
        if not is_time_signature(*metre) or 4 * metre[0] / metre[1] > MAX_BEATS_PER_BAR:
            raise RequestError(
                f"time signature is {self.time_signature!r}; give one such as 4/4 or 6/8, with bars of up to "
                f"{MAX_BEATS_PER_BAR} quarter notes"
            )
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
            metre=np.int32(METRES.index((numerator, denominator)) if (numerator, denominator) in METRES else 0),
            style=np.int32(list(styles).index(self.style)),
            fill=np.int32(FILL_NO),
            start_beat=np.float32(0),
            density=np.float32(self.density),
            dynamics=np.float32(self.dynamics),
        )


def make_request(
    groove: Groove,
    codec: Codec,
    styles: Sequence[str],
    controls: Controls,
    number: Sequence[int],
    task: Task | None = None,
) -> Request:
    """A request for number `number` [B] of the groove, free but for what the task gives."""
    if not codec.accepts(groove.beats / groove.bars):
        raise RequestError(f"bars of {groove.time_signature} do not fit the steps this model was trained on")
    context = groove.context(styles)
    end = int(codec.to_ticks(context, groove.beats))
    num_steps = codec.num_steps(groove.beats, math.ceil(MAX_DENSITY * groove.beats))
    if groove.num_notes:
        if codec.notes_per_step != 1:
            raise RequestError("num_notes is for models that play note by note; ask this one for bars")
        given = int((task.clamp[:, 0] >= 0).sum()) if task else 0
        num_steps, end = given + math.ceil(groove.num_notes * (1 + SPARE_RESTS)) + 8, ENDLESS
    num_steps = -(-num_steps // BUCKET_STEPS) * BUCKET_STEPS
    clamp, keep = free_clamp(len(number), num_steps, codec), np.full((len(number), num_steps), KEEP_ALL, np.int32)
    if task:
        clamp, keep = task.rows(number, num_steps, clamp.shape[2])
    return Request(
        number=np.asarray(number, np.int32),
        context=jax.tree.map(lambda value: np.full(len(number), value), context),
        clamp=clamp,
        keep=keep,
        end=np.full(len(number), end, np.int32),
        fill_every=np.int32(groove.fill_every),
        unheard=np.asarray([task is not None and field.name in task.unheard for field in codec.fields]),
        guidance=np.asarray([controls.guidance if field.is_guided else 1 for field in codec.fields], np.float32),
        temperature=np.asarray(controls.temperature, np.float32),
        spread=np.float32(controls.spread),
        top_k=np.int32(controls.top_k),
        top_p=np.float32(controls.top_p),
        no_repeat=np.int32(controls.no_repeat),
    )


def make_groove(defaults: SampleSettings, song: Song | None = None, **asked: Any) -> Groove:
    """The groove that was asked for; what is None is as the song says that it is played on, or the run's settings."""
    values = {"num_notes": 0, "lean": None, **dataclasses.asdict(defaults)}
    if song is not None:
        values |= {"bpm": song.tempo_bpm, "time_signature": "{}/{}".format(*song.time_signature)}
    values |= {name: value for name, value in asked.items() if value is not None}
    return Groove(**{field.name: values[field.name] for field in dataclasses.fields(Groove)})


def check_known(groove: Groove, model: ModelSettings, styles: Sequence[str], time_signatures: Sequence[str]) -> None:
    """Raises RequestError for a style or a metre that the model was not trained on, and for what it is never told. No
    time signatures: not known."""
    groove.context(styles)
    for name, part in TOLD_BY.items():
        if getattr(groove, name) and not getattr(model, part):
            raise RequestError(
                f"this model was trained without {part} (config.model.{part}=False): it cannot be asked for"
            )
    if time_signatures and groove.time_signature not in time_signatures:
        raise RequestError(
            f"the model was not trained on {groove.time_signature}; it knows: {', '.join(time_signatures)}"
        )
