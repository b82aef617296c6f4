"""What to do with music that is given: continue it, humanize it, add drums to it, vary it, or rewrite bars of it.

Each is a clamp: tokens that stay and tokens that the sampler chooses.
"""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np

from drumjax.codecs.base import ABSENT, FREE, Codec, field_slices
from drumjax.codecs.events import EventCodec
from drumjax.codecs.grid import GridCodec
from drumjax.music.kits import Kit
from drumjax.music.notes import Context, Notes, Song, Window

KEEP_ALL = -1


class TaskError(ValueError):
    """A task that cannot be done with the music given; the message says which, why, and what can."""


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """What is given of a groove of T steps.

    name      how it is called
    clamp     [T, F] int32, as in request.Request
    keep      [T] int32, as in request.Request: what stays of the codec's partial_field
    kept      what is heard as it was, note for note, beside what the sampler chooses; None: all notes are the sampler's
    pitches   [T, 128] int32 or None: what is written for a pitch at a step, so that a side stick stays one
    unheard   fields of which the model does not hear earlier values
    amount    odds that a bit of the first variable is let go, each on its own, for every sample anew
    draws     how many samples are drawn for each that is wanted, the likeliest of which is taken
    judged    the steps [first, last) whose likelihood decides, () where draws is 1
    skip_bars bars at the beginning that are not written
    """

    name: str
    clamp: np.ndarray
    keep: np.ndarray
    kept: Notes | None = None
    pitches: np.ndarray | None = None
    unheard: tuple[str, ...] = ()
    amount: float = 0.0
    draws: int = 1
    judged: tuple[int, int] | tuple[()] = ()
    skip_bars: int = 0

    def rows(self, number: Sequence[int], num_steps: int, variables: int) -> tuple[np.ndarray, np.ndarray]:
        """The clamp [B, num_steps, F] and the bits to keep [B, num_steps] of samples with these numbers."""
        batch, length = len(number), min(num_steps, len(self.clamp))
        clamp = np.full((batch, num_steps, variables), FREE, np.int32)
        keep = np.full((batch, num_steps), KEEP_ALL, np.int32)
        clamp[:, :length], keep[:, :length] = self.clamp[:length], self.keep[:length]
        if self.amount:
            for row, i in enumerate(number):
                keep[row, :length] &= _let_go(i, length, self.amount)
        return clamp, keep


def need_kit(codec: Codec) -> Kit:
    """The drums of a codec. Raises TaskError if it is not for drums."""
    if codec.kit is None:
        raise TaskError("this is for drums, and this model plays a pitched instrument")
    return codec.kit


def _need_grid(codec: Codec) -> None:
    if not isinstance(codec, GridCodec):
        need_kit(codec)
        raise TaskError(
            "a model that plays note by note can go on from music (--prompt) and play what is written (--humanize); "
            "to add drums, vary or rewrite bars takes one that was trained on a grid (config.codec.name=grid)"
        )


def _need_time(codec: Codec) -> None:
    if isinstance(codec, EventCodec) and not codec.timed:
        raise TaskError("this model was trained with codec.timed=False: it cannot place notes of yours in time")


def continue_song(song: Song, codec: Codec, include: bool) -> Task:
    """Goes on from the song's last whole bar; note by note, from its last note. Without `include` only what follows the
    bar is written. Raises TaskError for a codec that tells no time."""
    _need_time(codec)
    tokens = encode_song(song, codec)
    keep = np.full(len(tokens), KEEP_ALL, np.int32)
    return Task("continue", tokens, keep, song.notes, skip_bars=0 if include else song.num_bars)


def humanize_song(song: Song, codec: Codec, unheard: tuple[str, ...] = ()) -> Task:
    """Keeps every hit and chooses how hard and how early or late it is, without hearing earlier values of the fields
    `unheard`. Raises TaskError if the codec has no such."""
    if "velocity" not in {field.name for field in codec.fields}:
        raise TaskError("this model knows no velocity and timing (it was trained with codec.expressive=False)")
    _need_time(codec)
    tokens = encode_song(song, codec)
    pitches = _articulations(song, codec, codec.kit, tokens) if codec.kit else None
    return Task("humanize", *codec.loosen(tokens), pitches=pitches, unheard=unheard)


def add_drums(song: Song, codec: Codec, kit: Kit, drums: Sequence[str]) -> Task:
    """Keeps the other drums note for note and plays these, whatever the song has of them."""
    _need_grid(codec)
    chosen = [find_drum(kit, name) for name in drums]
    tokens = encode_song(song, codec)
    for where in field_slices(codec.fields)[1:]:
        tokens[:, np.arange(where.start, where.stop)[chosen]] = FREE
    keep = np.full(len(tokens), KEEP_ALL & ~sum(1 << k for k in chosen), np.int32)
    others = ~np.isin(kit.class_table()[song.notes.pitch], chosen)
    return Task("add", tokens, keep, Notes(*(column[others] for column in song.notes)))


