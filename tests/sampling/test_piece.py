"""What is asked for in a musician's terms: refused with what there is, or turned into requests and songs."""

import dataclasses
import re

import jax
import numpy as np
import pytest
from tiny import CODEC, PLAYERS, STYLES, make_model, make_run, make_song, random_tokens

from drumjax.codecs.base import ABSENT, CENTRE
from drumjax.codecs.grid import GridCodec
from drumjax.config.conditions import LEAST_SHARE
from drumjax.config.control import ControlError
from drumjax.config.controls import Controls
from drumjax.config.sampling import SampleSettings
from drumjax.music.kits import ONE_DRUM, ROLAND_TD11
from drumjax.music.metre import METRES
from drumjax.music.notes import FILL_NO
from drumjax.music.timing import lean_ms
from drumjax.sampling.buckets import BUCKET
from drumjax.sampling.controls import make_controls
from drumjax.sampling.decode import collect_songs, decode_samples
from drumjax.sampling.piece import Piece, RequestError, check_known, settle
from drumjax.sampling.request import Samples, make_request
from drumjax.sampling.sampler import FREE

DEFAULTS = SampleSettings(
    style="rock", bpm=110.0, time_signature="3/4", bars=6, fill=4, density=3.0, dynamics=0.0, guidance=1.5,
    spread=0.9, humanize={"spread": 0.3, "guidance": 1.0}, temperature={"hits": 0.8, "velocity": 0.8, "offset": 0.8},
    top_k=7, top_p=0.9, no_repeat=0,
)  # fmt: skip
NINE = GridCodec(ROLAND_TD11)
RUN = make_run()


def make(**changes) -> Piece:
    return Piece(
        Controls(**({"style": "rock", "temperature": {"hits": 1.0, "velocity": 0.5, "offset": 0.0}} | changes))
    )


def make_songs(piece, codec, tokens):
    """The songs [B] that tokens [B, T, F] are."""
    context = piece.context(STYLES)
    request = make_request(RUN, [piece] * len(tokens), range(len(tokens)))
    end = np.full(len(tokens), int(codec.to_ticks(context, piece.beats)), np.int32)
    samples = Samples(tokens, np.full(tokens.shape, CENTRE, np.float32), np.zeros((len(tokens), 3)))
    notes = decode_samples(codec, samples, request._replace(end=end))
    return collect_songs(codec, [piece] * len(tokens), notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bars": 0}, "bars is 0; it must be in 1..1000"),
        ({"bars": 1001}, "bars is 1001; it must be in 1..1000"),
        ({"bars": -1}, "bars is -1"),
        ({"bpm": 19.9}, "bpm is 19.9; it must be in 20..400"),
        ({"bpm": 401.0}, "bpm is 401; it must be in 20..400"),
        ({"bpm": float("nan")}, "bpm is nan"),
        ({"bpm": float("inf")}, "bpm is inf"),
        ({"lean": 32.0}, "lean is 32; at 120 bpm it must be in -31..31 ms"),
        ({"lean": -16.0, "bpm": 240.0}, "lean is -16; at 240 bpm it must be in -16..16 ms"),
        ({"lean": float("nan")}, "lean is nan"),
        ({"time_signature": "4"}, "time_signature is '4'; it must be a metre such as 4/4 or 6/8"),
        ({"time_signature": "4/3"}, "time_signature is '4/3'"),
        ({"time_signature": "0/0"}, "time_signature is '0/0'"),
        ({"time_signature": "4-4"}, "time_signature is '4-4'"),
        ({"time_signature": "waltz"}, "time_signature is 'waltz'"),
        ({"time_signature": ""}, "time_signature is ''"),
        ({"time_signature": "4/4/4"}, "time_signature is '4/4/4'"),
        ({"steadiness": 1.1}, "steadiness is 1.1; it must be in 0..1"),
        ({"backbeat": -0.1}, "backbeat is -0.1; it must be in 0..1"),
        ({"backbeat": float("nan")}, "backbeat is nan"),
        (
            {"timekeeper": "cowbell"},
            "timekeeper is 'cowbell'; it must be one of hi-hat, ride, crash, none, a mix",
        ),
    ],
)
def test_what_cannot_be_played_is_refused_with_what_can(changes, message):
    with pytest.raises(ControlError, match=re.escape(message)):
        make(**changes)


@pytest.mark.parametrize("metre", METRES[1:])
def test_every_metre_that_a_context_can_name_can_be_played(metre):
    groove = make(time_signature=f"{metre[0]}/{metre[1]}")
    context = groove.context(STYLES)
    assert METRES[context.metre] == metre
    assert context.beats_per_bar == groove.beats / 8 == 4 * metre[0] / metre[1]


