"""Controls that change what was played: nearer to the grid, swung, drums louder, accents kept, half-time."""

import numpy as np
import pytest
from tiny import CODEC, STYLES, make_run, make_song, random_tokens

from drumjax.codecs.base import CENTRE
from drumjax.config.control import ControlError
from drumjax.config.controls import Controls
from drumjax.music.kits import ROLAND_TD11, KitError, find_drums
from drumjax.music.notes import make_notes
from drumjax.music.timing import swing_of
from drumjax.sampling.blocks import sample_songs
from drumjax.sampling.controls import make_controls
from drumjax.sampling.decode import collect_songs, decode_samples
from drumjax.sampling.edits import EditError
from drumjax.sampling.piece import Piece, RequestError, check_known, find_balance, find_unwanted
from drumjax.sampling.placement import place
from drumjax.sampling.plan import EditRequest, make_plan
from drumjax.sampling.request import Samples, make_request

TOKENS = random_tokens(3, 2, 64)


def play(bars=8, **asked):
    """The songs that TOKENS are in a piece for which this is asked."""
    piece = Piece(Controls(bars=bars, style="rock", **asked))
    end = np.full(len(TOKENS), int(CODEC.to_ticks(piece.context(STYLES), piece.beats)), np.int32)
    request = make_request(make_run(), [piece] * len(TOKENS), range(len(TOKENS)))._replace(end=end)
    samples = Samples(TOKENS, np.full(TOKENS.shape, CENTRE, np.float32), np.zeros((len(TOKENS), 3)))
    return collect_songs(CODEC, [piece] * len(TOKENS), decode_samples(CODEC, samples, request))


def test_tight_hits_are_on_the_grid_and_half_tight_ones_half_way():
    for loose, half, tight in zip(play(), play(tightness=0.5), play(tightness=1.0), strict=True):
        grid = np.round(tight.notes.onset_beat * CODEC.grid) / CODEC.grid
        np.testing.assert_allclose(tight.notes.onset_beat, grid, atol=1e-5)
        assert np.abs(loose.notes.onset_beat - np.round(loose.notes.onset_beat * CODEC.grid) / CODEC.grid).max() > 0.1
        middle = (np.sort(loose.notes.onset_beat) + np.sort(tight.notes.onset_beat)) / 2
        np.testing.assert_allclose(np.sort(half.notes.onset_beat)[4:], middle[4:], atol=0.13)


def test_what_is_played_swings_as_asked():
    for straight, swung in zip(play(tightness=1.0, swing=0.0), play(tightness=1.0, swing=1.0), strict=True):
        assert swing_of(straight.notes.onset_beat) == pytest.approx(0, abs=1e-5)
        assert swing_of(swung.notes.onset_beat) == pytest.approx(1, abs=1e-5)
        assert len(straight.notes.pitch) == len(swung.notes.pitch)


def test_drums_are_louder_or_softer_within_what_midi_has():
    for plain, other in zip(play(), play(balance="kick=20,hat=-100"), strict=True):
        for pitch, louder in ((36, 20), (38, 0), (42, -100)):
            was, now = (song.notes.velocity[song.notes.pitch == pitch] for song in (plain, other))
            np.testing.assert_array_equal(now, np.clip(was + louder, 1, 127))


def test_half_time_is_twice_as_slow_and_as_long_as_asked():
    normal, (half, _) = play()[0], play(bpm=140.0, half_time=True)
    assert half.tempo_bpm == 140
    assert half.notes.onset_beat.max() > 31  # eight bars
    mine = normal.notes.onset_beat < 15.9
    np.testing.assert_allclose(
        half.notes.onset_beat[: mine.sum() - 2], 2 * normal.notes.onset_beat[mine][:-2], rtol=1e-5
    )
    double = play(bars=3, double_time=True)[0]
    assert 11 < double.notes.onset_beat.max() < 12


