"""What is in the training split: copies, runs and near misses, built by hand."""

import numpy as np
import pytest

from drumjax.evaluate.memorization import TrainingBars

DRUMS = 3


def random_bars(num, seed):
    return np.random.default_rng(seed).random((num, 16, DRUMS)) < 0.3


@pytest.fixture(scope="module")
def training():
    return TrainingBars([random_bars(20, 0), random_bars(30, 1)])


def test_a_copy_of_training_is_found_out(training):
    memory = training.compare([random_bars(20, 0)[4:12]])
    assert memory == (1.0, 8.0, 8.0, 0.0)


def test_new_bars_are_new(training):
    memory = training.compare([random_bars(8, 7)])
    assert memory.copied == 0
    assert memory.longest < 1
    assert memory.nearest > 3


def test_half_a_copy(training):
    mixed = np.concatenate([random_bars(20, 0)[:4], random_bars(4, 8)])
    memory = training.compare([mixed, random_bars(8, 9)])
    assert memory.copied == pytest.approx(4 / 16)
    assert 4 <= memory.longest < 5
    assert memory.run == pytest.approx((training.longest_run(mixed) + training.longest_run(random_bars(8, 9))) / 32)


def test_one_hit_changed(training):
    bars = random_bars(20, 0)[3:5].copy()
    bars[0, 5, 1] ^= True
    memory = training.compare([bars])
    assert (memory.copied, memory.nearest) == (0.5, 0.5)


def test_runs_keep_their_place_in_the_bar_and_end_with_the_song(training):
    """A stretch that begins in mid-bar counts; the same steps moved by one do not; no run leaves a song."""
    bars = random_bars(20, 0).reshape(-1, DRUMS)
    from_the_middle = np.concatenate([random_bars(1, 5)[0, :8], bars[8:32]]).reshape(-1, 16, DRUMS)
    assert 24 <= training.longest_run(from_the_middle) < 28
    assert training.longest_run(bars[1:33].reshape(-1, 16, DRUMS)) < 16
    both = np.concatenate([random_bars(20, 0)[-2:], random_bars(30, 1)[:2]])
    assert training.longest_run(both) == 32


def test_silence_is_no_copy(training):
    silent = np.zeros((2, 16, DRUMS), bool)
    assert np.isnan(training.compare([silent]).copied)
    assert training.compare([np.concatenate([silent, random_bars(20, 0)[:2]])]).copied == 1
