"""Who plays beside the real performances: the model, and the n-gram that only counts."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from drumjax.evaluate.baselines.counting import BAR_STEPS, Counter
from drumjax.music.grid_view import NUM_BARS, Excerpt
from drumjax.music.kits import Kit
from drumjax.music.notes import Song
from drumjax.runs.run import Run
from drumjax.sampling.controls import make_controls
from drumjax.sampling.decode import collect_songs
from drumjax.sampling.piece import TEMPO_LIMITS, Groove, make_groove, make_request
from drumjax.sampling.request import Controls
from drumjax.sampling.sampler import make_sampler

BATCH = 64


def play_like(
    run: Run, songs: Sequence[Song], controls: Controls | None = None, *, num_bars: int = NUM_BARS, seed: int = 0
) -> list[Song]:
    """One piece for each song, from its first bar, in the song's style, tempo and metre, as a beat or a fill.

    As the run's own settings choose, unless `controls` says otherwise.
    """
    controls = controls or make_controls(run.settings.sample, run.codec.fields)
    sampler, key = make_sampler(run.model, run.codec, guided=controls.guidance != 1), jax.random.key(seed)
    played = []
    for first in range(0, len(songs), BATCH):
        some = songs[first : first + BATCH]
        rows = [some[i % len(some)] for i in range(BATCH)]
        grooves = [_groove_like(run, song, num_bars) for song in rows]
        contexts = [
            groove.context(run.styles)._replace(fill=np.int32(song.fill))
            for groove, song in zip(grooves, rows, strict=True)
        ]
        longest = max(grooves, key=lambda groove: groove.beats)
        request = make_request(longest, run.codec, run.styles, controls, range(first, first + BATCH))
        context = jax.tree.map(lambda *column: np.stack(column), *contexts)
        end = np.asarray([run.codec.to_ticks(c, g.beats) for c, g in zip(contexts, grooves, strict=True)], np.int32)
        tokens = sampler(run.params, run.stats, key, request._replace(context=context, end=end)).tokens
        notes = jax.device_get(jax.vmap(run.codec.decode)(tokens, context))
        for i, (groove, _) in enumerate(zip(grooves, some, strict=False)):
            mine = jax.tree.map(lambda column, i=i: column[i : i + 1], notes)
            (song,) = collect_songs(groove, mine, run.codec)
            played.append(dataclasses.replace(song, name=f"{first + i:06d}"))
    return played


def _groove_like(run: Run, song: Song, num_bars: int) -> Groove:
    return make_groove(
        run.settings.sample,
        bars=num_bars,
        time_signature="{}/{}".format(*song.time_signature),
        bpm=float(np.clip(song.tempo_bpm, *TEMPO_LIMITS)),
        style=song.style if song.style in run.styles else "",
    )


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
