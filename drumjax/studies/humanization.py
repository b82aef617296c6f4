"""How close a model comes to what drummers did with the same hits.

    python -m drumjax.studies.humanization --workdir runs/rock

Held-out performances are reduced to their hits on the grid, and the model chooses velocity and timing of each, as
`run_sample.py --humanize` does, conditioned on style, tempo and metre; also as widely spread as people's are
(`--spread 1`). Set beside what was really played, and beside some who know nothing of music: the quantizer (on the
grid, all hits at the mean velocity), the mean and the median of the same drum at the same place in the bar, learned
from the training split, and all hits as early as the median of all.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from drumjax.codecs.base import FREE
from drumjax.codecs.grid import GridCodec
from drumjax.config.controls import Controls
from drumjax.data.corpus import max_notes, pack, window_at
from drumjax.data.datasets import load_dataset
from drumjax.data.selection import select
from drumjax.evaluate.prediction import bootstrap
from drumjax.music.notes import Context, Song
from drumjax.runs.run import Run
from drumjax.sampling.controls import make_controls
from drumjax.sampling.edits import KEEP_ALL, Edit
from drumjax.sampling.piece import Piece
from drumjax.sampling.request import make_request
from drumjax.sampling.sampler import draw as draw_samples
from drumjax.studies.command import Amount, StudyError, ask, make_table

NUM_BARS = 16  # of an excerpt
BATCH = 64
DRAWS = Amount("draws", 32, "performances of each excerpt")
# Of histograms: velocities in MIDI, offsets in milliseconds; ADDED to each count keeps the divergence finite.
VELOCITY_BINS = np.linspace(0, 128, 33)
OFFSET_BINS = np.linspace(-100, 100, 41)
ADDED = 0.5
NEAR_BEATS = 1.0  # hits of a drum so close to each other are neighbours


class Hits(NamedTuple):
    """Of all hits [n] of some excerpts: where and what they are, and how they were played."""

    excerpt: np.ndarray
    drum: np.ndarray  # class of the kit
    grid_beat: np.ndarray  # of the step, in beats from the excerpt's beginning
    position: np.ndarray  # step in the bar
    velocity: np.ndarray  # 1..127
    offset_ms: np.ndarray


class Excerpts(NamedTuple):
    """tokens [E, T, F], context [E], and the song [E] each is of; T is the same for all, ABSENT beyond a song's end."""

    tokens: np.ndarray
    context: Context
    song: np.ndarray


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

    tokens, context = jax.tree.map(np.asarray, take(song, start))
    return Excerpts(tokens, context, song)


def hits_of(tokens: np.ndarray, context: Context, codec: GridCodec) -> Hits:
    """The hits of tokens [E, T, F], in the order of excerpt, step and drum."""
    num = codec.kit.num_classes
    velocity, offset = tokens[..., 1 : 1 + num], tokens[..., 1 + num :]
    is_hit = velocity >= 0
    steps = np.arange(tokens.shape[1])[:, None]
    where = (
        np.arange(len(tokens))[:, None, None],
        np.arange(num),
        steps / codec.steps_per_beat,
        steps % round(4 * codec.steps_per_beat),
    )
    excerpt, drum, grid_beat, position = (np.broadcast_to(x, is_hit.shape)[is_hit] for x in where)
    step_ms = 60_000 / np.asarray(context.tempo_bpm)[:, None, None] / codec.steps_per_beat
    played_ms = ((offset + 0.5) / codec.offset_bins - 0.5) * step_ms
    played = np.ceil((velocity + 0.5) * (128 / codec.velocity_bins) - 0.5)
    return Hits(excerpt, drum, grid_beat, position, played[is_hit].astype(float), played_ms[is_hit])


def humanize(run: Run, excerpts: Excerpts, controls: Controls, draws: int) -> Iterator[np.ndarray]:
    """Tokens [E, T, F] of each draw: the excerpts' hits, with velocities and offsets chosen anew."""
    piece = Piece(dataclasses.replace(controls, bars=NUM_BARS, time_signature="4/4", style=""))
    count, steps, _ = excerpts.tokens.shape
    clamp, keep = np.where(np.arange(excerpts.tokens.shape[2]) == 0, excerpts.tokens, FREE), np.full(steps, KEEP_ALL)
    end = (excerpts.tokens[..., 0] >= 0).sum(axis=1, dtype=np.int32)
    for draw in range(draws):
        parts = []
        for first in range(0, count, BATCH):
            rows = np.resize(np.arange(first, min(first + BATCH, count)), BATCH)
            edit = Edit("humanize", clamp[first], keep, hidden=run.hidden_fields)
            request = make_request(run, [piece] * BATCH, (rows + draw * count).tolist(), edit)
            context = jax.tree.map(lambda column, rows=rows: column[rows], excerpts.context)
            request = request._replace(context=context, clamp=clamp[rows], end=end[rows])
            tokens = np.asarray(draw_samples(run.model, run.codec, run.weights, jax.random.key(0), request).tokens)
            parts.append(tokens[: min(BATCH, count - first)])
        yield np.concatenate(parts)


