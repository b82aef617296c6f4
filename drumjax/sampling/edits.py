"""Edits: music that is given is continued, humanized, added to, varied, or rewritten in part.

Each is a clamp: tokens that stay and tokens that the sampler chooses.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np

from drumjax.codecs.base import ABSENT, FREE, Codec, field_slices
from drumjax.codecs.events import EventCodec
from drumjax.codecs.grid import GridCodec
from drumjax.music.kits import Kit, find_drum
from drumjax.music.notes import Array, Context, Notes, Song, Window
from drumjax.system.errors import UserError

KEEP_ALL = -1
# Bars after an infill that rank its draws: as far as the lookback usually reaches.
RERANK_BARS = 4
# Notes of a song are padded to a multiple of this many: what encodes one is then compiled for most.
BUCKET_NOTES = 64


class EditError(UserError):
    """An edit that cannot be done with the music given; the message says which, why, and what can."""


@dataclasses.dataclass(frozen=True, eq=False)
class Edit:
    """What is given of a groove of T steps.

    name      how it is called
    clamp     [T, F] int32, as in request.Request
    keep      [T] int32, as in request.Request: what stays of the codec's partial_field
    kept      what is written as it was, note for note, beside what is sampled; None: all notes are sampled
    pitches   [T, 128] int32 or None: what is written for a pitch at a step, so that a side stick stays one
    hidden    fields whose earlier values are hidden from the model
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
    pitches: np.ndarray | None = None
    hidden: tuple[str, ...] = ()
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


def continue_song(song: Song, codec: Codec, include: bool) -> Edit:
    """Goes on from the song's last whole bar; note by note, from its last note. Without `include` only what follows the
    bar is written. Raises EditError for a codec without time."""
    _need_time(codec)
    tokens = encode_song(song, codec)
    keep = np.full(len(tokens), KEEP_ALL, np.int32)
    return Edit("continue", tokens, keep, song.notes, skip_bars=0 if include else song.num_bars)


def humanize_song(song: Song, codec: Codec, hidden: tuple[str, ...] = ()) -> Edit:
    """Keeps every hit and chooses how hard and how early or late it is; earlier values of the fields `hidden` are
    hidden from the model. Raises EditError if the codec has no such."""
    if "velocity" not in {field.name for field in codec.fields}:
        raise EditError("this model knows no velocity and timing (it was trained with codec.expressive=False)")
    _need_time(codec)
    tokens = encode_song(song, codec)
    pitches = _articulations(song, codec, codec.kit, tokens) if codec.kit else None
    return Edit("humanize", *codec.loosen(tokens), pitches=pitches, hidden=hidden)


def add_drums(song: Song, codec: Codec, kit: Kit, drums: Sequence[str]) -> Edit:
    """Keeps the other drums note for note and plays these, whatever the song has of them."""
    _need_grid(codec)
    chosen = [find_drum(kit, name) for name in drums]
    tokens = encode_song(song, codec)
    for where in field_slices(codec.fields)[1:]:
        tokens[:, np.arange(where.start, where.stop)[chosen]] = FREE
    keep = np.full(len(tokens), KEEP_ALL & ~sum(1 << k for k in chosen), np.int32)
    others = ~np.isin(kit.class_table()[song.notes.pitch], chosen)
    return Edit("add", tokens, keep, Notes(*(column[others] for column in song.notes)))


def vary_song(song: Song, codec: Codec, kit: Kit, amount: float, seed: int = 0) -> Edit:
    """Lets go of every drum at every step with the odds `amount`, 0..1, and chooses those anew."""
    if not 0 < amount <= 1:
        raise EditError(f"amount is {amount:g}; it must be above 0 and at most 1")
    _need_grid(codec)
    tokens = encode_song(song, codec)
    pitches = _articulations(song, codec, kit, tokens)
    for where in field_slices(codec.fields)[1:]:  # a drum that comes new where there was none has no velocity yet
        tokens[:, where] = np.where(tokens[:, where] == ABSENT, FREE, tokens[:, where])
    keep = np.full(len(tokens), KEEP_ALL, np.int32)
    return Edit("vary", tokens, keep, pitches=pitches, amount=amount, seed=seed)


