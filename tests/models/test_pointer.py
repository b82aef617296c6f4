"""The pointer finds what followed similar moments, in any chunks, and the gate mixes it in."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import CODEC, make_context, make_model, make_module, make_weights, random_tokens, stack

from drumjax.codecs.base import ABSENT, clock
from drumjax.codecs.events import EventCodec
from drumjax.codecs.vocabulary import Vocabulary
from drumjax.models.gate import Gate
from drumjax.models.interface import Memory
from drumjax.models.lookback import empty_history, recall
from drumjax.models.matching import DECAYS, HORIZON, MISSING, NUM_MATCHES, advance, match_all
from drumjax.models.pointer import NUM_FEATURES, Pointer, Votes, first_match
from drumjax.models.scoring import place_of

UNIT, BEATS, HEADS, BATCH, STEPS = 2, 6, 2, 3, 23
NOTES = EventCodec(None, Vocabulary(tuple(range(60, 68)), 8, (3, 6, 12), 0), ticks_per_beat=4, velocity_bins=4)
BAR_STEPS = np.asarray([8, 6, 4])
RING = 20


@functools.cache
def make_pointer() -> Pointer:
    pointer = make_module(Pointer, CODEC.fields, UNIT, BEATS, HEADS, 5)
    rng = np.random.default_rng(0)
    pointer.match[...] = jnp.asarray(rng.normal(size=pointer.match.shape), jnp.float32)
    pointer.lag[...] = jnp.asarray(rng.normal(size=pointer.lag.shape), jnp.float32)
    return pointer


def make_tokens(seed: int = 0, steps: int = STEPS) -> np.ndarray:
    """Few chords, so that matches are many."""
    return random_tokens(seed, 1, 8)[:, np.random.default_rng(seed).integers(0, 3, (BATCH, steps))][0]


def shift(tokens: np.ndarray) -> np.ndarray:
    return np.concatenate([np.full_like(tokens[:, :1], ABSENT), tokens[:, :-1]], axis=1)


def read(tokens: np.ndarray, chunks: list[int]) -> tuple[Votes, np.ndarray]:
    """What the pointer finds before each step of tokens [B, T, F], chunk by chunk, and the last matches."""
    context = stack([make_context(time_signature=metre) for metre in ((4, 4), (3, 4), (2, 4))])
    place = place_of(CODEC, context, jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape[:2]))
    np.testing.assert_array_equal(place.bar_ticks[:, 0], BAR_STEPS)

    pointer = make_pointer()

    @jax.jit
    def one(history, previous, match, place):
        votes, match = pointer(history, previous, match, place.bar_ticks[:, 0])
        return votes, recall(history, previous, place)[1], match

    history, match = empty_history(BATCH, RING, tokens.shape[2]), first_match(BATCH, BEATS)
    parts, previous, begin = [], shift(tokens), 0
    for size in chunks:
        here = jax.tree.map(lambda x, b=begin, n=size: x[:, b : b + n], place)
        votes, history, match = one(history, previous[:, begin : begin + size], match, here)
        parts.append(votes)
        begin += size
    return jax.tree.map(lambda *x: np.concatenate(x), *parts), np.asarray(match)


def find_by_hand(tokens: np.ndarray, row: int, t: int):
    """(odds [H, size], mean velocity of each drum [H, drums], best matches [NUM_MATCHES]) before step t."""
    hits = [int(x) for x in tokens[row, :, 0]]
    pointer, bar = make_pointer(), int(BAR_STEPS[row])
    weight, bias = np.asarray(pointer.match[...]), np.asarray(pointer.lag[...])

    def match(lag: int) -> np.ndarray:
        found = np.zeros(NUM_MATCHES)
        for s in range(1, t + 1):
            a, b = (hits[s - 1], hits[s - 1 - lag]) if s - 1 - lag >= 0 else (None, None)
            union = (a | b).bit_count() if a is not None else 1
            jaccard = 0.0 if a is None else ((a & b).bit_count() / union if union else 1.0)
            same = np.repeat([float(a is not None and a == b), jaccard], len(DECAYS))
            found = found * np.tile(DECAYS, 2) + same
        return found

    lags = [UNIT * beats for beats in range(1, BEATS + 1) if UNIT * beats <= t]
    matches = np.stack([match(lag) for lag in lags])
    about = [[lag % bar != 0, np.log1p(lag / bar), *(lag % (n * bar) == 0 for n in (2, 4, 8))] for lag in lags]
    scores = matches @ weight + np.asarray(about, float) @ bias
    attention = np.exp(scores) / np.exp(scores).sum(axis=0)
    odds = np.zeros((HEADS, CODEC.fields[0].size))
    velocity = np.zeros((HEADS, 3))
    for lag, share in zip(lags, attention, strict=True):
        odds[:, hits[t - lag]] += share
        bins = tokens[row, t - lag, 1:4]
        velocity += share[:, None] * np.where(bins == ABSENT, 0, (bins + 0.5) / CODEC.velocity_bins)
    return odds, velocity, matches.max(axis=0)


def test_it_finds_what_is_found_by_hand():
    tokens = make_tokens()
    votes, _ = read(tokens, [STEPS])
    assert not votes.known[:UNIT].any()
    assert votes.known[UNIT:].all()
    np.testing.assert_array_equal(votes.odds[:UNIT], 0)
    for row in range(BATCH):
        for t in (UNIT, 7, 12, 13, STEPS - 1):
            odds, velocity, best = find_by_hand(tokens, row, t)
            np.testing.assert_allclose(votes.odds[t, row], odds, atol=1e-5)
            np.testing.assert_allclose(votes.reads[t, row, :, 6:9], velocity, atol=1e-5)  # after 3 drums, 3 presences
            np.testing.assert_allclose(
                votes.features[t, row, 0, -NUM_MATCHES:], best * np.tile(1 - np.asarray(DECAYS), 2), atol=1e-5
            )


@pytest.mark.parametrize("chunks", [[1] * STEPS, [10, 13], [4, 1, 1, 17], [3, 20]])
def test_chunks_and_single_steps_are_one_piece(chunks):
    tokens = make_tokens(1)
    whole, last = read(tokens, [STEPS])
    parts, last_of_parts = read(tokens, chunks)
    for name, a, b in zip(Votes._fields, whole, parts, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(last, last_of_parts, atol=1e-5)


def test_a_bar_that_was_played_before_is_copied():
    rng = np.random.default_rng(0)
    bar = rng.integers(0, 8, 8)
    hits = np.concatenate([bar, rng.integers(0, 8, 8), bar[:6]])
    tokens = np.full((BATCH, len(hits) + 1, 7), ABSENT, np.int32)
    tokens[:, :-1, 0] = hits
    pointer = make_module(Pointer, CODEC.fields, UNIT, 12, 1, 5)
    votes, _ = jax.jit(pointer)(
        empty_history(BATCH, 25, 7), shift(tokens), first_match(BATCH, 12), jnp.asarray([8, 8, 8])
    )
    assert votes.odds[-1, 0, 0].argmax() == bar[6]
    assert votes.odds[-1, 0, 0].max() > 0.9


def test_notes_are_found_one_by_one():
    """A melody of five notes that comes again after a rest, with the tokens of all its fields."""
    tokens = np.full((1, 14, 4), ABSENT, np.int32)
    melody = np.asarray([3, 5, 1, 6, 2])
    tokens[0, :5, 0], tokens[0, 5:7, 0], tokens[0, 7:12, 0] = melody, 0, melody
    tokens[..., 1:] = np.where(tokens[..., :1] > 0, (tokens[..., :1] + np.asarray([0, 1, 2])) % 3, ABSENT)
    pointer = make_module(Pointer, NOTES.fields, 0, 9, 1, 5)
    place = place_of(NOTES, stack([make_context()]), clock(NOTES, tokens, 0)[:, :-1])

    @jax.jit
    def read(history, previous, match, place):
        votes, match = pointer(history, previous, match, place.bar_ticks[:, 0])
        return votes, recall(history, previous, place)[1], match

    history, match = empty_history(1, 12, 4), first_match(1, 9)
    whole, *_ = read(history, shift(tokens), match, place)
    for step in range(tokens.shape[1]):
        here = jax.tree.map(lambda x, t=step: x[:, t : t + 1], place)
        votes, history, match = read(history, shift(tokens)[:, step : step + 1], match, here)
        for name, a, b in zip(Votes._fields, whole, votes, strict=True):
            np.testing.assert_allclose(a[step : step + 1], b, atol=1e-5, err_msg=name)
    for step in (9, 10, 11):
        assert whole.odds[step, 0, 0].argmax() == melody[step - 7]
        assert whole.odds[step, 0, 0].max() > 0.8
    width = [field.features.shape[1] for field in NOTES.fields]
    read = np.split(np.asarray(whole.reads[11, 0, 0]), np.cumsum(width)[:-1])
    for field, found, value in zip(NOTES.fields, read, tokens[0, 11], strict=True):
        np.testing.assert_allclose(found, field.features[value], atol=0.2)


def test_the_gradient_of_copying_is_that_of_the_plain_sum():
    tokens = make_tokens(2)
    history = empty_history(BATCH, RING, 7)
    graph, state = nnx.split(make_pointer())
    slope = jnp.asarray(np.random.default_rng(1).normal(size=(STEPS, BATCH, HEADS, 8)), jnp.float32)

    @jax.jit
    def total(state, previous):
        votes, _ = nnx.merge(graph, state)(history, previous, first_match(BATCH, BEATS), jnp.asarray(BAR_STEPS))
        return jnp.sum(votes.odds * slope)

    grads = jax.grad(total)(state, shift(tokens))
    for name in ("match", "lag"):
        for index in ((0, 0), (1, 1), (4, 1)):
            both = []
            for eps in (0.01, -0.01):
                moved = jax.tree.map(lambda x: x, state)
                moved[name].value = moved[name].value.at[index].add(eps)
                both.append(float(total(moved, shift(tokens))))
            assert (both[0] - both[1]) / 0.02 == pytest.approx(float(grads[name].value[index]), abs=2e-3)


def test_a_song_that_is_remembered_is_found_as_one_that_was_heard():
    """Votes after a memory are those of the whole song; what is not there yet is not found."""
    model, tokens = make_model(), make_tokens(3, 40)
    tokens[1, :11] = ABSENT  # this song begins later
    weights, context = make_weights(model), stack([make_context()] * BATCH)
    place = place_of(CODEC, context, jnp.broadcast_to(jnp.arange(40), (BATCH, 40)))

    @jax.jit
    def run(carry, previous, place):
        hidden, *_ = model.apply(weights, previous, place, context, carry)
        return hidden.votes, hidden.lookback

    when = jnp.broadcast_to(jnp.arange(-25, 0), (BATCH, 25))
    carry, first = model.remember(weights, Memory(jnp.asarray(tokens[:, :25]), when))
    np.testing.assert_array_equal(first, tokens[:, 24])
    later = jax.tree.map(lambda x: x[:, 25:], place)._replace(tick=place.tick[:, 25:] - 25)
    votes, lookback = run(carry, shift(tokens)[:, 25:], later)
    all_votes, all_lookback = run(model.initial_carry(BATCH), shift(tokens), place)
    for name, a, b in zip(Votes._fields, all_votes, votes, strict=True):
        np.testing.assert_allclose(a[25:], b, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(all_lookback[25:], lookback)


def test_the_gate_mixes_distributions():
    rng = np.random.default_rng(0)
    gate = make_module(Gate, 4, HEADS)
    logits = jnp.asarray(rng.normal(size=(2, BATCH, 8)), jnp.float32)
    known = jnp.asarray([[True, False, True]] * 2)
    odds = jnp.asarray(rng.dirichlet(np.ones(8), (2, BATCH, HEADS)), jnp.float32) * known[..., None, None]
    votes = Votes(odds, jnp.zeros((2, BATCH, HEADS, 1)), jnp.zeros((2, BATCH, HEADS, NUM_FEATURES)), known)
    mixed = jax.nn.softmax(logits), np.exp(jax.jit(gate)(jnp.zeros((2, BATCH, 4)), logits, votes))
    np.testing.assert_allclose(mixed[1].sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(mixed[0][:, 1], mixed[1][:, 1], atol=1e-6)  # without a past all is the model's own
    assert np.abs(mixed[0][:, 0] - mixed[1][:, 0]).max() > 0.01


def test_matches_of_a_long_memory_are_those_of_its_steps():
    """Also of more steps than count any more."""
    sets = np.random.default_rng(0).integers(-1, 3, (BATCH, HORIZON + 70))
    lags = UNIT * np.arange(BEATS, 0, -1)
    match = first_match(BATCH, BEATS)
    step = jax.jit(advance)
    for t in range(sets.shape[1]):
        lagged = np.where(t >= lags, sets[:, np.maximum(t - lags, 0)], MISSING)
        match = step(match, sets[:, t], lagged)
    np.testing.assert_allclose(match_all(sets, lags), match, atol=1e-5)
    assert match.max() > 3


def test_without_lookback_the_past_is_remembered_all_the_same():
    model, tokens = make_model(lookback=False), make_tokens(4, 24)
    weights, context = make_weights(model), stack([make_context()] * BATCH)
    place = place_of(CODEC, context, jnp.broadcast_to(jnp.arange(24), (BATCH, 24)))
    apply = jax.jit(lambda carry, previous, place: model.apply(weights, previous, place, context, carry)[:2])
    whole, _ = apply(model.initial_carry(BATCH), shift(tokens), place)
    carry = model.initial_carry(BATCH)
    for part in (slice(0, 12), slice(12, 24)):
        here = jax.tree.map(lambda x, part=part: x[:, part], place)
        hidden, carry = apply(carry, shift(tokens)[:, part], here)
        np.testing.assert_allclose(hidden.output, whole.output[part], atol=1e-5)
        np.testing.assert_allclose(hidden.votes.odds, whole.votes.odds[part], atol=1e-5)
    assert hidden.votes.known.all()
