"""From sampled tokens to songs."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.codecs.base import ABSENT, Codec, clock
from drumjax.config.controls import Controls
from drumjax.music.notes import EARLY_BEAT, FILL_NO, NO_TIMELINE, Array, Context, Notes, Song, make_notes
from drumjax.music.timing import lean_to, swing_to
from drumjax.sampling.edits import Edit
from drumjax.sampling.piece import Piece
from drumjax.sampling.request import Request, Samples
from drumjax.sampling.touch import balance, shape_dynamics, tighten
from drumjax.system.kept_programs import keep


def decode_samples(codec: Codec, samples: Samples, request: Request) -> Notes:
    """The padded notes [B, N] of samples, cut to the length that was asked for.

    On the device, and without waiting for it: samples may still be on their way there.
    """
    return _make_decoder(codec)(samples.tokens, samples.points, request.context, request.end)


@functools.lru_cache(maxsize=8)
def _make_decoder(codec: Codec) -> Callable[[Array, Array, Context, Array], Notes]:
    """Compiled once per shape [B, T, F]: another length in the same bucket does not compile again."""

    @jax.jit
    def decode(tokens: Array, points: Array, context: Context, end: Array) -> Notes:
        inside = clock(codec, tokens, 0)[:, :-1] < end[:, None]
        return jax.vmap(codec.decode)(jnp.where(inside[..., None], tokens, ABSENT), context, points)

    return keep(decode, codec)


def drop_given(codec: Codec, samples: Samples, request: Request) -> Samples:
    """The samples without what was given: ABSENT where a first variable was given whole, its bits to keep taken out
    where they were given."""
    tokens = jnp.asarray(samples.tokens)
    first, given = tokens[..., 0], request.clamp[..., 0] >= 0
    is_whole = (request.keep == -1) if codec.partial_field == 0 else jnp.ones_like(given)
    new = jnp.where(given, jnp.where(is_whole, ABSENT, first & ~request.keep), first)
    return samples._replace(tokens=tokens.at[..., 0].set(new))


def collect_songs(codec: Codec, pieces: Sequence[Piece], notes: Notes, edit: Edit | None = None) -> list[Song]:
    """The songs [B] of the pieces [B] that decoded notes [B, N] are; what is played freely begins at beat 0.

    What the edit keeps is written as it was, and its first bars may be left out.
    """
    columns = zip(*jax.device_get(notes), strict=True)
    return [_collect(codec, piece, Notes(*row), edit) for piece, row in zip(pieces, columns, strict=True)]


def _collect(codec: Codec, piece: Piece, new: Notes, edit: Edit | None) -> Song:
    controls, timeline = piece.controls, edit.timeline if edit else NO_TIMELINE
    kept, new = _follow(balance(tighten(new, codec, controls), codec, controls), edit, controls)
    new = new._replace(**{name: getattr(new, name) / piece.pace for name in ("onset_beat", "duration_beat")})
    skip = edit.skip_bars * piece.beats_per_bar if edit else 0.0
    onset, *rest = (np.concatenate([old, column]) for old, column in zip(kept[:-1], new[:-1], strict=True))
    here = onset >= (skip - EARLY_BEAT if skip else -np.inf)
    if controls.num_notes:
        wanted = controls.num_notes + (0 if skip else len(kept.pitch))
        here[np.argsort(np.where(here, onset, np.inf), kind="stable")[wanted:]] = False
    if piece.pace != 1 and not controls.num_notes:  # a last bar that is half of one of the model's
        here &= onset < controls.bars * piece.beats_per_bar - EARLY_BEAT
    is_new = here & (np.arange(len(here)) >= len(kept.pitch))
    if controls.swing is not None:
        onset[is_new] = swing_to(onset[is_new], controls.swing)
    if controls.lean is not None:
        onset[is_new] = lean_to(onset[is_new], controls.bpm, piece.beats_per_bar, controls.lean)
    rest[2][is_new] = shape_dynamics(onset[is_new], rest[2][is_new], piece)
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


def _follow(new: Notes, edit: Edit | None, controls: Controls) -> tuple[Notes, Notes]:
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
        return kept, edit.placement.follow(new, controls.keep_accents, controls.spread)
    return kept, _without(Notes(*(column[played] for column in new)), kept)


def _without(new: Notes, kept: Notes) -> Notes:
    """The new notes but for those that are kept ones once more: where two meet the writer takes the louder."""
    have = set(zip(np.asarray(kept.onset_beat).tolist(), np.asarray(kept.pitch).tolist(), strict=True))
    where = zip(np.asarray(new.onset_beat).tolist(), np.asarray(new.pitch).tolist(), strict=True)
    other = np.asarray([note not in have for note in where], bool)
    return Notes(*(column[other] for column in new))