def test_a_style_that_the_run_does_not_know_is_refused_with_those_it_knows():
    with pytest.raises(RequestError, match="does not know the style 'polka'; it knows: jazz, rock"):
        make(style="polka").context(STYLES)
    with pytest.raises(RequestError, match="it knows: none"):
        make(style="polka").context(("",))


def test_a_player_that_the_run_does_not_know_is_refused_with_those_it_knows():
    with pytest.raises(RequestError, match="does not know the player 'drummer2'; it knows: drummer1"):
        make(player="drummer2").context(STYLES, PLAYERS)
    with pytest.raises(RequestError, match="it knows: none"):
        make(player="drummer1").context(STYLES)


def test_what_is_not_asked_for_is_unknown_and_a_share_of_nothing_is_known():
    neutral = make().context(STYLES, PLAYERS)
    assert not any((neutral.steadiness, neutral.backbeat, neutral.timekeeper, neutral.player, neutral.density))
    asked = make(steadiness=0.7, backbeat=0.0, timekeeper="ride", player="drummer1").context(STYLES, PLAYERS)
    assert asked.steadiness == np.float32(0.7)
    assert asked.backbeat == np.float32(LEAST_SHARE)
    assert (asked.timekeeper, asked.player) == (2, 1)


def test_what_a_kit_or_a_metre_has_no_word_for_cannot_be_asked_for():
    run = make_run(make_model(NINE), NINE)
    check_known(make(backbeat=0.5, timekeeper="ride", steadiness=1.0).controls, run)
    one = dataclasses.replace(run, codec=dataclasses.replace(NINE, kit=ONE_DRUM))
    check_known(make(steadiness=1.0).controls, one)
    with pytest.raises(RequestError, match="does not know the snare: backbeat cannot be asked for"):
        check_known(make(backbeat=0.0).controls, one)
    with pytest.raises(RequestError, match="does not know the closed hi-hat: timekeeper cannot"):
        check_known(make(timekeeper="none").controls, one)
    with pytest.raises(RequestError, match="backbeat is for 4/4: in 3/4 it cannot be asked for"):
        check_known(make(backbeat=0.0, time_signature="3/4").controls, run)


def test_the_context_of_a_groove():
    context = make(bpm=95.5, time_signature="6/8").context(STYLES)
    assert (context.tempo_bpm, context.beats_per_bar, context.start_beat) == (95.5, 3, 0)
    assert (STYLES[context.style], METRES[context.metre], context.fill) == ("rock", (6, 8), FILL_NO)
    assert make(style="").context(STYLES).style == 0


@pytest.mark.parametrize(
    ("bars", "time_signature", "num_steps"),
    [(1, "4/4", 64), (4, "4/4", 64), (5, "4/4", 128), (8, "4/4", 128), (9, "7/8", 128), (10, "7/8", 192)],
)
def test_requests_are_padded_to_buckets(bars, time_signature, num_steps):
    run = make_run(make_model(NINE), NINE)
    piece = make(bars=bars, time_signature=time_signature, top_k=3, top_p=0.5)
    request = make_request(run, [piece] * 3, range(5, 8))
    assert request.clamp.shape == (3, num_steps, 19)
    assert num_steps % BUCKET == 0
    assert (np.asarray(request.clamp) == FREE).all()
    assert request.number.tolist() == [5, 6, 7]
    assert request.context.tempo_bpm.tolist() == [120] * 3
    assert (request.temperature.tolist(), request.top_k, request.top_p) == ([1, 0.5, 0], 3, 0.5)


def test_what_is_asked_for_is_not_exaggerated_in_timing():
    request = make_request(RUN, [make(guidance=2.0)] * 2, range(2))
    assert request.guidance.tolist() == [2, 2, 1]


def test_songs_are_cut_to_the_length_asked_for():
    groove, beats = make(bars=3, time_signature="7/8", bpm=87.0), 10.5
    tokens = random_tokens(0, 2, 64)
    tokens[..., 0] = 0b111
    tokens[..., 1:4] = 2
    tokens[..., 4:] = [1, 2, 3]
    songs = make_songs(groove, CODEC, tokens)
    assert len(songs) == 2
    for song in songs:
        assert len(song.notes.pitch) == 3 * 2 * beats
        assert song.notes.onset_beat.max() < beats
        assert song.notes.onset_beat.min() == 0  # early hits of the first step fall on the beat
        assert (np.diff(song.notes.onset_beat) >= 0).all()
        assert (song.tempo_bpm, song.style, song.fill) == (87, "rock", FILL_NO)
        assert song.time_signature == groove.metre
        assert song.is_drums


