"""From sampled tokens to songs."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.codecs.base import ABSENT, Codec, clock
from drumjax.music.notes import EARLY_BEAT, FILL_NO, NO_TIMELINE, Array, Context, Notes, Song, make_notes
from drumjax.music.timing import lean_to
from drumjax.sampling.edits import Edit
from drumjax.sampling.piece import Piece
from drumjax.sampling.request import Request
from drumjax.system.kept_programs import keep


def decode_tokens(codec: Codec, tokens: Array, request: Request) -> Notes:
    """The padded notes [B, N] of sampled tokens [B, T, F], cut to the length that was asked for.

    On the device, and without waiting for it: tokens may still be on their way there.
    """
    return _make_decoder(codec)(tokens, request.context, request.end)


@functools.lru_cache(maxsize=8)
def _make_decoder(codec: Codec) -> Callable[[Array, Context, Array], Notes]:
    """Compiled once per shape [B, T, F]: another length in the same bucket does not compile again."""

    @jax.jit
    def decode(tokens: Array, context: Context, end: Array) -> Notes:
        inside = clock(codec, tokens, 0)[:, :-1] < end[:, None]
        return jax.vmap(codec.decode)(jnp.where(inside[..., None], tokens, ABSENT), context)

    return keep(decode, codec)


def drop_given(codec: Codec, tokens: Array, request: Request) -> Array:
    """The tokens [B, T, F] without what was given: ABSENT where a first variable was given whole, its bits to keep
    taken out where they were given."""
    first, given = tokens[..., 0], request.clamp[..., 0] >= 0
    is_whole = (request.keep == -1) if codec.partial_field == 0 else jnp.ones_like(given)
    return (
        jnp.asarray(tokens).at[..., 0].set(jnp.where(given, jnp.where(is_whole, ABSENT, first & ~request.keep), first))
    )


def collect_songs(codec: Codec, pieces: Sequence[Piece], notes: Notes, edit: Edit | None = None) -> list[Song]:
    """The songs [B] of the pieces [B] that decoded notes [B, N] are; what is played freely begins at beat 0.

    What the edit keeps is written as it was, and its first bars may be left out.
    """
    columns = zip(*jax.device_get(notes), strict=True)
    return [_collect(codec, piece, Notes(*row), edit) for piece, row in zip(pieces, columns, strict=True)]


def _collect(codec: Codec, piece: Piece, new: Notes, edit: Edit | None) -> Song:
    controls, timeline = piece.controls, edit.timeline if edit else NO_TIMELINE
    kept, new = _follow(new, edit)
    skip = edit.skip_bars * piece.beats_per_bar if edit else 0.0
    onset, *rest = (np.concatenate([old, column]) for old, column in zip(kept[:-1], new[:-1], strict=True))
    here = onset >= (skip - EARLY_BEAT if skip else -np.inf)
    if controls.num_notes:
        wanted = controls.num_notes + (0 if skip else len(kept.pitch))
        here[np.argsort(np.where(here, onset, np.inf), kind="stable")[wanted:]] = False
    if controls.lean is not None:
        is_new = here & (np.arange(len(here)) >= len(kept.pitch))
        onset[is_new] = lean_to(onset[is_new], controls.bpm, piece.beats_per_bar, controls.lean)
    onset = onset[here] - skip
    if edit is None:  # of what is given the writer keeps the early apart
        onset = np.maximum(onset, 0)
    written = make_notes(onset, *(column[here] for column in rest))
    return Song(
        written,
        controls.bpm,
        piece.metre,
        controls.style,
        FILL_NO,
        is_drums=codec.kit is not None,
        program=codec.program,
        timeline=timeline,
    )


def _follow(new: Notes, edit: Edit | None) -> tuple[Notes, Notes]:
    """Of decoded notes and an edit: the notes that are as they were given, and those that are played."""
    kept, played = make_notes([], [], [], []), new.mask
    if edit is None:
        return kept, Notes(*(column[played] for column in new))
    kept = edit.kept or kept
    if edit.placement and not edit.follows:
        kept, played = edit.placement.remain(new)
    if edit.new_pitch is not None:
        new = new._replace(pitch=edit.new_pitch[new.pitch])
    if edit.placement and edit.follows:
        return kept, edit.placement.follow(new)
    return kept, _without(Notes(*(column[played] for column in new)), kept)


def _without(new: Notes, kept: Notes) -> Notes:
    """The new notes but for those that are kept ones once more: where two meet the writer takes the louder."""
    have = set(zip(np.asarray(kept.onset_beat).tolist(), np.asarray(kept.pitch).tolist(), strict=True))
    where = zip(np.asarray(new.onset_beat).tolist(), np.asarray(new.pitch).tolist(), strict=True)
    other = np.asarray([note not in have for note in where], bool)
    return Notes(*(column[other] for column in new))
