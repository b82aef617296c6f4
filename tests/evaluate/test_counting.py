"""Baselines against their definitions, by hand and on the real data."""

import numpy as np
import pytest

from drumjax.evaluate.baselines.counting import BAR_STEPS, Counter, Line, chords_of
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes

NUM = 4


def line(values):
    """At one place after the other, from the first of the bar on."""
    values = np.asarray(values)
    return Line(values, np.arange(len(values)) % BAR_STEPS)


def test_chords_have_a_bit_per_drum():
    song = Song(make_notes([0, 0, 1.0, 3.95], [0.1] * 4, [36, 42, 38, 36], [90] * 4))
    chords = chords_of(song, ROLAND_TD11).values
    assert len(chords) == 2 * BAR_STEPS  # the last hit anticipates a second bar
    assert (chords[0], chords[4], chords[16]) == (0b101, 0b010, 0b001)
    with pytest.raises(ValueError, match="3/4, not in 4/4"):
        chords_of(Song(song.notes, time_signature=(3, 4)), ROLAND_TD11)


def test_every_baseline_is_a_distribution():
    rng = np.random.default_rng(0)
    counter = Counter([line(rng.integers(0, NUM, 48)) for _ in range(3)], NUM)
    odds = counter.odds(line(rng.integers(0, NUM, 40)))
    np.testing.assert_allclose(odds.sum(axis=1), 1)
    assert odds.min() > 0
    np.testing.assert_allclose(counter.by_place.sum(axis=1), 1)
    np.testing.assert_allclose(counter.unigram.sum(), 1)


def test_the_ngram_by_hand():
    """Trained on 0 1 0 1 0 2: after 0 came 1 twice and 2 once; after 1 0 came 1 once and 2 once."""
    counter = Counter([line([0, 1, 0, 1, 0, 2])], NUM)
    odds = counter.odds(line([3, 0, 3]))[2]  # after 0; 3 0 was never seen
    expected = (np.asarray([0, 2, 1, 0]) + 2 * counter.by_place[2]) / (3 + 2)
    np.testing.assert_allclose(odds, expected)
    odds = counter.odds(line([3, 1, 0, 3]))[3]
    shorter = (np.asarray([0, 2, 1, 0]) + 2 * counter.by_place[3]) / (3 + 2)
    np.testing.assert_allclose(odds, (np.asarray([0, 1, 1, 0]) + 2 * shorter) / (2 + 2))


def test_a_copy_is_likelier_from_the_second_bar_on():
    counter = Counter([line(np.tile([0, 1, 2, 3], 8))], NUM)
    found = counter.judge(line(np.tile([3, 3, 1, 2], 8)))
    for name in ("n-gram", "position in bar"):
        plain, copied = found[name], found[f"0.4 copy + {name}"]
        assert np.all(copied.nll[BAR_STEPS:] < -np.log(0.4))
        np.testing.assert_array_equal(copied.nll[:BAR_STEPS], plain.nll[:BAR_STEPS])


def test_the_likeliest_chord_is_right_or_not():
    counter = Counter([line(np.tile([0, 1, 2, 3], 8))], NUM)
    assert counter.judge(line(np.tile([0, 1, 2, 3], 8)))["position in bar"].correct.all()
    assert not counter.judge(line(np.tile([1, 2, 3, 0], 8)))["position in bar"].correct.any()


def test_the_ngram_plays_what_it_learned():
    """A loop comes back as one; an even choice is even; the same generator plays the same."""
    loop = Counter([line(np.tile([0, 1, 2, 3], 50))] * 20, NUM)
    played = loop.play(64, np.random.default_rng(0))
    assert np.mean(played == np.resize([0, 1, 2, 3], 64)) > 0.9
    np.testing.assert_array_equal(played, loop.play(64, np.random.default_rng(0)))
    even = Counter([line(np.random.default_rng(1).integers(0, 2, 4000))], NUM)
    assert 0.35 < np.mean(even.play(400, np.random.default_rng(2)) == 0) < 0.65


@pytest.mark.slow
def test_baselines_of_the_groove_midi_dataset(groove_44):
    """Nats per 16th of all 4/4 validation files, learned from all 4/4 training files."""
    songs = groove_44
    counter = Counter([chords_of(song, ROLAND_TD11) for song in songs if song.split == "train"], 512, memory=True)
    found = [counter.judge(chords_of(song, ROLAND_TD11)) for song in songs if song.split == "validation"]
    nats = {name: np.concatenate([guess[name].nll for guess in found]).mean() for name in found[0]}
    expected = {
        "unigram": 2.793, "position in bar": 2.590, "0.4 copy + position in bar": 1.882, "n-gram": 1.981,
        "0.4 copy + n-gram": 1.589, "n-gram + suffix pointer": 1.170,
        "n-gram + suffix pointer, share by match": 1.131,
    }  # fmt: skip
    assert nats == pytest.approx(expected, abs=5e-4)