def test_a_song_says_what_its_tokens_say():
    tokens = np.full((1, 64, 7), ABSENT, np.int32)
    tokens[..., 0] = 0
    tokens[0, 3] = [0b010, ABSENT, 2, ABSENT, ABSENT, 3, ABSENT]
    notes = make_songs(make(), CODEC, tokens)[0].notes
    assert notes.pitch.tolist() == [38]
    assert notes.onset_beat.tolist() == pytest.approx([(3 + 3.5 / 4 - 0.5) / 2])
    assert notes.velocity.tolist() == [2.5 * 128 / 4]


@pytest.mark.parametrize("lean", [-12.0, 0.0, 25.0])
def test_what_is_played_is_moved_as_a_whole_to_the_lean_asked_for(lean):
    tokens = random_tokens(3, 2, 64)
    tokens[:, :2, 0] = 0  # nothing early enough to fall on beat 0
    tokens[:, :2, 1:] = ABSENT
    for song, other in zip(*(make_songs(make(lean=x), CODEC, tokens) for x in (lean, None)), strict=True):
        moved = (song.notes.onset_beat - other.notes.onset_beat) * 500
        np.testing.assert_allclose(moved, lean - lean_ms(other.notes.onset_beat, 120.0, 4.0), atol=1e-2)


def test_another_length_in_the_bucket_is_decoded_by_the_same_program():
    traced = []

    class TracedCodec(GridCodec):
        def decode(self, tokens, context, points=CENTRE):
            traced.append(tokens.shape)
            return super().decode(tokens, context, points)

    tokens = random_tokens(0, 2, 64)
    codec = TracedCodec(CODEC.kit, CODEC.steps_per_beat, CODEC.expressive, CODEC.velocity_bins, CODEC.offset_bins)
    for groove in (make(bars=2), make(bars=3, bpm=77.0, style=""), make(bars=4, time_signature="7/8")):
        songs, expected = (make_songs(groove, one, tokens) for one in (codec, CODEC))
        for song, other in zip(songs, expected, strict=True):
            np.testing.assert_array_equal(song.notes.onset_beat, other.notes.onset_beat)
        assert max(song.notes.onset_beat.max() for song in songs) < groove.beats
    assert traced == [(64, tokens.shape[2])]


def test_what_is_not_asked_for_is_as_the_run_says():
    plain = Controls(**DEFAULTS.values())
    assert make_controls(DEFAULTS, CODEC.fields) == plain
    assert (plain.bars, plain.bpm, plain.style, plain.time_signature, plain.fill) == (6, 110.0, "rock", "3/4", 4)
    asked = make_controls(DEFAULTS, CODEC.fields, bars=None, bpm=90.0)
    assert asked == dataclasses.replace(plain, bpm=90.0)
    asked = make_controls(DEFAULTS, CODEC.fields, top_k=0, top_p=1.0)
    assert asked == dataclasses.replace(plain, top_k=0, top_p=1.0)


@pytest.mark.parametrize("asked", [{"style": "jazz"}, {"time_signature": "4/4"}, {"song": make_song(0, 2)}])
def test_what_is_asked_of_a_performance_goes_with_its_style_and_metre(asked):
    """A backbeat that rock has by default is not asked of jazz, of another metre, or of music that is given."""
    defaults = dataclasses.replace(DEFAULTS, backbeat=0.9, timekeeper="ride", steadiness=0.7, player="drummer1")
    usual = make_controls(defaults, CODEC.fields)
    assert (usual.backbeat, usual.timekeeper, usual.steadiness, usual.player) == (0.9, "ride", 0.7, "drummer1")
    other = make_controls(defaults, CODEC.fields, **asked)
    assert (other.backbeat, other.timekeeper, other.steadiness, other.player) == (None, "", None, "")
    assert (other.density, other.guidance, other.top_k) == (0, 1.5, 7)
    assert make_controls(defaults, CODEC.fields, **asked, backbeat=0.5).backbeat == 0.5


def test_notes_that_are_given_have_a_spread_of_their_own():
    given = DEFAULTS.when_humanizing()
    assert given == dataclasses.replace(DEFAULTS, spread=0.3, guidance=1.0, humanize={})
    assert make_controls(given, CODEC.fields).spread == 0.3
    assert make_controls(given, CODEC.fields, spread=0.0).spread == 0.0


