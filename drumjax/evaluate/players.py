"""Who plays beside the real performances: the model, and the n-gram that only counts."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from drumjax.config.controls import TEMPO_LIMITS
from drumjax.evaluate.baselines.counting import BAR_STEPS, Counter
from drumjax.music.grid_view import NUM_BARS, Excerpt
from drumjax.music.kits import Kit
from drumjax.music.metre import write_metre
from drumjax.music.notes import Song
from drumjax.runs.run import Run
from drumjax.sampling.blocks import play
from drumjax.sampling.controls import make_controls
from drumjax.sampling.piece import Piece

BATCH = 64


def play_like(run: Run, songs: Sequence[Song], *, num_bars: int = NUM_BARS, seed: int = 0, **asked: Any) -> list[Song]:
    """One piece for each song, from its first bar, in the song's style, tempo and metre, as a beat or a fill.

    Other controls are those of the run, unless they are `asked` for by name.
    """
    pieces = [_piece_like(run, song, num_bars, asked) for song in songs]
    key, played = jax.random.key(seed), []
    for first in range(0, len(pieces), BATCH):
        some = pieces[first : first + BATCH]
        rows = [some[i % len(some)] for i in range(BATCH)]  # one compiled shape for all batches
        played += play(run, key, rows, range(first, first + BATCH))[: len(some)]
    return [dataclasses.replace(song, name=f"{i:06d}") for i, song in enumerate(played)]


def _piece_like(run: Run, song: Song, num_bars: int, asked: dict[str, Any]) -> Piece:
    like: dict[str, Any] = {
        "bars": num_bars,
        "time_signature": write_metre(song.time_signature),
        "bpm": float(np.clip(song.tempo_bpm, *TEMPO_LIMITS)),
        "style": song.style if song.style in run.styles else "",
    }
    return Piece(make_controls(run.settings.sample, run.codec.fields, **like, **asked), song.fill)


def play_counter(
    counter: Counter, kit: Kit, num_excerpts: int, *, num_bars: int = NUM_BARS, seed: int = 0
) -> list[Excerpt]:
    """Excerpts of what the n-gram plays: hits alone."""
    generator = np.random.default_rng(seed)
    bits = np.arange(kit.num_classes)
    excerpts = []
    for _ in range(num_excerpts):
        chords = counter.play(num_bars * BAR_STEPS, generator)
        hits = ((chords[:, None] >> bits) & 1).astype(bool).reshape(num_bars, BAR_STEPS, kit.num_classes)
        excerpts.append(Excerpt(hits, np.zeros(hits.shape), np.zeros(hits.shape), 120.0))
    return excerpts
