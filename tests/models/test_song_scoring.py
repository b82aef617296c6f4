"""Scores of whole songs: chunks with carried state are one piece, and every song keeps its own sums."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import CODEC, STYLES, THREE_DRUMS, make_model, make_song, make_teacher, make_weights, zero_weights

from drumjax.codecs.base import ABSENT, field_slices
from drumjax.codecs.grid import GridCodec
from drumjax.data.corpus import max_notes, pack, window_at
from drumjax.models import song_scoring
from drumjax.models.scoring import Score, cross_entropy
from drumjax.models.song_scoring import encode_songs, make_song_scorer, mean_nll
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes

# Of one to three chunks, in no order; bars that do not fill a chunk, and one that is no whole number of beats.
SONGS = [
    make_song(0, 21, (3, 4), style="jazz"),
    make_song(1, 2),
    make_song(2, 19, (7, 8), style="rock"),
    make_song(3, 17),
    make_song(4, 8, style="unheard of"),
]
LENGTHS = [63, 8, 66.5, 68, 32]


@pytest.fixture(scope="module")
def batches():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(song_scoring, "BATCH_SONGS", 3)  # two batches, the second not full
        return encode_songs(SONGS, CODEC, STYLES)


@pytest.fixture(scope="module")
def scores(batches):
    model = make_model(num_layers=1)
    return make_song_scorer(model, CODEC)(make_weights(model), batches)


@pytest.fixture(scope="module")
def whole_songs():
    """Tokens [S, T, F] and contexts of the songs, each encoded in one piece."""
    corpus = pack(SONGS, STYLES)
    num_notes = max_notes(corpus, 72)
    encode = jax.vmap(lambda s: CODEC.encode(window_at(corpus, s, jnp.int32(0), 72, num_notes), 144))
    corpus = jax.device_put(corpus)
    return np.asarray(jax.jit(encode)(jnp.arange(len(SONGS)))), corpus.context


def test_every_song_is_encoded_once_and_whole(batches, whole_songs):
    assert sorted(np.concatenate([batch.songs for batch in batches])) == list(range(len(SONGS)))
    for batch in batches:
        tokens = batch.tokens
        for row, song in enumerate(batch.songs):
            steps = int(2 * LENGTHS[song])
            np.testing.assert_array_equal(tokens[row, :steps], whole_songs[0][song, :steps])
            assert (tokens[row, :steps, 0] >= 0).all()
            assert (tokens[row, steps:] == ABSENT).all()
        assert (tokens[len(batch.songs) :] == ABSENT).all()
    context = batches[0].context
    assert [STYLES[style] for style in context.style] == [
        {"unheard of": ""}.get(SONGS[song].style, SONGS[song].style) for song in batches[0].songs
    ]


def test_chunks_with_carried_state_are_one_piece(scores, whole_songs):
    tokens, context = whole_songs
    model = make_model(num_layers=1)
    logits = make_teacher(model)(make_weights(model), tokens, context)
    inside = np.arange(tokens.shape[1]) < 2 * np.asarray(LENGTHS)[:, None]
    for score, values, where in zip(scores, logits, field_slices(CODEC.fields), strict=True):
        target = tokens[..., where]
        exists = inside[..., None] & (target != ABSENT)
        log_p = np.asarray(jax.nn.log_softmax(values))
        chosen = np.take_along_axis(log_p, np.maximum(target, 0)[..., None], axis=-1)[..., 0]
        np.testing.assert_allclose(score.nll, -(chosen * exists).sum((1, 2)), rtol=2e-5)
        correct = exists & (log_p.argmax(-1) == target)
        np.testing.assert_allclose(score.correct, correct.sum((1, 2)), atol=1)  # of two equals either may win


def test_what_is_counted(scores, whole_songs):
    np.testing.assert_array_equal(scores[0].count, 2 * np.asarray(LENGTHS))
    num_hits = (whole_songs[0][:, :, 1:4] != ABSENT).sum((1, 2))
    for score in scores[1:]:
        np.testing.assert_array_equal(score.count, num_hits)


@pytest.mark.slow
def test_a_model_that_knows_nothing_pays_for_every_value():
    """log(512) nats per 16th, log(32) per velocity and log(16) per offset of a hit."""
    codec = GridCodec(ROLAND_TD11, 4, True, 32, 16, 1)
    model = make_model(codec, num_layers=1, lookback=False, features=False, pointer=False)
    songs = [make_song(0, 2), make_song(1, 4, (6, 8))]
    scores = make_song_scorer(model, codec)(zero_weights(model), encode_songs(songs, codec, STYLES))
    assert mean_nll(scores) == pytest.approx([math.log(512), math.log(32), math.log(16)], rel=1e-5)
    np.testing.assert_array_equal(scores[0].count, [32, 48])


def test_means_over_chosen_songs():
    none = np.zeros((5, 2))
    scores = (Score(*none)._replace(nll=np.array([2.0, 9.0]), count=np.array([4.0, 3.0])), Score(*none))
    assert mean_nll(scores) == [11 / 7, 0]
    assert mean_nll(scores, np.array([1])) == [3, 0]


def test_bars_longer_than_the_tables_are_refused_or_scored():
    """16/4 has twice the places of the longest bar that the codec provides for."""
    codec = GridCodec(THREE_DRUMS, 2, False, lookback_bars=1)
    model = make_model(codec, num_layers=1)
    song = Song(make_notes([0, 1, 15, 17, 40], np.zeros(5), [36] * 5, [90] * 5), time_signature=(16, 4))
    try:
        batches = encode_songs([song], codec, STYLES)
    except ValueError:
        return
    assert np.isfinite(mean_nll(make_song_scorer(model, codec)(make_weights(model), batches)))


def test_cross_entropy_and_its_slope():
    rng = np.random.default_rng(0)
    logits, value = rng.normal(scale=3, size=(2, 5, 3, 7)), rng.integers(0, 7, (2, 5, 3))
    weight = rng.normal(size=value.shape)
    with jax.enable_x64(True):
        loss, slope = jax.value_and_grad(lambda x: jnp.sum(weight * cross_entropy(x, value)))(logits)
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    chosen = np.take_along_axis(softmax, value[..., None], -1)[..., 0]
    np.testing.assert_allclose(loss, -np.sum(weight * np.log(chosen)))
    np.testing.assert_allclose(slope, weight[..., None] * (softmax - np.eye(7)[value]), atol=1e-12)


def test_cross_entropy_of_huge_logits():
    loss, slope = jax.jit(jax.value_and_grad(cross_entropy))(jnp.float32([1e4, -1e4, 0.0]), jnp.int32(1))
    assert loss == 2e4
    np.testing.assert_array_equal(slope, [1, -1, 0])
