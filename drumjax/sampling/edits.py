"""Edits: music that is given is continued, humanized, added to, varied, or rewritten in part.

Each is a clamp: tokens that stay and tokens that the sampler chooses.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from drumjax.codecs.base import ABSENT, FREE, Codec, field_slices
from drumjax.codecs.events import EventCodec
from drumjax.codecs.grid import GridCodec
from drumjax.data.drum_rates import USUAL_RATES, Rates
from drumjax.music.kits import Kit, find_drum
from drumjax.music.notes import EARLY_BEAT, NO_TIMELINE, Array, Context, Notes, Song, Timeline, Window
from drumjax.sampling.buckets import padded_length
from drumjax.sampling.given_music import Given
from drumjax.sampling.placement import Placement, place
from drumjax.system.errors import UserError

logger = logging.getLogger(__name__)

KEEP_ALL = -1
# Bars after an infill that rank its draws: as far as the lookback usually reaches.
RERANK_BARS = 4


class EditError(UserError):
    """An edit that cannot be done with the music given; the message says which, why, and what can."""


@dataclasses.dataclass(frozen=True, eq=False)
class Edit:
    """What is given of a groove of T steps.

    name      how it is called
    clamp     [T, F] int32, as in request.Request
    keep      [T] int32, as in request.Request: what stays of the codec's partial_field
    kept      what is written as it was, note for note, beside what is sampled; None: all notes are sampled
    placement of the given notes among the sampled ones, where these decide how they are played (`follows`) or whether
              they stay
    follows   whether given notes are played as the sampled ones are; else they stay as they were, or go
    wanted    the drums that are to take part, as (class, hits at least, hits a beat that are usual)
    new_pitch [128] int32, what is written for each pitch that is sampled; None: that pitch
    timeline  what the file of the music has beside notes, which is written back
    hidden    fields whose earlier values are hidden from the model
    hears     whether velocity and timing hear the hits to come
    amount    odds that a bit of the first variable is let go, each on its own, for every sample anew
    seed      another seed lets go of others
    draws     how many samples are drawn for each that is wanted, the likeliest of which is taken
    ranked_by the steps [first, last) whose likelihood decides, () where draws is 1
    skip_bars bars at the beginning that are not written
    """

    name: str
    clamp: np.ndarray
    keep: np.ndarray
    kept: Notes | None = None
    placement: Placement | None = None
    follows: bool = False
    wanted: tuple[tuple[int, int, float], ...] = ()
    new_pitch: np.ndarray | None = None
    timeline: Timeline = NO_TIMELINE
    hidden: tuple[str, ...] = ()
    hears: bool = False
    amount: float = 0.0
    seed: int = 0
    draws: int = 1
    ranked_by: tuple[int, int] | tuple[()] = ()
    skip_bars: int = 0

    def rows(self, number: Sequence[int], num_steps: int, variables: int) -> tuple[np.ndarray, np.ndarray]:
        """The clamp [B, num_steps, F] and the bits to keep [B, num_steps] of samples with these numbers."""
        batch, length = len(number), min(num_steps, len(self.clamp))
        clamp = np.full((batch, num_steps, variables), FREE, np.int32)
        keep = np.full((batch, num_steps), KEEP_ALL, np.int32)
        clamp[:, :length], keep[:, :length] = self.clamp[:length], self.keep[:length]
        if self.amount:
            for row, i in enumerate(number):
                keep[row, :length] &= _let_go(self.seed, i, length, self.amount)
        return clamp, keep


def need_kit(codec: Codec) -> Kit:
    """The drums of a codec. Raises EditError if it is not for drums."""
    if codec.kit is None:
        raise EditError("this is for drums, and this model plays a pitched instrument")
    return codec.kit


def _need_grid(codec: Codec) -> None:
    if not isinstance(codec, GridCodec):
        need_kit(codec)
        raise EditError(
            "a model that plays note by note can go on from music (--prompt) and play what is written (--humanize); "
            "to add drums, vary or rewrite bars takes one that was trained on a grid (config.codec.name=grid)"
        )


def _need_time(codec: Codec) -> None:
    if isinstance(codec, EventCodec) and not codec.timed:
        raise EditError("this model was trained with codec.timed=False: it cannot place notes of yours in time")


def continue_song(given: Given, codec: Codec, include: bool) -> Edit:
    """Goes on from the song's last whole bar; note by note, from its last note. A last bar that holds no more than its
    first step (a crash that ends a loop) is gone on with. Without `include` only what follows is written. Raises
    EditError for a codec without time."""
    _need_time(codec)
    song = given.song
    tokens = encode_given(given, codec)
    bars = count_whole_bars(song)
    if bars < song.num_bars and isinstance(codec, GridCodec):
        tokens = tokens[: codec.num_steps(bars * song.beats_per_bar, 0) + 1]
    keep = np.full(len(tokens), KEEP_ALL, np.int32)
    timeline = _settle(song, bars * song.beats_per_bar) if include else NO_TIMELINE
    return _edit("continue", given, tokens, keep, song.notes, timeline=timeline, skip_bars=0 if include else bars)


def count_whole_bars(song: Song) -> int:
    """The bars that are over when the song ends: all but a last one of which only the first 16th is played."""
    last = (song.num_bars - 1) * song.beats_per_bar
    is_begun = song.num_bars > 1 and float(song.notes.onset_beat.max()) < last + EARLY_BEAT
    return song.num_bars - is_begun


def humanize_song(given: Given, codec: Codec, hidden: tuple[str, ...] = ()) -> Edit:
    """Keeps every hit and chooses how hard and how early or late it is; earlier values of the fields `hidden` are
    hidden from the model. Raises EditError if the codec has no such."""
    if "velocity" not in {field.name for field in codec.fields}:
        raise EditError("this model knows no velocity and timing (it was trained with codec.expressive=False)")
    _need_time(codec)
    tokens = encode_given(given, codec)
    placement = _place(given, codec, tokens)
    return _edit("humanize", given, *codec.loosen(tokens), placement=placement, follows=True, hidden=hidden, hears=True)


def add_drums(given: Given, codec: Codec, kit: Kit, drums: Sequence[str], rates: Rates = USUAL_RATES) -> Edit:
    """Keeps the other drums note for note and plays these; what the song has of them is played anew, which is said.

    rates say when a drum takes part, see drum_rates.
    """
    _need_grid(codec)
    chosen = [find_drum(kit, name) for name in drums]
    tokens = encode_given(given, codec)
    for where in field_slices(codec.fields)[1:]:
        tokens[:, np.arange(where.start, where.stop)[chosen]] = FREE
    keep = np.full(len(tokens), KEEP_ALL & ~sum(1 << k for k in chosen), np.int32)
    others = ~(given.is_known & np.isin(kit.class_table()[given.pitch], chosen))
    if not others.all():
        names = ", ".join(kit.names[k] for k in chosen)
        logger.warning("%s has %d hits of %s, which are played anew", given.song.name, (~others).sum(), names)
    kept = Notes(*(column[others] for column in given.song.notes))
    wanted = []
    for k in sorted(set(chosen)):
        low, usual = rates.get(kit.names[k]) or USUAL_RATES.get(kit.names[k], (1.0, 1.0))
        wanted.append((k, max(1, int(low * given.song.num_bars)), usual / given.song.beats_per_bar))
    return _edit("add", given, tokens, keep, kept, wanted=tuple(wanted))


def vary_song(given: Given, codec: Codec, amount: float, seed: int = 0) -> Edit:
    """Lets go of every drum at every step with the odds `amount`, 0..1, and chooses those anew; the others stay as they
    were."""
    if not 0 < amount <= 1:
        raise EditError(f"amount is {amount:g}; it must be above 0 and at most 1")
    _need_grid(codec)
    tokens = encode_given(given, codec)
    placement = _place(given, codec, tokens)
    for where in field_slices(codec.fields)[1:]:  # a drum that comes new where there was none has no velocity yet
        tokens[:, where] = np.where(tokens[:, where] == ABSENT, FREE, tokens[:, where])
    keep = np.full(len(tokens), KEEP_ALL, np.int32)
    return _edit("vary", given, tokens, keep, placement=placement, amount=amount, seed=seed)


def infill_song(given: Given, codec: Codec, first_bar: int, last_bar: int, draws: int) -> Edit:
    """Rewrites bars first_bar..last_bar of the file, counted from 1, both included.

    Of several draws the one is taken that makes the RERANK_BARS bars after them likeliest; at the end of the song there
    is nothing to rank by, and one draw will do.
    """
    song, lead = given.song, given.lead_bars
    if not 1 <= first_bar - lead <= last_bar - lead <= song.num_bars:
        where = f"a song of {song.num_bars} bars" + (f" that begins in bar {lead + 1}" if lead else "")
        raise EditError(f"bars {first_bar}-{last_bar} are not in {where}")
    _need_grid(codec)
    tokens = encode_given(given, codec)
    start, end = ((bar - lead) * song.beats_per_bar for bar in (first_bar - 1, last_bar))
    first, last = codec.num_steps(start, 0), codec.num_steps(end, 0)
    tokens[first:last] = FREE
    early = 0.5 / (len(tokens) / (song.num_bars * song.beats_per_bar))  # half a step
    onset = song.notes.onset_beat + early
    stays = (onset < start) | (onset >= end) | ~given.is_known
    after = (last, min(len(tokens), last + codec.num_steps(RERANK_BARS * song.beats_per_bar, 0)))
    keep = np.full(len(tokens), KEEP_ALL, np.int32)
    kept = Notes(*(column[stays] for column in song.notes))
    if after[0] == after[1]:
        return _edit("infill", given, tokens, keep, kept)
    return _edit("infill", given, tokens, keep, kept, draws=draws, ranked_by=after)


def _edit(name: str, given: Given, clamp: np.ndarray, keep: np.ndarray, kept: Notes | None = None, **more: Any) -> Edit:
    """An edit of the music that is given, in its timeline and pitches."""
    return Edit(name, clamp, keep, kept, **{"timeline": given.song.timeline, "new_pitch": given.new_pitch, **more})


def _settle(song: Song, end_beat: float) -> Timeline:
    """The song's timeline, from a beat on in its own tempo and metre."""
    tempos, metres = song.timeline.tempos, song.timeline.metres
    if tempos and tempos[-1][1] != song.tempo_bpm:
        tempos = (*(event for event in tempos if event[0] < end_beat), (end_beat, song.tempo_bpm))
    if metres and metres[-1][1] != song.time_signature:
        metres = (*(event for event in metres if event[0] < end_beat), (end_beat, song.time_signature))
    return song.timeline._replace(tempos=tempos, metres=metres)


