"""Notes to events and back: nothing is lost but what the docstring says, and time is kept."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import make_context

from drumjax.codecs.base import ABSENT, FREE, clock
from drumjax.codecs.events import REST, EventCodec
from drumjax.codecs.vocabulary import Vocabulary, full_vocabulary, nearest_length, trim_vocabulary
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Notes, Song, Window, make_notes

PIANO = EventCodec(None, full_vocabulary(24, 2, 8))
DRUMS = EventCodec(ROLAND_TD11, full_vocabulary(24, 2, 0), velocity_bins=16)
NUM_STEPS, NUM_NOTES, NUM_BEATS = 48, 24, 16


def make_window(onset, pitch, duration=None, velocity=None, context=None, num_beats=NUM_BEATS) -> Window:
    """Padded to NUM_NOTES notes."""
    size = len(onset)
    notes = make_notes(onset, duration or [0.5] * size, pitch, velocity or [64] * size)
    padded = Notes(*(np.concatenate([column, np.zeros(NUM_NOTES - size, column.dtype)]) for column in notes))
    return Window(padded, context or make_context(), np.float32(num_beats))


def encode(codec, window):
    return np.asarray(_encoder(codec)(jax.tree.map(jnp.asarray, window)))


def decode(codec, tokens, context=None):
    """(onset, pitch, duration, velocity) of the notes that are there."""
    notes = jax.tree.map(np.asarray, _decoder(codec)(tokens, context or make_context()))
    return [
        tuple(float(column[i]) for column in (notes.onset_beat, notes.pitch, notes.duration_beat, notes.velocity))
        for i in np.flatnonzero(notes.mask)
    ]


_COMPILED: dict = {}


def _encoder(codec):
    return _COMPILED.setdefault(("encode", codec), jax.jit(lambda window: codec.encode(window, NUM_STEPS)))


def _decoder(codec):
    return _COMPILED.setdefault(("decode", codec), jax.jit(codec.decode))


def test_a_chord_and_a_melody_by_hand():
    window = make_window([0.0, 0.0, 1.0, 1.5], [64, 60, 67, 72], [1.0, 2.0, 0.5, 0.25], [64, 100, 1, 127])
    tokens = encode(PIANO, window)
    names = [field.name for field in PIANO.fields]
    assert names == ["pitch", "duration", "velocity", "shift"]
    rows = [dict(zip(names, row.tolist(), strict=True)) for row in tokens[:4]]
    assert [row["pitch"] for row in rows] == [61, 65, 68, 73]  # low to high; 0 is the rest
    assert [row["shift"] for row in rows] == [0, 24, 12, ABSENT]  # when the next would begin nobody knows
    lengths = PIANO.vocabulary.durations
    assert [lengths[row["duration"]] for row in rows] == [48, 24, 12, 6]
    assert [row["velocity"] for row in rows] == [25, 16, 0, 31]
    assert (tokens[4:] == ABSENT).all()
    assert decode(PIANO, tokens) == [
        (0, 60, 2, 102), (0, 64, 1, 66), (1, 67, 0.5, 2), (1.5, 72, 0.25, 126)
    ]  # fmt: skip


def test_long_rests_take_several_steps():
    tokens = encode(PIANO, make_window([5.0, 12.0], [60, 62]))
    pitch, shift = tokens[:, 0], tokens[:, -1]
    assert pitch[:8].tolist() == [REST, REST, REST, 61, REST, REST, REST, 63]
    assert shift[:8].tolist() == [48, 48, 24, 48, 48, 48, 24, ABSENT]
    assert (tokens[:3, 1:3] == ABSENT).all()  # a rest has neither duration nor velocity
    assert [note[0] for note in decode(PIANO, tokens)] == [5, 12]


def test_of_equal_notes_the_loudest_is_kept_and_unknown_pitches_are_left_out():
    codec = dataclasses.replace(PIANO, vocabulary=Vocabulary((60, 62), 48, (24,)))
    window = make_window([0.0, 0.01, 1.0, 2.0], [60, 60, 61, 62], velocity=[30, 90, 90, 90])
    assert [(onset, pitch) for onset, pitch, *_ in decode(codec, encode(codec, window))] == [(0, 60), (2, 62)]
    assert encode(codec, window)[0, 2] == 90 * 32 // 128


def test_drums_are_classes_of_the_kit_and_rolls_stay():
    window = make_window([0.0, 0.0, 0.04, 0.125], [36, 42, 38, 40], velocity=[100] * 4)
    tokens = encode(DRUMS, window)
    assert [field.name for field in DRUMS.fields] == ["pitch", "velocity", "shift"]
    assert tokens[:4, 0].tolist() == [1, 3, 2, 2]
    assert [(round(24 * onset), pitch) for onset, pitch, *_ in decode(DRUMS, tokens)] == [
        (0, 36), (0, 42), (1, 38), (3, 38)
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 24 * NUM_BEATS - 1), st.integers(21, 108), st.integers(1, 127)), max_size=NUM_NOTES,
        unique_by=lambda note: note[:2],
    )
)  # fmt: skip
def test_whatever_lies_on_ticks_comes_back(notes):
    onset, pitch, velocity = ([note[i] for note in notes] for i in range(3))
    window = make_window([tick / 24 for tick in onset], pitch, velocity=velocity)
    tokens = encode(PIANO, window)
    back = decode(PIANO, tokens)
    assert sorted((round(24 * note[0]), int(note[1])) for note in back) == sorted(zip(onset, pitch, strict=True))
    by_place = {(t, p): v for t, p, v in notes}
    for beat, note, _, loud in back:
        assert abs(by_place[round(24 * beat), int(note)] - loud) <= 2
    # What was decoded is encoded to the same tokens.
    again = make_window(
        [n[0] for n in back], [int(n[1]) for n in back], [n[2] for n in back], [int(n[3]) for n in back]
    )
    np.testing.assert_array_equal(encode(PIANO, again), tokens)


def test_what_exists_is_what_present_says():
    tokens = encode(PIANO, make_window([3.0, 9.0], [60, 64]))
    used = tokens[:, 0] != ABSENT
    for i in range(len(PIANO.fields)):
        present = np.asarray(PIANO.present(i, jnp.asarray(tokens)))[used, 0]
        exists = tokens[used, i] != ABSENT
        exists[-1] |= PIANO.fields[i].name == "shift"  # the last one exists, and is not known
        np.testing.assert_array_equal(present, exists)


def _ticks_and_places(tokens, context):
    tick = clock(PIANO, tokens[None], 0)[0, :-1]
    return tick, PIANO.place(context, tick)


def test_the_clock_tells_the_place_in_the_bar():
    context = make_context(time_signature=(3, 4), start_beat=4.0)
    tokens = encode(PIANO, make_window([0.0, 0.5, 2.5, 2.5], [60, 62, 64, 65], context=context))
    tick, place = jax.jit(_ticks_and_places)(tokens, context)
    tick, place = jax.tree.map(lambda column: np.asarray(column)[:4], (tick, place))
    assert tick.tolist() == [0, 12, 60, 60]
    assert place.position.tolist() == [24, 36, 12, 12]  # beat 4 of a song in 3/4 is beat 1 of its second bar
    assert place.bar.tolist() == [1, 1, 2, 2]
    assert place.lookback[0].tolist() == [72, 144, 216, 288]


def test_milliseconds_are_kept_at_any_tempo():
    codec = EventCodec(None, full_vocabulary(50, 4, 8), tick_ms=10.0)
    position_of = jax.jit(lambda context, beat: codec.place(context, codec.to_ticks(context, beat)).position)
    for tempo in (60.0, 120.0, 90.0):
        context = make_context()._replace(tempo_bpm=np.float32(tempo))
        onset = np.asarray([0.0, 0.37, 1.11, 3.0])
        back = decode(codec, encode(codec, make_window(onset, [60, 61, 62, 63], context=context)), context)
        error_ms = np.abs(np.asarray([note[0] for note in back]) - onset) * 60_000 / tempo
        assert error_ms.max() <= 5.01
        position = position_of(context, np.asarray([0.0, 1.0, 4.0]))
        assert np.abs(position - np.asarray([0, 24, 0])).max() <= 1


def test_without_time_only_chords_are_told():
    codec = dataclasses.replace(PIANO, vocabulary=full_vocabulary(24, 2, 0), velocity_bins=0, timed=False)
    tokens = encode(codec, make_window([1.0, 1.0, 1.3, 9.0], [60, 64, 62, 65]))
    assert [field.name for field in codec.fields] == ["pitch", "shift"]
    assert tokens[:4].tolist() == [[61, 0], [65, 1], [63, 1], [66, ABSENT]]
    assert [note[0] for note in decode(codec, tokens)] == [0, 0, 0.5, 1]


def test_a_window_without_notes_says_nothing():
    assert (encode(PIANO, make_window([], [])) == ABSENT).all()


def test_notes_beyond_the_steps_are_cut_and_those_before_the_window_too():
    window = make_window(np.arange(20) * 0.5 - 0.5, [60] * 20)
    tokens = np.asarray(jax.jit(lambda w: PIANO.encode(w, 8))(window))
    padded = np.pad(tokens, [(0, NUM_STEPS - 8), (0, 0)], constant_values=ABSENT)
    assert [note[0] for note in decode(PIANO, padded)] == [0.5 * i for i in range(8)]
    assert tokens[7, -1] == 12  # the next one is known, though it is cut


def test_a_note_that_anticipates_the_window_begins_with_it():
    tokens = encode(PIANO, make_window([-0.125, -0.11, -0.01, 1.0], [59, 60, 62, 64]))
    assert [(round(onset, 2), pitch) for onset, pitch, *_ in decode(PIANO, tokens)] == [(0, 60), (0, 62), (1, 64)]


def test_humanizing_holds_notes_near_where_they_are():
    tokens = encode(PIANO, make_window([0.0, 1.0, 1.0, 3.0], [60, 62, 65, 64]))
    clamp, keep = PIANO.loosen(tokens)
    np.testing.assert_array_equal(clamp[:4, :2], tokens[:4, :2])
    assert (clamp[:4, 2] == FREE).all()
    assert keep[:4].tolist() == [25, 25, 73, -1]
    assert clamp[3:, -1].tolist() == [48] * (NUM_STEPS - 3)  # then nothing more
    assert (clamp[4:, 0] == REST).all()
    allowed = np.flatnonzero(PIANO.allows(jnp.int32(24), jnp.int32(25), jnp.int32(0)))
    assert allowed.tolist() == list(range(21, 28))  # a 32nd either way
    assert np.flatnonzero(PIANO.allows(jnp.int32(5), jnp.int32(25), jnp.int32(40))).tolist() == [0]  # too late already
    assert PIANO.allows(jnp.int32(0), jnp.int32(0), jnp.int32(7)).all()


def test_the_vocabulary_is_what_the_songs_use():
    songs = [
        Song(make_notes([0.0, 1.0, 9.0], [0.5, 0.52, 3.0], [60, 64, 70], [90] * 3), program=6),
        Song(make_notes([0.0, 1.5], [1.0, 1.0], [62, 60], [90] * 2), program=6),
    ]
    found = trim_vocabulary(full_vocabulary(24, 4, 8), songs, [24, 24])
    assert found == Vocabulary((60, 62, 64, 70), 36, (1, 12, 24, 72), 6)
    assert trim_vocabulary(full_vocabulary(24, 4, 8), songs[1:], [24], transpose=1).pitches == (59, 60, 61, 62, 63)
    assert Vocabulary.from_json(found.to_json()) == found
    # A shift that no song had is made of those that one had, so nothing is lost.
    codec = EventCodec(None, found)
    assert [note[0] for note in decode(codec, encode(codec, make_window([2.75, 7.0], [60, 62])))] == [2.75, 7.0]


def test_lengths_go_to_the_nearest_by_ratio():
    table = nearest_length(np.asarray([1, 6, 24]))
    assert (table[2], table[3], table[11], table[13]) == (0, 1, 1, 2)


@pytest.mark.parametrize("codec", [PIANO, DRUMS], ids=["piano", "drums"])
def test_steps_suffice_for_any_music(codec):
    window = make_window([1.9, 5.9, 15.9], [36, 38, 42])
    num_steps = codec.num_steps(NUM_BEATS, 3)
    tokens = np.asarray(jax.jit(lambda w: codec.encode(w, num_steps))(window))
    assert sum(tokens[:, 0] > REST) == 3
