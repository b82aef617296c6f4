"""Where to begin: bar lines, no silence, not the end."""

import numpy as np
import pytest

from drumjax.music.notes import Song, make_notes
from drumjax.sampling.given_music import MusicError
from drumjax.sampling.random_prompt import BARS_LEFT, choose_prompt


def make(beats, name="song", time_signature=(4, 4)):
    size = len(beats)
    return Song(make_notes(beats, [0.5] * size, [60] * size, [80] * size), time_signature=time_signature, name=name)


def starts(song, num_bars, draws=60):
    """The bars that were chosen, counted from 1."""
    return {int(choose_prompt([song], num_bars, seed).name.split()[-1]) for seed in range(draws)}


def test_any_bar_but_the_last_ones():
    song = make(np.arange(0, 48, 1.0))  # 12 bars
    assert starts(song, 2) == set(range(1, 12 - 2 - BARS_LEFT + 2))


def test_neither_silence_nor_a_bar_whose_first_beat_is_silent():
    beats = [b for b in np.arange(0, 48, 1.0) if not 8 <= b < 12 and b != 16]  # bar 3 is silent, bar 5 begins late
    assert starts(make(beats), 2) == {1, 4, 6, 7}


def test_it_is_cut_out_and_begins_at_beat_0():
    song = make(np.concatenate([[-0.01 + 4], np.arange(0, 40, 0.5)]), time_signature=(3, 4))
    prompt = choose_prompt([song], 2, 1)
    assert prompt.num_bars == 2
    assert prompt.notes.onset_beat.min() == 0
    assert prompt.notes.onset_beat.max() < 6
    assert prompt.time_signature == (3, 4)
    assert choose_prompt([song], 2, 1).name == prompt.name


def test_nothing_to_begin_with_is_explained():
    with pytest.raises(MusicError, match="no held-out song has 4 bars of music"):
        choose_prompt([make([0.0, 1.0])], 4, 0)
    with pytest.raises(MusicError):
        choose_prompt([], 1, 0)


def test_hits_that_anticipate_the_next_bar_are_no_bar_of_the_prompt():
    """Downbeats are early now and then: that of the first bar belongs to it, that after the last does not."""
    beats = np.arange(0, 48, 0.5) - np.where(np.arange(96) % 8 == 0, 0.1, 0)
    song = make(np.maximum(beats, 0))
    for seed in range(20):
        prompt = choose_prompt([song], 3, seed)
        assert prompt.num_bars == 3
        assert prompt.notes.onset_beat.min() == 0
        assert len(prompt.notes.pitch) == 24
