"""What the votes of the past add to a model: of songs that repeat themselves, and of odds that are known."""

import numpy as np
import pytest
from tiny import CODEC, make_model, make_run, make_song

from drumjax.codecs.events import EventCodec
from drumjax.codecs.vocabulary import Vocabulary
from drumjax.models.song_scoring import encode_songs, make_song_scorer
from drumjax.music.notes import Song, make_notes
from drumjax.studies.pointer_gain import Steps, compare, find_steps

EVENTS = EventCodec(None, Vocabulary(tuple(range(60, 68)), 24, (6, 12, 24), 0), ticks_per_beat=12, velocity_bins=4)


def test_the_model_s_odds_are_those_that_it_is_scored_by():
    run, songs = make_run(make_model(), CODEC), [make_song(seed, bars) for seed, bars in ((0, 9), (1, 2), (2, 5))]
    hits, *_ = make_song_scorer(run.model, CODEC)(run.weights, encode_songs(songs, CODEC, run.styles))
    for song, found in enumerate(find_steps(run, songs)):
        assert len(found.model) == hits.count[song]
        assert -np.log(found.model).sum() == pytest.approx(float(hits.nll[song]), rel=1e-4)


def test_notes_one_by_one_are_found_by_their_time():
    """A melody of four bars that repeats each bar: from the second on the votes know it."""
    pitches = np.tile([60, 62, 65, 64, 67, 61], 4)
    onset = np.concatenate([bar * 4 + np.asarray([0, 1, 1.5, 2, 3, 3.5]) for bar in range(4)])
    song = Song(make_notes(onset, np.full(24, 0.5), pitches, np.full(24, 80)), is_drums=False)
    run = make_run(make_model(EVENTS), EVENTS)
    (found,) = find_steps(run, [song])
    assert found.match[0] == -1
    assert found.votes[13:].min() > 0.9
    assert found.votes[1:6].max() == 0


def test_the_share_is_fitted_on_the_other_half():
    rng = np.random.default_rng(0)
    sure = [Steps(np.full(50, 0.2), np.full(50, 0.9), np.full(50, 4)) for _ in range(2)]
    wrong = [Steps(np.full(50, 0.2), np.full(50, 0.0), rng.integers(0, 3, 50)) for _ in range(2)]
    alone, one, by_match = compare([sure[0], sure[1], wrong[0], wrong[1]])
    assert alone["all"] == pytest.approx(-np.log(0.2))
    assert by_match["all"] < one["all"] < alone["all"]
    assert by_match["all"] == pytest.approx((-np.log(0.9) - np.log(0.2)) / 2, abs=0.01)
    # What the even songs say does not help themselves: without a vote that is right among the odd ones, none is heard.
    only_even = compare([sure[0], wrong[0], sure[1], wrong[1]])
    assert only_even[1]["even songs"] == pytest.approx(-np.log(0.2), abs=0.01)


def test_steps_without_a_past_are_the_model_s_own():
    first = Steps(np.full(5, 0.5), np.zeros(5), np.full(5, -1))
    assert compare([first, first])[1]["all"] == pytest.approx(np.log(2))