def compare(run: Run, draws: int) -> list[dict[str, float | str]]:
    """A row per player.

    timing_ms, velocity           mean absolute distance from what was played
    kl_timing, kl_velocity        KL divergence of their distributions from the drummers', nats
    change_ms, change_velocity    mean absolute change from a hit to the next one of the same drum within a beat
    nearer_ms, low_ms, high_ms    how much nearer in time than the nearest of those who know nothing of music, and
                                  between what other songs would have it (bootstrap, 95%)
    """
    codec = run.codec
    if not isinstance(codec, GridCodec):
        raise StudyError("this compares models of a grid, which know where hits are apart from how they are played")
    if not codec.expressive:
        raise StudyError("this model knows no velocity and timing (it was trained with codec.expressive=False)")
    songs = load_dataset(run.settings.data).songs
    filters = {**dataclasses.asdict(run.settings.validation), "fill": "beat", "time_signatures": ("4/4",)}
    held_out = cut(select(songs, split="validation", **filters), codec, run.styles)
    train = cut(select(songs, split="train", **filters), codec, run.styles)
    real, learned = (hits_of(some.tokens, some.context, codec) for some in (held_out, train))
    names = ("velocity", "offset_ms")
    even, usual = np.full(len(real.velocity), learned.velocity.mean()), np.median(learned.offset_ms)
    simple = {
        "quantized, one velocity": real._replace(velocity=even, offset_ms=0 * even),
        "mean of drum and place": real._replace(**{name: by_place(learned, real, name, np.mean) for name in names}),
        "median of drum and place": real._replace(**{name: by_place(learned, real, name, np.median) for name in names}),
        f"every hit {usual:.1f} ms late, one velocity": real._replace(velocity=even, offset_ms=0 * even + usual),
    }
    players = {"the drummers": [real], **{name: [hits] for name, hits in simple.items()}}
    controls = make_controls(run.settings.sample.when_humanizing(), codec.fields)
    unknown = held_out.context._replace(style=np.zeros_like(held_out.context.style))
    for name, spread, excerpts in (
        (f"the model, spread {controls.spread:g}", controls.spread, held_out),
        ("the same, style unknown", controls.spread, held_out._replace(context=unknown)),
        ("the model, spread 1", 1.0, held_out),
    ):
        if f"{name}, one draw" in players:
            continue
        tokens = humanize(run, excerpts, dataclasses.replace(controls, spread=spread), draws)
        drawn = [hits_of(draw, held_out.context, codec) for draw in tokens]
        players[f"{name}, one draw"] = drawn
        expected = {name: np.mean([getattr(hits, name) for hits in drawn], axis=0) for name in names}
        players[f"{name}, mean of {draws} draws"] = [real._replace(**expected)]
    distance = {name: distance_ms(hits, real) for name, hits in players.items()}
    nearest = min((distance[name] for name in simple), key=np.mean)
    song = held_out.song[real.excerpt]
    return [
        {"player": name, **measure(drawn, real), **gain(distance[name], nearest, song)}
        for name, drawn in players.items()
    ]


def distance_ms(drawn: Sequence[Hits], real: Hits) -> np.ndarray:
    """How far each hit [n] lies from where it was played, on average over the draws."""
    return np.mean([np.abs(hits.offset_ms - real.offset_ms) for hits in drawn], axis=0)


def measure(drawn: Sequence[Hits], real: Hits) -> dict[str, float]:
    """How some draws compare with what was played; see compare."""
    velocity, offset_ms = (np.stack([getattr(hits, name) for hits in drawn]) for name in ("velocity", "offset_ms"))
    later, louder = (np.concatenate([changes(hits, name) for hits in drawn]) for name in ("offset_ms", "velocity"))
    return {
        "timing_ms": float(distance_ms(drawn, real).mean()),
        "velocity": float(np.abs(velocity - real.velocity).mean()),
        "kl_timing": divergence(real.offset_ms, offset_ms, OFFSET_BINS),
        "kl_velocity": divergence(real.velocity, velocity, VELOCITY_BINS),
        "change_ms": float(np.abs(later).mean()),
        "change_velocity": float(np.abs(louder).mean()),
    }


def gain(distance: np.ndarray, nearest: np.ndarray, song: np.ndarray) -> dict[str, float]:
    """By how much the distances [n] are smaller than the others', with the interval over songs [n]."""
    count = np.bincount(song)
    nearer, low, high = bootstrap(np.bincount(song, nearest - distance)[count > 0], count[count > 0])
    return {"nearer_ms": nearer, "low_ms": low, "high_ms": high}


def changes(hits: Hits, name: str) -> np.ndarray:
    """By how much each hit differs in `name` from the one of the same drum before it, if that is within NEAR_BEATS."""
    order = np.lexsort((hits.grid_beat, hits.drum, hits.excerpt))
    excerpt, drum, beat, value = (x[order] for x in (hits.excerpt, hits.drum, hits.grid_beat, getattr(hits, name)))
    near = (np.diff(excerpt) == 0) & (np.diff(drum) == 0) & (np.diff(beat) <= NEAR_BEATS)
    return np.diff(value)[near]


def by_place(learned: Hits, hits: Hits, name: str, middle: Callable[[np.ndarray], Any]) -> np.ndarray:
    """The middle [n] of the training hits of each hit's drum at its place in the bar; of all where there were none."""
    width = 1 + max(learned.position.max(), hits.position.max())
    known, asked = (some.drum * width + some.position for some in (learned, hits))
    values = getattr(learned, name)
    middles = {place: middle(values[known == place]) for place in np.intersect1d(known, asked).tolist()}
    everywhere = middle(values)
    return np.asarray([middles.get(place, everywhere) for place in asked.tolist()])


def divergence(real: np.ndarray, played: np.ndarray, bins: np.ndarray) -> float:
    """KL(real || played) of their histograms over the bins, values beyond them in the outermost, in nats."""
    shares = []
    for values in (real, played):
        counts = np.histogram(np.clip(values, bins[0], bins[-1]), bins)[0] + ADDED
        shares.append(counts / counts.sum())
    return float(np.sum(shares[0] * np.log(shares[0] / shares[1])))


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.studies.humanization", __doc__, DRAWS, compare, make_table))