def test_spread_is_refused_where_nothing_has_one():
    plain = dataclasses.replace(CODEC, expressive=False)
    make_controls(DEFAULTS, plain.fields)
    with pytest.raises(ControlError, match="no velocity and timing, which spread is about"):
        make_controls(DEFAULTS, plain.fields, spread=0.5)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"tempo": 90}, "no control is called 'tempo'; there are: style, bpm"),
        ({"temperatur": 0.9}, "did you mean temperature?"),
        ({"bars": "eight"}, "bars is 'eight'; it must be a whole number"),
        ({"bars": 2.5}, "bars is 2.5; it must be a whole number"),
        ({"bpm": True}, "bpm is True; it must be a number"),
        ({"bars": float("nan")}, "bars is nan; it must be a whole number"),
        ({"bars": float("inf")}, "bars is inf; it must be a whole number"),
        ({"temperature": {"hits": "x"}}, "give 0.9, or hits=0.9,velocity=1"),
        ({"style": 3}, "style is 3"),
    ],
)
def test_keywords_that_cannot_be(asked, message):
    with pytest.raises(ControlError, match=re.escape(message)):
        make_controls(DEFAULTS, CODEC.fields, **asked)


def test_numbers_of_other_kinds_are_taken():
    controls = make_controls(DEFAULTS, CODEC.fields, bars=np.int64(4), bpm=90, lean=np.float32(5), style={"rock": 1})
    assert (controls.bars, controls.bpm, controls.lean, controls.style) == (4, 90.0, 5.0, "rock=1")
    assert (type(controls.bars), type(controls.bpm)) == (int, float)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", (0.5, 0.5, 0.5)),
        (0.5, (0.5, 0.5, 0.5)),
        ({"velocity": 1.5}, (0.8, 1.5, 0.8)),
        ("0", (0, 0, 0)),
        ("velocity=1.5", (0.8, 1.5, 0.8)),
        ("hits=0.9,velocity=1,offset=0.7", (0.9, 1, 0.7)),
        ("1,offset=0", (1, 1, 0)),
    ],
)
def test_temperatures(text, expected):
    """What the text does not speak of is as the run's settings say."""
    temperature = make_controls(DEFAULTS, CODEC.fields, temperature=text).temperature
    assert tuple(temperature[field.name] for field in CODEC.fields) == expected
    by_field = dataclasses.replace(DEFAULTS, temperature={"offset": 0.5})
    assert make_controls(by_field, CODEC.fields).temperature == {"hits": 1, "velocity": 1, "offset": 0.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hot", "temperature is 'hot'; give 0.9, or hits=0.9,velocity=1"),
        ("hits=", "temperature is 'hits='"),
        ("hits=0.9,", "temperature is 'hits=0.9,'"),
        ("hits=a", "temperature is 'hits=a'"),
        ("pitch=1", "temperature of 'pitch': the fields are hits, velocity, offset"),
        ("-1", "temperature is {'hits': -1.0"),
        ("11", "temperature is {'hits': 11.0"),
        ("nan", "temperature is {'hits': nan"),
    ],
)
def test_temperatures_that_cannot_be(text, message):
    with pytest.raises(ControlError, match=re.escape(message)):
        make_controls(DEFAULTS, CODEC.fields, temperature=text)


@pytest.mark.parametrize(
    ("flag", "value"), [("top_k", -1), ("top_p", 0.0), ("top_p", 1.5), ("spread", -0.1), ("spread", 1.1)]
)
def test_controls_that_cannot_be(flag, value):
    with pytest.raises(ControlError, match=f"{flag} is {value:g}"):
        make_controls(DEFAULTS, CODEC.fields, **{flag: value})


def test_equal_pieces_are_one_when_mixes_are_settled():
    """So that what is made of a piece is made once, and not for each sample of a block."""
    plain, mixed = make(), make(timekeeper="hi-hat,ride")
    settled = settle([plain, mixed] * 8, range(16))
    assert len({id(piece) for piece in settled}) == 3
    assert settled[0] == plain
    assert {piece.controls.timekeeper for piece in settled[1::2]} == {"hi-hat", "ride"}
    request = make_request(RUN, settled, range(16))
    one_by_one = [make_request(RUN, [piece], [i]) for i, piece in enumerate(settled)]
    for column in ("context", "course", "end", "opening_end"):
        rows = jax.tree.map(lambda *each: np.concatenate(each), *(getattr(each, column) for each in one_by_one))
        jax.tree.map(np.testing.assert_array_equal, getattr(request, column), rows)
