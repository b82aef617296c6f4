"""Which codec a run uses, from its settings and its songs."""

from collections.abc import Sequence

from drumjax.codecs.base import Codec
from drumjax.codecs.events import EventCodec
from drumjax.codecs.grid import GridCodec
from drumjax.codecs.vocabulary import Vocabulary, full_vocabulary, trim_vocabulary
from drumjax.config.codec import CodecSettings
from drumjax.music.notes import USUAL_TEMPO_BPM, Song


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
