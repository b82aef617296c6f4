"""Who plays beside the real performances: the model, and the n-gram that only counts."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from drumjax.evaluation.baselines import BAR_STEPS, Counter
from drumjax.evaluation.excerpts import NUM_BARS, Excerpt
from drumjax.grooves import collect_songs, decode_tokens, make_controls, make_groove, make_request
from drumjax.kits import Kit
from drumjax.notes import Song
from drumjax.runs import Run
from drumjax.sample import Controls, make_sampler

BATCH = 64
TIME_SIGNATURE = "4/4"
TEMPO_LIMITS = 20.0, 400.0  # bpm, of grooves.Groove


def play_like(
    run: Run, songs: Sequence[Song], controls: Controls | None = None, *, num_bars: int = NUM_BARS, seed: int = 0
) -> list[Song]:
    """One groove for each song, from its first bar, in the song's style and tempo, as a beat or a fill.

    As the run's own settings choose, unless `controls` says otherwise.
    """
    base = make_groove(run.settings.sample, bars=num_bars, time_signature=TIME_SIGNATURE)
    controls = controls or make_controls(run.settings.sample, run.codec.fields)
    sampler, key = make_sampler(run.model, run.codec, guided=controls.guidance != 1), jax.random.key(seed)
    played = []
    for first in range(0, len(songs), BATCH):
        some = songs[first : first + BATCH]
        rows = [some[i % len(some)] for i in range(BATCH)]
        grooves = [
            dataclasses.replace(
                base,
                bpm=float(np.clip(song.tempo_bpm, *TEMPO_LIMITS)),
                style=song.style if song.style in run.styles else "",
            )
            for song in rows
        ]
        contexts = [
            groove.context(run.styles)._replace(fill=np.int32(song.fill))
            for groove, song in zip(grooves, rows, strict=True)
        ]
        request = make_request(base, run.codec, run.styles, controls, range(first, first + BATCH))
        request = request._replace(context=jax.tree.map(lambda *column: np.stack(column), *contexts))
        tokens = sampler(run.params, run.stats, key, request).tokens
        found = collect_songs(base, decode_tokens(base, run.codec, run.styles, tokens), run.codec)
        played += [
            dataclasses.replace(song, tempo_bpm=groove.bpm, style=groove.style, name=f"{first + i:06d}")
            for i, (song, groove, _) in enumerate(zip(found, grooves, some, strict=False))
        ]
    return played


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
