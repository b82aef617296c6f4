"""What a model answers: the songs that sampled tokens spell."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.codecs.base import ABSENT, Codec, clock
from drumjax.music.notes import EARLY_BEAT, FILL_NO, Array, Context, Notes, Song, make_notes
from drumjax.music.timing import lean_to
from drumjax.sampling.edits import Task
from drumjax.sampling.piece import ENDLESS, Groove


def decode_tokens(groove: Groove, codec: Codec, styles: Sequence[str], tokens: Array) -> Notes:
    """The padded notes [B, N] that tokens [B, T, F] spell, cut to the groove's length.

    On the device, and without waiting for it: tokens may still be on their way there.
    """
    context = groove.context(styles)
    end = ENDLESS if groove.num_notes else int(codec.to_ticks(context, groove.beats))
    return _make_decoder(codec)(tokens, context, np.int32(end))


@functools.lru_cache(maxsize=8)
def _make_decoder(codec: Codec) -> Callable[[Array, Context, Array], Notes]:
    """Compiled once per shape [B, T, F]: another length in the same bucket does not compile again."""

    @jax.jit
    def decode(tokens: Array, context: Context, end: Array) -> Notes:
        inside = clock(codec, tokens, 0)[:, :-1] < end
        return jax.vmap(codec.decode, (0, None))(jnp.where(inside[..., None], tokens, ABSENT), context)

    return decode


def collect_songs(groove: Groove, notes: Notes, codec: Codec, task: Task | None = None) -> list[Song]:
    """The songs [B] of the groove that decoded notes [B, N] are; hits before beat 0 fall on it.

    What the task keeps is heard as it was, and its first bars may be left out.
    """
    kept = task.kept if task and task.kept else make_notes([], [], [], [])
    skip = task.skip_bars * groove.beats / groove.bars if task else 0.0
    songs = []
    for columns in zip(*jax.device_get(notes), strict=True):
        inside = columns[-1]
        if task and task.pitches is not None:
            step = (np.arange(len(inside)) // codec.notes_per_step).clip(0, len(task.pitches) - 1)
            columns = (*columns[:2], task.pitches[step, columns[2]], *columns[3:])
        onset, *rest = (np.concatenate([old, new[inside]]) for old, new in zip(kept[:-1], columns[:-1], strict=True))
        here = onset >= (skip - EARLY_BEAT if skip else -np.inf)
        if groove.num_notes:
            wanted = groove.num_notes + (0 if skip else len(kept.pitch))
            here[np.argsort(np.where(here, onset, np.inf), kind="stable")[wanted:]] = False
        if groove.lean is not None:
            is_new = here & (np.arange(len(here)) >= len(kept.pitch))
            onset[is_new] = lean_to(onset[is_new], groove.bpm, groove.beats / groove.bars, groove.lean)
        song = make_notes(np.maximum(onset[here] - skip, 0), *(column[here] for column in rest))
        is_drums = codec.kit is not None
        songs.append(
            Song(song, groove.bpm, groove.metre(), groove.style, FILL_NO, is_drums=is_drums, program=codec.program)
        )
    return songs


def make_songs(groove: Groove, codec: Codec, styles: Sequence[str], tokens: Array) -> list[Song]:
    """The songs [B] that tokens [B, T, F] spell."""
    return collect_songs(groove, decode_tokens(groove, codec, styles, tokens), codec)
