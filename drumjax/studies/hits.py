"""Hits of excerpts: how they were played, and as a model plays them."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.codecs.base import ABSENT, CENTRE, FREE, clock
from drumjax.codecs.bins import velocity_in
from drumjax.codecs.grid import GridCodec
from drumjax.config.controls import Controls
from drumjax.data.corpus import max_notes, pack, window_at
from drumjax.models.scoring import Example, place_of, score_tokens
from drumjax.models.song_scoring import PRECISION
from drumjax.music.notes import Array, Context, Song
from drumjax.runs.run import Run
from drumjax.sampling.edits import KEEP_ALL, Edit
from drumjax.sampling.piece import Piece
from drumjax.sampling.request import make_request
from drumjax.sampling.sampler import draw as draw_samples

NUM_BARS = 16  # of an excerpt, unless it is said
BATCH = 64


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


def cut(songs: Sequence[Song], codec: GridCodec, styles: Sequence[str], num_bars: int = NUM_BARS) -> Excerpts:
    """Stretches of so many bars of 4/4 from the beginning of each song on."""
    beats = 4 * num_bars
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


def hits_of(tokens: np.ndarray, context: Context, codec: GridCodec, points: Array | float = CENTRE) -> Hits:
    """The hits of tokens [E, T, F], in the order of excerpt, step and drum; points [E, T, F] say where in their bins
    velocity and offset are."""
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
    within = np.broadcast_to(points, tokens.shape)
    played_ms = ((offset + within[..., 1 + num :]) / codec.offset_bins - 0.5) * step_ms
    played = np.asarray(velocity_in(velocity, within[..., 1 : 1 + num], codec.velocity_bins))
    return Hits(excerpt, drum, grid_beat, position, np.maximum(played[is_hit], 1).astype(float), played_ms[is_hit])


def score(run: Run, excerpts: Excerpts, *, hears: bool) -> dict[str, float]:
    """Nats per hit of velocity and offset, of the excerpts each by itself; hears says whether the hits to come are
    known."""
    model, codec = run.model, run.codec

    @jax.jit
    def nats(weights, tokens, context):
        place = place_of(codec, context, clock(codec, tokens, 0)[:, :-1])
        example = Example(tokens, tokens, place, context, hears=jnp.full(len(tokens), hears))
        with jax.default_matmul_precision(PRECISION):
            scores, *_ = score_tokens(model, weights, example, model.initial_carry(len(tokens)))
        return [(jnp.sum(score.nll), jnp.sum(score.count)) for score in scores]

    count = len(excerpts.tokens)
    total = np.zeros((len(model.fields), 2))
    for first in range(0, count, BATCH):
        rows = np.resize(np.arange(first, min(first + BATCH, count)), BATCH)
        tokens = np.where((np.arange(BATCH) < count - first)[:, None, None], excerpts.tokens[rows], ABSENT)
        total += np.asarray(nats(run.weights, tokens, jax.tree.map(lambda x, rows=rows: x[rows], excerpts.context)))
    names = [field.name for field in model.fields]
    return {name: nll / max(num, 1) for name, (nll, num) in zip(names, total.tolist(), strict=True) if name != "hits"}


def humanize(run: Run, excerpts: Excerpts, controls: Controls, draws: int) -> Iterator[Hits]:
    """The excerpts' hits as the model plays them, draw by draw."""
    edit = Edit(
        "humanize", excerpts.tokens[0], np.full(len(excerpts.tokens[0]), KEEP_ALL), hidden=run.hidden_fields, hears=True
    )
    clamp = np.where(np.arange(excerpts.tokens.shape[2]) == 0, excerpts.tokens, FREE)
    return _sample(run, excerpts, controls, draws, clamp, edit)


def play(run: Run, excerpts: Excerpts, controls: Controls, draws: int) -> Iterator[Hits]:
    """What the model plays by itself in the styles and tempos of the excerpts, and as long, draw by draw."""
    return _sample(run, excerpts, controls, draws, np.full_like(excerpts.tokens, FREE), None)


def _sample(
    run: Run, excerpts: Excerpts, controls: Controls, draws: int, clamp: np.ndarray, edit: Edit | None
) -> Iterator[Hits]:
    codec = run.codec
    assert isinstance(codec, GridCodec)
    piece = Piece(dataclasses.replace(controls, bars=1, time_signature="4/4", style=""))
    count, steps, _ = excerpts.tokens.shape
    keep = np.full((BATCH, steps), KEEP_ALL)
    end = (excerpts.tokens[..., 0] >= 0).sum(axis=1, dtype=np.int32)
    for draw in range(draws):
        parts = []
        for first in range(0, count, BATCH):
            rows = np.resize(np.arange(first, min(first + BATCH, count)), BATCH)
            request = make_request(run, [piece] * BATCH, (rows + draw * count).tolist(), edit)
            context = jax.tree.map(lambda column, rows=rows: column[rows], excerpts.context)
            course = request.course._replace(fill=np.resize(context.fill[:, None], request.course.fill.shape))
            request = request._replace(context=context, course=course, clamp=clamp[rows], keep=keep, end=end[rows])
            samples = draw_samples(run.model, run.codec, run.weights, jax.random.key(0), request)
            parts.append([np.asarray(x)[: min(BATCH, count - first)] for x in (samples.tokens, samples.points)])
        tokens, points = (np.concatenate(column) for column in zip(*parts, strict=True))
        yield hits_of(tokens, excerpts.context, codec, points)
