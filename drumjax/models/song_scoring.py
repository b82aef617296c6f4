"""The likelihood of whole songs under a model: from bar 0 to the end of the last bar, or to the last note where steps
are notes, state carried all the way."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.codecs.base import ABSENT, Codec, clock
from drumjax.data.corpus import Corpus, pack, window_at
from drumjax.models.interface import Carry, Weights
from drumjax.models.model import Model
from drumjax.models.scoring import Example, Score, place_of, score_tokens
from drumjax.music.metre import write_metre
from drumjax.music.notes import Array, Context, Song
from drumjax.system.kept_programs import keep

# Scores are compared between devices: a GPU's own choice is TensorFloat-32, a TPU's bfloat16.
PRECISION = "float32"
# Songs are scored a chunk at a time, a batch of songs of similar length side by side; these fix the compiled shape.
CHUNK_STEPS = 128
BATCH_SONGS = 16


class SongBatch(NamedTuple):
    """Whole songs as tokens.

    songs    [n] which songs of the list given to encode_songs, n <= BATCH_SONGS
    tokens   [BATCH_SONGS, T, F] int32, ABSENT beyond the end of a song; T is a multiple of CHUNK_STEPS
    context  Context [BATCH_SONGS]
    """

    songs: np.ndarray
    tokens: np.ndarray
    context: Context


@functools.lru_cache(maxsize=32)  # so that the next songs of a run do not compile again
def _make_encoder(codec: Codec, num_beats: int, num_notes: int) -> Callable[[Corpus, np.ndarray], Array]:
    """A compiled function (corpus, songs [B]) -> tokens [B, T, F], of songs of so many beats and notes at most."""
    num_steps = -(-codec.num_steps(num_beats, num_notes) // CHUNK_STEPS) * CHUNK_STEPS

    @jax.jit
    def encode(corpus, songs):
        windows = jax.vmap(lambda song: window_at(corpus, song, jnp.int32(0), num_beats, num_notes))(songs)
        return jax.vmap(lambda window: codec.encode(window, num_steps))(windows)

    return keep(encode, codec, num_beats, num_notes)


def encode_songs(songs: Sequence[Song], codec: Codec, styles: Sequence[str]) -> list[SongBatch]:
    """Encodes every song from its first bar to the end of its last one.

    Raises ValueError for a song whose bars the codec does not accept.
    """
    for song in songs:
        if not codec.accepts(song.beats_per_bar):
            raise ValueError(f"{song.name}: bars of {write_metre(song.time_signature)} do not fit the codec's steps")
    corpus = pack(songs, styles)
    device_corpus = jax.device_put(corpus)
    # Lengths are rounded up to powers of two, and the notes to the most of any song of that length: few shapes compile.
    length = 1 << np.maximum(5, np.ceil(np.log2(np.maximum(corpus.end_beat, 1)))).astype(int)
    count = np.diff(corpus.song_note)
    most = {beats: int(count[length == beats].max()) for beats in np.unique(length).tolist()}
    by_length = np.lexsort((count, corpus.end_beat))
    batches = []
    for begin in range(0, len(songs), BATCH_SONGS):
        index = by_length[begin : begin + BATCH_SONGS]
        rows = np.resize(index, BATCH_SONGS).astype(np.int32)
        beats = int(length[rows].max())
        encode = _make_encoder(codec, beats, max(most[other] for other in most if other <= beats))
        tokens = encode(device_corpus, rows)
        used = (np.asarray(tokens[:, :, 0]) != ABSENT).any(axis=0).sum()
        tokens = np.array(tokens[:, : max(1, -(-int(used) // CHUNK_STEPS)) * CHUNK_STEPS])
        tokens[len(index) :] = ABSENT  # the rows that only fill the batch
        context = jax.tree.map(lambda column, rows=rows: column[rows], corpus.context)
        batches.append(SongBatch(index, tokens, context))
    return batches


SongScorer = Callable[[Weights, list[SongBatch]], tuple[Score, ...]]
ChunkScorer = Callable[..., tuple[tuple[Score, ...], Carry, Array]]


@functools.lru_cache(maxsize=8)
def make_chunk_scorer(model: Model, codec: Codec) -> ChunkScorer:
    """A compiled function of (weights, tokens [B, CHUNK_STEPS, F], the tokens before them [B, F], the ticks at which
    they begin [B], carry, context [B]); gives the scores [B] of every field, the carry, and the ticks after them."""

    @functools.partial(jax.jit, donate_argnums=(4,))
    def score_chunk(weights, tokens, first, start, carry, context):
        tick = clock(codec, tokens, start)
        example = Example(tokens, tokens, place_of(codec, context, tick[:, :-1]), context)
        with jax.default_matmul_precision(PRECISION):
            scores, carry, _ = score_tokens(model, weights, example, carry, first=first)
        return scores, carry, tick[:, -1]

    return score_chunk


@functools.lru_cache(maxsize=8)
def make_song_scorer(model: Model, codec: Codec, chunk_scorer: ChunkScorer | None = None) -> SongScorer:
    """A function (weights, batches) -> per field a Score of numpy arrays [S], one entry per song.

    Asked for again it is the same function, which does not compile again. chunk_scorer may stand in the place of
    make_chunk_scorer's.
    """
    score_chunk = chunk_scorer or keep(make_chunk_scorer(model, codec), model, codec, donate_argnums=(4,))

    def score(weights: Weights, batches: list[SongBatch]) -> tuple[Score, ...]:
        num_songs = sum(len(batch.songs) for batch in batches)
        totals = tuple(Score(*np.zeros((len(Score._fields), num_songs))) for _ in model.fields)
        for batch in batches:
            # Where the weights are, as all later ones will be: otherwise the first chunk compiles by itself.
            where = getattr(jax.tree.leaves(weights)[0], "sharding", None)
            begin_at = model.initial_carry(len(batch.tokens)), np.zeros(len(batch.tokens), np.int32)
            carry, tick = jax.device_put(begin_at, where)
            first = np.full_like(batch.tokens[:, 0], ABSENT)
            for begin in range(0, batch.tokens.shape[1], CHUNK_STEPS):
                tokens = batch.tokens[:, begin : begin + CHUNK_STEPS]
                scores, carry, tick = score_chunk(weights, tokens, first, tick, carry, batch.context)
                first = tokens[:, -1]
                for total, now in zip(totals, scores, strict=True):
                    for sums, values in zip(total, now, strict=True):
                        sums[batch.songs] += np.asarray(values)[: len(batch.songs)]
        return totals

    return score


def mean_nll(scores: tuple[Score, ...], songs: np.ndarray | slice = slice(None)) -> list[float]:
    """Nats per existing variable of each field (hits: per step; velocity, offset: per hit) over the chosen songs."""
    return [float(np.sum(score.nll[songs]) / max(np.sum(score.count[songs]), 1)) for score in scores]
