"""How close a model comes to what drummers did with the same hits.

    python -m drumjax.evaluation.humanization --workdir runs/rock

Held-out performances are reduced to their hits on the grid, and the model chooses velocity and timing of each, as
`run_sample.py --humanize` does; as it plays them, and moved as `--lean` does it, so that each excerpt leans as those of
the training split do on average, since which way a drummer leans the hits do not tell. Set beside what was really
played, and beside three who know nothing of music: the quantizer (on the grid, all hits at the mean velocity), the
mean of the same drum at the same place in the bar, learned from the training split, and that lean alone.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from drumjax.codecs import FREE
from drumjax.codecs.grid import GridCodec
from drumjax.controls import make_controls
from drumjax.corpus import max_notes, pack, window_at
from drumjax.datasets import load_dataset, select
from drumjax.evaluation.command import Amount, ask, make_table
from drumjax.lean import lean_ms
from drumjax.notes import Context, Song
from drumjax.request import Request
from drumjax.runs import Run
from drumjax.sample import make_sampler
from drumjax.tasks import TaskError

NUM_BARS = 16  # of an excerpt
BATCH = 64
DRAWS = Amount("draws", 32, "performances of each excerpt")
# Of histograms: velocities in MIDI, offsets in milliseconds; ADDED to each count keeps the divergence finite.
VELOCITY_BINS = np.linspace(0, 128, 33)
OFFSET_BINS = np.linspace(-100, 100, 41)
ADDED = 0.5


class Hits(NamedTuple):
    """Of all hits [n] of some excerpts: where and what they are, and how they were played."""

    excerpt: np.ndarray
    grid_beat: np.ndarray  # of the step, in beats from the excerpt's beginning
    place: np.ndarray  # drum * positions + position in the bar
    velocity: np.ndarray  # 1..127
    offset_ms: np.ndarray


class Excerpts(NamedTuple):
    """tokens [E, T, F], context [E]; T is the same for all, ABSENT beyond a song's end."""

    tokens: np.ndarray
    context: Context


def cut(songs: Sequence[Song], codec: GridCodec, styles: Sequence[str]) -> Excerpts:
    """Stretches of NUM_BARS bars of 4/4 from the beginning of each song on."""
    beats = 4 * NUM_BARS
    songs = [song for song in songs if song.time_signature == (4, 4)]
    corpus = pack(songs, styles)
    starts = [(i, beat) for i, end in enumerate(corpus.end_beat) for beat in range(0, int(end), beats)]
    song, start = (np.asarray(column, np.int32) for column in zip(*starts, strict=True))
    num_notes, device = max_notes(corpus, beats), jax.device_put(corpus)

    @jax.jit
    @jax.vmap
    def take(song, start):
        window = window_at(device, song, start, beats, num_notes)
        return codec.encode(window, codec.num_steps(beats, num_notes)), window.context

    return Excerpts(*jax.tree.map(np.asarray, take(song, start)))


def hits_of(tokens: np.ndarray, context: Context, codec: GridCodec) -> Hits:
    """The hits of tokens [E, T, F], in the order of excerpt, step and drum."""
    num = codec.kit.num_classes
    velocity, offset = tokens[..., 1 : 1 + num], tokens[..., 1 + num :]
    is_hit = velocity >= 0
    steps = np.arange(tokens.shape[1])[None, :, None] % round(4 * codec.steps_per_beat)
    where = (
        np.arange(len(tokens))[:, None, None],
        np.arange(tokens.shape[1])[None, :, None] / codec.steps_per_beat,
        np.arange(num) * round(4 * codec.steps_per_beat) + steps,
    )
    excerpt, grid_beat, place = (np.broadcast_to(x, is_hit.shape)[is_hit] for x in where)
    step_ms = 60_000 / np.asarray(context.tempo_bpm)[:, None, None] / codec.steps_per_beat
    played_ms = ((offset + 0.5) / codec.offset_bins - 0.5) * step_ms
    played = np.ceil((velocity + 0.5) * (128 / codec.velocity_bins) - 0.5)
    return Hits(excerpt, grid_beat, place, played[is_hit].astype(float), played_ms[is_hit])


def leans_of(hits: Hits, tempo_bpm: np.ndarray) -> np.ndarray:
    """How each excerpt [E] leans, in ms; NaN where it has no hit near a beat."""
    onset = hits.grid_beat + hits.offset_ms * tempo_bpm[hits.excerpt] / 60_000
    ends = np.searchsorted(hits.excerpt, np.arange(len(tempo_bpm) + 1))  # hits are in the order of excerpts
    return np.asarray([lean_ms(onset[ends[e] : ends[e + 1]], bpm, 4.0) for e, bpm in enumerate(tempo_bpm)])


def lean_as(hits: Hits, tempo_bpm: np.ndarray, wanted_ms: float) -> np.ndarray:
    """Offsets [n], those of each excerpt moved together so that it leans as wanted, as `--lean` does it."""
    return hits.offset_ms + np.nan_to_num(wanted_ms - leans_of(hits, tempo_bpm))[hits.excerpt]