def vary_song(song: Song, codec: Codec, kit: Kit, amount: float) -> Task:
    """Lets go of every drum at every step with the odds `amount`, 0..1, and chooses those anew."""
    if not 0 < amount <= 1:
        raise TaskError(f"amount is {amount:g}; it must be above 0 and at most 1")
    _need_grid(codec)
    tokens = encode_song(song, codec)
    pitches = _articulations(song, codec, kit, tokens)
    for where in field_slices(codec.fields)[1:]:  # a drum that comes new where there was none has no velocity yet
        tokens[:, where] = np.where(tokens[:, where] == ABSENT, FREE, tokens[:, where])
    keep = np.full(len(tokens), KEEP_ALL, np.int32)
    return Task("vary", tokens, keep, pitches=pitches, amount=amount)


def infill_song(song: Song, codec: Codec, first_bar: int, last_bar: int, draws: int, context_bars: int) -> Task:
    """Rewrites bars first_bar..last_bar, counted from 1, both included.

    Of several draws the one is taken that makes the `context_bars` bars after them likeliest; at the end of the song
    there is nothing to judge by, and one draw will do.
    """
    if not 1 <= first_bar <= last_bar <= song.num_bars:
        raise TaskError(f"bars {first_bar}-{last_bar} are not in a song of {song.num_bars} bars")
    _need_grid(codec)
    tokens = encode_song(song, codec)
    start, end = ((bar * song.beats_per_bar) for bar in (first_bar - 1, last_bar))
    first, last = codec.num_steps(start, 0), codec.num_steps(end, 0)
    tokens[first:last] = FREE
    early = 0.5 / (len(tokens) / (song.num_bars * song.beats_per_bar))  # half a step
    onset = song.notes.onset_beat + early
    outside = (onset < start) | (onset >= end)
    judged = (last, min(len(tokens), last + codec.num_steps(context_bars * song.beats_per_bar, 0)))
    keep = np.full(len(tokens), KEEP_ALL, np.int32)
    kept = Notes(*(column[outside] for column in song.notes))
    if judged[0] == judged[1]:
        return Task("infill", tokens, keep, kept)
    return Task("infill", tokens, keep, kept, draws=draws, judged=judged)


def find_drum(kit: Kit, name: str) -> int:
    """The class of a drum by its name in the kit ("closed hi-hat"), its tab symbol ("HH") or a part of its name that no
    other drum has ("ride"); "hihat" is the closed one. Raises TaskError naming all there are.
    """
    wanted = name.strip().lower().replace("-", "").replace("_", " ")
    names = [known.replace("-", "") for known in kit.names]
    exact = [k for k, known in enumerate(names) if wanted in (known, kit.symbols[k].lower())]
    found = exact or [k for k, known in enumerate(names) if wanted in known]
    if len(found) > 1 and wanted == "hihat":
        found = [k for k in found if "closed" in names[k]]
    if len(found) != 1:
        known = ", ".join(f"{n} ({symbol})" for n, symbol in zip(kit.names, kit.symbols, strict=True))
        raise TaskError(f"{'no' if not found else 'more than one'} drum is called {name!r}; there are: {known}")
    return found[0]


def encode_song(song: Song, codec: Codec) -> np.ndarray:
    """Tokens [T, F] of the whole song, from its first bar to the end of its last."""
    num_beats = song.num_bars * song.beats_per_bar
    num_steps = codec.num_steps(num_beats, len(song.notes.pitch))
    window = Window(song.notes, _context_of(song), np.float32(num_beats))
    return np.array(jax.jit(functools.partial(codec.encode, num_steps=num_steps))(window))


def _context_of(song: Song) -> Context:
    return Context(
        tempo_bpm=np.float32(song.tempo_bpm),
        beats_per_bar=np.float32(song.beats_per_bar),
        metre=np.int32(song.metre),
        style=np.int32(0),
        fill=np.int32(song.fill),
        start_beat=np.float32(0),
    )


def _articulations(song: Song, codec: Codec, kit: Kit, tokens: np.ndarray) -> np.ndarray:
    """[T, 128]: for each step of tokens [T, F] and each pitch that the kit writes, the pitch that the song has."""
    table = np.tile(np.arange(128, dtype=np.int32), (len(tokens), 1))
    notes = jax.tree.map(np.asarray, jax.jit(codec.decode)(tokens, _context_of(song)))
    drum = kit.class_table()[song.notes.pitch]
    for i in np.flatnonzero(notes.mask):
        same = np.flatnonzero(drum == kit.class_table()[notes.pitch[i]])
        far = np.abs(song.notes.onset_beat[same] - notes.onset_beat[i])
        loud = song.notes.velocity[same]
        table[i // codec.notes_per_step, notes.pitch[i]] = song.notes.pitch[same[np.lexsort((-loud, far.round(2)))[0]]]
    return table


def _let_go(number: int, num_steps: int, amount: float) -> np.ndarray:
    """Bits to keep [T] of sample `number`, each let go with the odds `amount`."""
    bits = np.random.default_rng(number).random((num_steps, 31)) >= amount
    return (bits << np.arange(31)).sum(axis=1).astype(np.int32) | np.int32(-(2**31))