def infill_song(song: Song, codec: Codec, first_bar: int, last_bar: int, draws: int) -> Edit:
    """Rewrites bars first_bar..last_bar, counted from 1, both included.

    Of several draws the one is taken that makes the RERANK_BARS bars after them likeliest; at the end of the song there
    is nothing to rank by, and one draw will do.
    """
    if not 1 <= first_bar <= last_bar <= song.num_bars:
        raise EditError(f"bars {first_bar}-{last_bar} are not in a song of {song.num_bars} bars")
    _need_grid(codec)
    tokens = encode_song(song, codec)
    start, end = ((bar * song.beats_per_bar) for bar in (first_bar - 1, last_bar))
    first, last = codec.num_steps(start, 0), codec.num_steps(end, 0)
    tokens[first:last] = FREE
    early = 0.5 / (len(tokens) / (song.num_bars * song.beats_per_bar))  # half a step
    onset = song.notes.onset_beat + early
    outside = (onset < start) | (onset >= end)
    after = (last, min(len(tokens), last + codec.num_steps(RERANK_BARS * song.beats_per_bar, 0)))
    keep = np.full(len(tokens), KEEP_ALL, np.int32)
    kept = Notes(*(column[outside] for column in song.notes))
    if after[0] == after[1]:
        return Edit("infill", tokens, keep, kept)
    return Edit("infill", tokens, keep, kept, draws=draws, ranked_by=after)


def encode_song(song: Song, codec: Codec) -> np.ndarray:
    """Tokens [T, F] of the whole song, from its first bar to the end of its last."""
    num_beats = song.num_bars * song.beats_per_bar
    num_notes = len(song.notes.pitch)
    padding = [(0, -num_notes % BUCKET_NOTES)]  # of notes that are masked
    notes = Notes(*(np.pad(column, padding) for column in song.notes))
    window = Window(notes, _context_of(song), np.asarray(num_beats, np.float32))
    return np.array(_make_encoder(codec, codec.num_steps(num_beats, num_notes))(window))


@functools.lru_cache(maxsize=16)
def _make_encoder(codec: Codec, num_steps: int) -> Callable[[Window], Array]:
    return jax.jit(functools.partial(codec.encode, num_steps=num_steps))


@functools.lru_cache(maxsize=8)
def _make_decoder(codec: Codec) -> Callable[[Array, Context], Notes]:
    return jax.jit(codec.decode)


def _context_of(song: Song) -> Context:
    return Context()._replace(
        tempo_bpm=np.asarray(song.tempo_bpm, np.float32),
        beats_per_bar=np.asarray(song.beats_per_bar, np.float32),
        metre=np.asarray(song.metre, np.int32),
        fill=np.asarray(song.fill, np.int32),
    )


def _articulations(song: Song, codec: Codec, kit: Kit, tokens: np.ndarray) -> np.ndarray:
    """[T, 128]: for each step of tokens [T, F] and each pitch that the kit writes, the pitch that the song has."""
    table = np.tile(np.arange(128, dtype=np.int32), (len(tokens), 1))
    notes = jax.tree.map(np.asarray, _make_decoder(codec)(tokens, _context_of(song)))
    drum = kit.class_table()[song.notes.pitch]
    for i in np.flatnonzero(notes.mask):
        same = np.flatnonzero(drum == kit.class_table()[notes.pitch[i]])
        far = np.abs(song.notes.onset_beat[same] - notes.onset_beat[i])
        loud = song.notes.velocity[same]
        table[i // codec.notes_per_step, notes.pitch[i]] = song.notes.pitch[same[np.lexsort((-loud, far.round(2)))[0]]]
    return table


def _let_go(seed: int, number: int, num_steps: int, amount: float) -> np.ndarray:
    """Bits to keep [T] of sample `number`, each let go with the odds `amount`."""
    bits = np.random.default_rng(number + (seed << 32)).random((num_steps, 31)) >= amount
    return (bits << np.arange(31)).sum(axis=1).astype(np.int32) | np.asarray(-(2**31), np.int32)
