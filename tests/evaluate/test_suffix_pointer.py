"""The song's own past as a baseline: its votes by hand, and its shares."""

import numpy as np
import pytest

from drumjax.evaluate.baselines.counting import Counter, Line
from drumjax.evaluate.baselines.suffix_pointer import (
    DECAY,
    FORGETTING,
    NUM_CLASSES,
    OTHER_PLACE,
    SHARPNESS,
    classes_of,
    fit_share,
    vote,
)

SIZE, BEAT, BAR = 5, 2, 4


def vote_by_hand(values, t):
    """The distribution of the votes for step t, and the best match."""
    odds, best = np.zeros(SIZE), -1.0
    for lag in range(BEAT, t + 1, BEAT):
        match = sum(DECAY ** (t - 1 - s) * (values[s] == values[s - lag]) for s in range(lag, t))
        place = OTHER_PLACE * (lag % BAR != 0)
        odds[values[t - lag]] += np.exp(SHARPNESS * match - place - FORGETTING * np.log(1 + lag / BAR))
        best = max(best, match)
    return odds / max(odds.sum(), 1e-300), best


def test_votes_by_hand():
    values = np.random.default_rng(0).integers(0, SIZE, 30)
    votes = vote(values, SIZE, BEAT, BAR)
    for t in range(30):
        odds, best = vote_by_hand(values, t)
        np.testing.assert_allclose(votes.odds[t], odds, atol=1e-6)
        assert votes.best[t] == pytest.approx(best)


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_the_shortest_songs(length):
    votes = vote(np.zeros(length, int), SIZE, BEAT, BAR)
    assert votes.odds.shape == (length, SIZE)
    assert (votes.best[:BEAT] == -1).all()


def test_steps_are_told_apart_by_their_best_match():
    np.testing.assert_array_equal(classes_of(np.asarray([-1, 0, 0.9, 1, 3.9, 4.0, 4.99])), [-1, 0, 0, 1, 3, 4, 4])
    assert NUM_CLASSES == 5


def test_the_share_is_the_likeliest():
    rng = np.random.default_rng(0)
    voted, other = rng.random((2, 500))
    share = fit_share([(voted[:200], other[:200]), (voted[200:], other[200:])])
    nats = [-np.log(s * voted + (1 - s) * other).mean() for s in (share - 0.02, share, share + 0.02)]
    assert nats[1] < min(nats[0], nats[2])
    assert fit_share([]) == 0.5


def test_a_song_that_repeats_itself_is_foreseen_from_its_past():
    """Of patterns that no other song has, the n-gram knows nothing, and the memory all."""
    rng = np.random.default_rng(1)
    songs = [np.tile(rng.integers(0, 64, 16), 8) for _ in range(12)]
    lines = [Line(song, np.arange(len(song)) % 16) for song in songs]
    counter = Counter(lines[:-1], 64, memory=True)
    found = counter.judge(lines[-1])
    names = list(found)
    assert names[-2:] == ["n-gram + suffix pointer", "n-gram + suffix pointer, share by match"]
    assert found[names[-2]].nll[32:].mean() < 0.3 < 2 < found["n-gram"].nll[32:].mean()
    assert found[names[-1]].nll.mean() <= found[names[-2]].nll.mean() + 0.02
    np.testing.assert_array_equal(found[names[-1]].nll[:4], found["n-gram"].nll[:4])  # no past, no votes
    assert "n-gram + suffix pointer" not in Counter(lines, 64).judge(lines[-1])
