"""The likelihood of whole songs under a model: from bar 0 to the end of the last bar, state carried all the way."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.codecs import ABSENT, Codec
from drumjax.corpus import max_notes, pack, window_at
from drumjax.loss import Example, Score, place_of, score_tokens
from drumjax.model import Model, Params
from drumjax.notes import Context, Song

# Songs are scored a chunk at a time, a batch of songs of similar length side by side; these fix the compiled shape.
CHUNK_BEATS = 32
BATCH_SONGS = 16


class SongBatch(NamedTuple):
    """Whole songs as tokens.

    songs    [n] which songs of the list given to encode_songs, n <= BATCH_SONGS
    tokens   [chunks, BATCH_SONGS, T, F] int32, ABSENT beyond the end of a song
    context  Context [BATCH_SONGS]
    """

    songs: np.ndarray
    tokens: np.ndarray
    context: Context


def encode_songs(songs: Sequence[Song], codec: Codec, styles: Sequence[str]) -> list[SongBatch]:
    """Encodes every song from its first bar to the end of its last one.

    Raises ValueError for a song whose bars the codec does not accept.
    """
    for song in songs:
        if not codec.accepts(song.beats_per_bar):
            raise ValueError(
                f"{song.name}: bars of {'{}/{}'.format(*song.time_signature)} do not fit the codec's steps"
            )
    corpus = pack(songs, styles)
    num_notes = max_notes(corpus, CHUNK_BEATS)
    num_steps = codec.num_steps(CHUNK_BEATS)

    @jax.jit
    def encode(corpus, song, start_beat):
        return jax.vmap(
            lambda s, b: codec.encode(window_at(corpus, s, b, CHUNK_BEATS, num_notes), num_steps),
        )(song, start_beat)

    num_chunks = np.ceil(corpus.end_beat / CHUNK_BEATS).astype(int)
    device_corpus = jax.device_put(corpus)
    by_length = np.argsort(num_chunks, kind="stable")
    batches = []
    for begin in range(0, len(songs), BATCH_SONGS):
        index = by_length[begin : begin + BATCH_SONGS]
        rows = np.resize(index, BATCH_SONGS).astype(np.int32)
        chunks = []
        for chunk in range(num_chunks[index].max()):
            # A chunk beyond a song's end is taken at its last one, then blanked.
            inside = (chunk < num_chunks[rows]) & (np.arange(BATCH_SONGS) < len(index))
            start = np.minimum(chunk, num_chunks[rows] - 1).astype(np.int32) * CHUNK_BEATS
            tokens = np.asarray(encode(device_corpus, rows, start))
            chunks.append(np.where(inside[:, None, None], tokens, ABSENT))
        context = jax.tree.map(lambda column, rows=rows: column[rows], corpus.context)
        batches.append(SongBatch(index, np.stack(chunks), context))
    return batches


SongScorer = Callable[[Params, Params, list[SongBatch]], tuple[Score, ...]]


def make_song_scorer(model: Model, codec: Codec) -> SongScorer:
    """A function (params, stats, batches) -> per field a Score of numpy arrays [S], one entry per song."""

    @functools.partial(jax.jit, donate_argnums=(5,))
    def score_chunk(params, stats, tokens, first, first_step, carry, context):
        example = Example(tokens, place_of(codec, context, tokens.shape[1], first_step), context)
        scores, carry, _ = score_tokens(model, params, stats, example, carry, first=first)
        return scores, carry

    def score(params: Params, stats: Params, batches: list[SongBatch]) -> tuple[Score, ...]:
        num_songs = sum(len(batch.songs) for batch in batches)
        totals = tuple(Score(*np.zeros((len(Score._fields), num_songs))) for _ in model.fields)
        for batch in batches:
            carry = model.initial_carry(batch.tokens.shape[1])
            first = np.full_like(batch.tokens[0, :, 0], ABSENT)
            step = 0
            for tokens in batch.tokens:
                scores, carry = score_chunk(params, stats, tokens, first, jnp.int32(step), carry, batch.context)
                first, step = tokens[:, -1], step + tokens.shape[1]
                for total, now in zip(totals, scores, strict=True):
                    for sums, values in zip(total, now, strict=True):
                        sums[batch.songs] += np.asarray(values)[: len(batch.songs)]
        return totals

    return score


def mean_nll(scores: tuple[Score, ...], songs: np.ndarray | slice = slice(None)) -> list[float]:
    """Nats per existing variable of each field (hits: per step; velocity, offset: per hit) over the chosen songs."""
    return [float(np.sum(score.nll[songs]) / max(np.sum(score.count[songs]), 1)) for score in scores]
