"""Which codec a run uses, from its settings and its songs."""

import dataclasses
from collections.abc import Sequence

from drumjax.codecs.base import Codec
from drumjax.codecs.events import EventCodec
from drumjax.codecs.grid import GridCodec
from drumjax.codecs.vocabulary import Vocabulary, full_vocabulary, trim_vocabulary
from drumjax.music.kits import Kit, get_kit
from drumjax.music.notes import USUAL_TEMPO_BPM, Song

CODECS = ("grid", "events")


@dataclasses.dataclass(frozen=True)
class CodecSettings:
    """The codec, by name, and its numbers; see configs/default.py for what each is. Raises ValueError."""

    name: str
    kit: str
    steps_per_beat: int
    expressive: bool
    velocity_bins: int
    offset_bins: int
    lookback_bars: int
    lookback_beats: tuple[float, ...]
    timed: bool
    tick_ms: float
    max_shift_beats: float
    max_duration_beats: float

    def __post_init__(self):
        _require(self.name in CODECS, "name", self.name, f"one of {', '.join(CODECS)}")
        _require(1 <= self.steps_per_beat <= 480, "steps_per_beat", self.steps_per_beat, "1..480")
        _require(self.name == "events" or self.steps_per_beat <= 48, "steps_per_beat", self.steps_per_beat, "1..48")
        for name in ("velocity_bins", "offset_bins"):
            _require(2 <= getattr(self, name) <= 128, name, getattr(self, name), "2..128")
        _require(0 <= self.lookback_bars <= 16, "lookback_bars", self.lookback_bars, "0..16")
        near = all(0 < beats <= 8 for beats in self.lookback_beats)
        _require(near, "lookback_beats", self.lookback_beats, "a tuple of beats above 0 and up to 8")
        _require(self.tick_ms == 0 or 1 <= self.tick_ms <= 100, "tick_ms", self.tick_ms, "in 1..100, or 0")
        _require(0 < self.max_shift_beats <= 64, "max_shift_beats", self.max_shift_beats, "above 0 and up to 64")
        _require(0 <= self.max_duration_beats <= 64, "max_duration_beats", self.max_duration_beats, "in 0..64")
        untold = self.timed or (self.max_duration_beats == 0 and self.tick_ms == 0)
        _require(untold, "timed", self.timed, "True where durations or milliseconds are told")
        _require(self.name == "events" or self.kit != "", "kit", self.kit, "a drum kit, as codec.name is 'grid'")
        try:
            self.make_kit()
        except ValueError as error:
            raise ValueError(f"config.codec.kit: {error}") from error

    def make_kit(self) -> Kit | None:
        """The drums, None for a pitched instrument."""
        return get_kit(self.kit) if self.kit else None


def _require(condition: bool, name: str, value: object, must: str) -> None:
    if not condition:
        raise ValueError(f"config.codec.{name} is {value!r}; it must be {must}")


def make_codec(settings: CodecSettings, vocabulary: Vocabulary | None = None) -> Codec:
    """The codec that the settings name; events with all the vocabulary there is, unless it is given."""
    kit = settings.make_kit()
    if settings.name == "events":
        return EventCodec(
            kit=kit,
            vocabulary=vocabulary or _full(settings),
            ticks_per_beat=settings.steps_per_beat,
            tick_ms=settings.tick_ms,
            velocity_bins=settings.velocity_bins if settings.expressive else 0,
            timed=settings.timed,
            lookback_bars=settings.lookback_bars,
            lookback_beats=settings.lookback_beats,
        )
    assert kit is not None
    return GridCodec(
        kit=kit,
        steps_per_beat=settings.steps_per_beat,
        expressive=settings.expressive,
        velocity_bins=settings.velocity_bins,
        offset_bins=settings.offset_bins,
        lookback_bars=settings.lookback_bars,
        lookback_beats=settings.lookback_beats,
    )


def find_vocabulary(settings: CodecSettings, songs: Sequence[Song], transpose: int = 0) -> Vocabulary | None:
    """What the training songs use, moved by up to `transpose` semitones; None for a codec without a vocabulary."""
    if settings.name != "events":
        return None
    per_beat = [
        60_000 / (song.tempo_bpm * settings.tick_ms) if settings.tick_ms else settings.steps_per_beat for song in songs
    ]
    return trim_vocabulary(_full(settings), songs, per_beat, 0 if settings.kit else transpose)


def _full(settings: CodecSettings) -> Vocabulary:
    per_beat = 60_000 / (USUAL_TEMPO_BPM * settings.tick_ms) if settings.tick_ms else settings.steps_per_beat
    return full_vocabulary(per_beat, settings.max_shift_beats, settings.max_duration_beats)