def test_given_accents_are_kept_as_far_as_asked():
    given = make_notes([0.0, 1.0, 2.0], [0.1] * 3, [36] * 3, [20, 60, 120])
    decoded = given._replace(velocity=np.asarray([80, 80, 80], np.int32))
    placement = place(given, np.arange(3), np.arange(3.0))
    for share, expected in ((0.0, [80, 80, 80]), (0.5, [50, 70, 100]), (1.0, [20, 60, 120])):
        assert placement.follow(decoded, share).velocity.tolist() == expected


def test_drums_can_be_named_in_groups():
    assert find_drums(ROLAND_TD11, "toms") == [4, 5, 6]
    assert find_drums(ROLAND_TD11, "hihats,crash") == [2, 3, 7]
    assert find_drums(ROLAND_TD11, "hihat,BD") == [0, 2]
    with pytest.raises(KitError, match="cowbell"):
        find_drums(ROLAND_TD11, "kick,cowbell")


def test_unwanted_drums_are_those_named_or_all_others():
    assert find_unwanted(CODEC, Controls(without="snare")).tolist() == [False, True, False]
    assert find_unwanted(CODEC, Controls(only="snare,kick")).tolist() == [False, False, True]
    with pytest.raises(RequestError, match="no drum is left"):
        find_unwanted(CODEC, Controls(without="kick,snare,hat"))
    with pytest.raises(KitError, match="bongo"):
        check_known(Controls(without="bongo"), make_run())
    with pytest.raises(KitError, match="bongo"):
        check_known(Controls(balance="bongo=3"), make_run())
    assert find_balance(CODEC, Controls(balance="kick=3,kick=4"))[36] == 4


@pytest.mark.slow
def test_a_plan_without_a_drum_plays_none_of_it():
    songs = [sample.song for sample in sample_songs(make_plan(make_run(), bars=2, only="snare"), 3)]
    assert {pitch for song in songs for pitch in song.notes.pitch.tolist()} == {38}


@pytest.mark.parametrize(
    ("request_of", "asked", "message"),
    [
        ({"vary": True}, {"half_time": True}, "half_time"),
        ({"humanize": True}, {"form": "verse:4"}, "form is for pieces"),
        ({"humanize": True}, {"without": "snare"}, "--humanize keeps all of your hits"),
        ({}, {"keep_accents": 0.5}, "--keep_accents goes with --humanize"),
        ({"vary": True}, {"keep_accents": 0.5}, "--keep_accents goes with --humanize"),
    ],
)
def test_what_is_for_other_music_is_refused(request_of, asked, message):
    request = EditRequest(**dict.fromkeys(request_of, make_song(0, 4)))
    with pytest.raises(EditError, match=message):
        make_plan(make_run(), request, **asked)


def test_timing_is_tightened_only_where_there_is_one():
    with pytest.raises(ControlError, match="tightness"):
        make_controls(make_run().settings.sample, CODEC.fields[:2], tightness=0.5)


def test_a_form_says_how_many_bars():
    controls = make_controls(make_run().settings.sample, CODEC.fields, form="verse:3,chorus:2")
    assert controls.bars == 5


def means_of(song, bars):
    """The mean velocity of each bar."""
    bar = np.floor((song.notes.onset_beat + 0.125) / 4).astype(int).clip(0, bars - 1)
    return np.bincount(bar, song.notes.velocity) / np.bincount(bar)


@pytest.mark.parametrize(("asked", "ends"), [("40-100", (40, 100)), ("90-50", (90, 50))])
def test_a_crescendo_is_as_loud_as_asked_at_both_ends(asked, ends):
    for song in play(crescendo=asked):
        line = np.polyfit(np.arange(8), means_of(song, 8), 1)
        np.testing.assert_allclose(np.polyval(line, (0, 7)), ends, atol=4)


def test_sections_are_louder_and_softer_than_each_other():
    for song, plain in zip(play(form="intro:2,verse:2:dynamics=50,chorus:4"), play(), strict=True):
        means = means_of(song, 8)
        assert len(song.notes.pitch) == len(plain.notes.pitch)
        usual = plain.notes.velocity.mean()
        np.testing.assert_allclose([means[:2].mean(), means[2:4].mean()], [usual - 12, 50], atol=4)
        assert means[4:].mean() == pytest.approx(usual + 12, abs=4)