def encode_given(given: Given, codec: Codec) -> np.ndarray:
    """Tokens [T, F] of what the model knows of the music, from its first bar to the end of its last."""
    window = _window(given)
    num_notes = len(given.known.pitch)
    padding = [(0, padded_length(num_notes) - num_notes)]  # of notes that are masked
    padded = window._replace(notes=Notes(*(np.pad(column, padding) for column in window.notes)))
    num_steps = codec.num_steps(float(window.num_beats), num_notes)
    return np.array(_make_encoder(codec, padded_length(num_steps))(padded))[:num_steps]


def _window(given: Given) -> Window:
    song = given.song
    return Window(given.known, _context_of(song), np.asarray(song.num_bars * song.beats_per_bar, np.float32))


def _place(given: Given, codec: Codec, tokens: np.ndarray) -> Placement:
    """Where all notes of the music are found again."""
    cell, anchor = np.full(len(given.pitch), -1, np.int64), np.zeros(len(given.pitch))
    cell[given.is_known], anchor[given.is_known] = codec.locate(tokens, _window(given))
    return place(given.song.notes, cell, anchor)


@functools.lru_cache(maxsize=16)
def _make_encoder(codec: Codec, num_steps: int) -> Callable[[Window], Array]:
    return jax.jit(functools.partial(codec.encode, num_steps=num_steps))


def _context_of(song: Song) -> Context:
    return Context()._replace(
        tempo_bpm=np.asarray(song.tempo_bpm, np.float32),
        beats_per_bar=np.asarray(song.beats_per_bar, np.float32),
        metre=np.asarray(song.metre, np.int32),
        fill=np.asarray(song.fill, np.int32),
    )


def _let_go(seed: int, number: int, num_steps: int, amount: float) -> np.ndarray:
    """Bits to keep [T] of sample `number`, each let go with the odds `amount`."""
    bits = np.random.default_rng(number + (seed << 32)).random((num_steps, 31)) >= amount
    return (bits << np.arange(31)).sum(axis=1).astype(np.int32) | np.asarray(-(2**31), np.int32)