def humanize(run: Run, excerpts: Excerpts, draws: int) -> list[np.ndarray]:
    """Tokens [E, T, F] of each draw: the excerpts' hits, with velocities and offsets chosen anew."""
    sampler = make_sampler(run.model, run.codec)
    controls = make_controls(run.settings.sample, run.codec.fields)
    clamp = excerpts.tokens.copy()
    clamp[..., 1:] = FREE
    count, steps, _ = clamp.shape
    chosen = []
    for draw in range(draws):
        parts = []
        for first in range(0, count, BATCH):
            rows = np.resize(np.arange(first, min(first + BATCH, count)), BATCH)
            request = Request(
                number=(rows + draw * count).astype(np.int32),
                context=jax.tree.map(lambda column, rows=rows: column[rows], excerpts.context),
                clamp=clamp[rows],
                keep=np.full((BATCH, steps), -1, np.int32),
                end=(excerpts.tokens[rows, :, 0] >= 0).sum(axis=1, dtype=np.int32),
                fill_every=np.int32(0),
                guidance=np.float32(1),
                temperature=np.asarray(controls.temperature, np.float32),
                top_k=np.int32(controls.top_k),
                top_p=np.float32(controls.top_p),
                no_repeat=np.int32(0),
            )
            tokens = np.asarray(sampler(run.params, run.stats, jax.random.key(0), request).tokens)
            parts.append(tokens[: min(BATCH, count - first)])
        chosen.append(np.concatenate(parts))
    return chosen


def compare(run: Run, draws: int) -> list[dict[str, float | str]]:
    """A row per player: mean absolute errors of timing (ms) and velocity, and KL divergences of their histograms (nats)
    from those of what was played."""
    codec = run.codec
    if not isinstance(codec, GridCodec):
        raise TaskError("this compares models of a grid, which know where hits are apart from how they are played")
    if not codec.expressive:
        raise TaskError("this model knows no velocity and timing (it was trained with codec.expressive=False)")
    songs = load_dataset(run.settings.data).songs
    filters = {**dataclasses.asdict(run.settings.validation), "fill": "beat", "time_signatures": ("4/4",)}
    held_out = cut(select(songs, split="validation", **filters), codec, run.styles)
    train = cut(select(songs, split="train", **filters), codec, run.styles)
    real, learned = (hits_of(*excerpts, codec) for excerpts in (held_out, train))
    sampled = [hits_of(tokens, held_out.context, codec) for tokens in humanize(run, held_out, draws)]
    velocity, offset = (np.stack([getattr(hits, name) for hits in sampled]) for name in ("velocity", "offset_ms"))
    usual = float(np.nanmean(leans_of(learned, train.context.tempo_bpm)))
    moved = np.stack([lean_as(hits, held_out.context.tempo_bpm, usual) for hits in sampled])
    by_place = {name: mean_by_place(learned, real.place, name) for name in ("velocity", "offset_ms")}
    flat = np.full(len(real.velocity), learned.velocity.mean())
    louder, later = velocity.mean(axis=0)[None], offset.mean(axis=0)[None]
    players = {
        "quantized, one velocity": (flat[None], np.zeros((1, len(flat)))),
        "mean of drum and place": (by_place["velocity"][None], by_place["offset_ms"][None]),
        f"every hit {usual:.1f} ms late": (flat[None], np.full((1, len(flat)), usual)),
        "the model, one draw": (velocity, offset),
        f"the model, mean of {draws} draws": (louder, later),
        f"the model, leaning {usual:.1f} ms, one draw": (velocity, moved),
        f"the model, leaning {usual:.1f} ms, mean of {draws} draws": (louder, moved.mean(axis=0)[None]),
    }
    rows: list[dict[str, float | str]] = []
    for name, (velocities, offsets) in players.items():
        rows.append({
            "player": name,
            "timing_ms": float(np.mean(np.abs(offsets - real.offset_ms[None]))),
            "velocity": float(np.mean(np.abs(velocities - real.velocity[None]))),
            "kl_timing": divergence(real.offset_ms, offsets, OFFSET_BINS),
            "kl_velocity": divergence(real.velocity, velocities, VELOCITY_BINS),
        })  # fmt: skip
    return rows


def mean_by_place(learned: Hits, place: np.ndarray, name: str) -> np.ndarray:
    """The mean [n] of the training hits at each hit's place; of all of them where there were none."""
    values = getattr(learned, name)
    size = max(learned.place.max(), place.max()) + 1
    count = np.bincount(learned.place, minlength=size)
    total = np.bincount(learned.place, values, minlength=size)
    return np.where(count > 0, total / np.maximum(count, 1), values.mean())[place]


def divergence(real: np.ndarray, played: np.ndarray, bins: np.ndarray) -> float:
    """KL(real || played) of their histograms over the bins, values beyond them in the outermost, in nats."""
    shares = []
    for values in (real, played):
        counts = np.histogram(np.clip(values, bins[0], bins[-1]), bins)[0] + ADDED
        shares.append(counts / counts.sum())
    return float(np.sum(shares[0] * np.log(shares[0] / shares[1])))


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.evaluation.humanization", __doc__, DRAWS, compare, make_table))
