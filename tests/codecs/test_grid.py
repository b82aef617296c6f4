"""The grid codec against its definition, written out in plain numpy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import CODEC, make_context, random_tokens, stack

from drumjax.codecs.base import ABSENT, field_slices
from drumjax.codecs.grid import GridCodec
from drumjax.music.kits import GENERAL_MIDI, ONE_DRUM, ROLAND_TD11
from drumjax.music.metre import METRES
from drumjax.music.notes import Context, Notes, Window, make_notes

NUM_NOTES = 48  # padded
TIME_SIGNATURES = [(4, 4), (3, 4), (6, 8), (5, 4), (7, 8)]
CODECS = {
    "16ths": GridCodec(ROLAND_TD11, 4, True, 32, 32),
    "triplets": GridCodec(ROLAND_TD11, 12, True, 16, 8),
    "fine": GridCodec(GENERAL_MIDI, 24, False),
    "one drum": GridCodec(ONE_DRUM, 4, True, 100, 7),
    "one drum, plain": GridCodec(ONE_DRUM, 12, False),
}
NUM_BEATS = 8  # of the window; the song may end earlier


def make_window(notes: Notes, num_beats=NUM_BEATS, context: Context | None = None) -> Window:
    """The notes, padded with notes that are masked and would be heard if they were not."""
    padding = NUM_NOTES - len(notes.pitch)
    fill = (0.0, 0.5, 36, 127, False)
    padded = (np.concatenate([c, np.full(padding, f, c.dtype)]) for c, f in zip(notes, fill, strict=True))
    return Window(Notes(*padded), context or make_context(), np.float32(num_beats))


@functools.cache
def encoder(codec):
    return jax.jit(lambda window: codec.encode(window, codec.num_steps(NUM_BEATS)))


@functools.cache
def decoder(codec):
    return jax.jit(lambda tokens: codec.decode(tokens, make_context()))


def encode(codec, window):
    return np.asarray(encoder(codec)(window))


def decode(codec, tokens):
    """The notes that are there, in the order of (step, drum)."""
    notes = jax.tree.map(np.asarray, decoder(codec)(tokens))
    return Notes(*(column[notes.mask] for column in notes))


def quantise(codec, notes: Notes, num_beats) -> dict[tuple[int, int], tuple[float, int]]:
    """{(step, drum): (onset_beat, velocity)} of the loudest note of each cell, the earlier of equals."""
    table, cells = codec.kit.class_table(), {}
    num_steps = round(num_beats * codec.steps_per_beat)
    for onset, pitch, velocity in zip(notes.onset_beat.tolist(), notes.pitch, notes.velocity, strict=True):
        step, drum = int(np.floor(onset * codec.steps_per_beat + 0.5)), int(table[pitch])
        if drum >= 0 and 0 <= step < num_steps and velocity > cells.get((step, drum), (0, 0))[1]:
            cells[step, drum] = (onset, int(velocity))
    return cells


@st.composite
def note_lists(draw, steps_per_beat):
    """Notes in and around the window, not quite on the border between two steps, where rounding may go either way."""
    steps = st.integers(-2, NUM_BEATS * steps_per_beat + 1)
    note = st.tuples(steps, st.integers(-499, 499), st.sampled_from(range(20, 90)), st.integers(1, 127))
    notes = draw(st.lists(note, max_size=NUM_NOTES))
    # Drawn from few steps and few pitches in half of the cases, so that notes do share cells.
    if draw(st.booleans()):
        notes = [(step % 3, off, (36, 38, 40, 42)[pitch % 4], velocity) for step, off, pitch, velocity in notes]
    onset = [(step + off / 1000) / steps_per_beat for step, off, _, _ in notes]
    return make_notes(onset, np.zeros(len(notes)), [p for _, _, p, _ in notes], [v for _, _, _, v in notes])


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_decode_after_encode_is_quantise(name, data):
    codec = CODECS[name]
    notes = data.draw(note_lists(codec.steps_per_beat))
    beats_per_bar = 4 * np.divide(*data.draw(st.sampled_from(TIME_SIGNATURES)))
    num_beats = beats_per_bar * data.draw(st.integers(1, int(NUM_BEATS // beats_per_bar)))
    cells = quantise(codec, notes, num_beats)
    decoded = decode(codec, encode(codec, make_window(notes, num_beats)))
    assert len(decoded.pitch) == len(cells)
    expected = sorted(cells.items())
    np.testing.assert_array_equal(decoded.pitch, [codec.kit.write[drum] for (_, drum), _ in expected])
    onset = np.asarray([onset for _, (onset, _) in expected])
    step = np.asarray([step for (step, _), _ in expected])
    velocity = np.asarray([velocity for _, (_, velocity) in expected])
    if codec.expressive:
        # Within half an offset bin; of a velocity's bin the centre, rounded to a whole number.
        assert (abs(decoded.onset_beat - onset) * codec.steps_per_beat <= 0.5 / codec.offset_bins + 1e-4).all()
        assert (abs(decoded.velocity - velocity) <= 0.5 * 128 / codec.velocity_bins + 0.5).all()
    else:
        np.testing.assert_allclose(decoded.onset_beat, step / codec.steps_per_beat, rtol=1e-6)
        assert (decoded.velocity == 90).all()


@pytest.mark.parametrize("velocity_bins", [2, 31, 32, 64, 127, 128])
def test_velocities_stay_within_half_a_bin(velocity_bins):
    codec = GridCodec(ONE_DRUM, 4, True, velocity_bins, 2)
    notes = make_notes(np.arange(127) / 4, np.zeros(127), np.full(127, 36), np.arange(1, 128))
    window = Window(notes, make_context(), np.float32(32))
    decoded = decode(codec, jax.jit(lambda w: codec.encode(w, 127))(window))
    error = abs(decoded.velocity - np.arange(1, 128))
    assert error.max() <= 64 / velocity_bins


@pytest.mark.parametrize(("velocity_bins", "offset_bins"), [(32, 32), (2, 2), (100, 7), (127, 128), (128, 127)])
def test_encode_after_decode_is_the_identity(velocity_bins, offset_bins):
    codec = GridCodec(ROLAND_TD11, 4, True, velocity_bins, offset_bins)
    for seed in range(3):
        tokens = random_tokens(seed, NUM_BEATS * 4, codec=codec)
        if velocity_bins == 128:
            tokens[:, 1:10] = np.where(tokens[:, 1:10] == 0, 1, tokens[:, 1:10])  # no note has velocity 0
        tokens[20:] = ABSENT  # the song's last bars are not in the window
        tokens[3] = [0] + [ABSENT] * 18
        back = encode(codec, Window(decoder(codec)(tokens), make_context(), np.float32(5)))
        np.testing.assert_array_equal(back, tokens)


def test_encode_after_decode_is_the_identity_on_long_plain_songs():
    codec = CODECS["fine"]
    tokens = random_tokens(0, 5000, codec=codec)
    window = Window(decoder(codec)(tokens), make_context(), np.float32(5000))
    np.testing.assert_array_equal(jax.jit(lambda w: codec.encode(w, 5000))(window), tokens)


def tokens_of(codec, *notes, num_beats=NUM_BEATS):
    """Tokens of (onset_beat, pitch, velocity)..."""
    onset, pitch, velocity = zip(*notes, strict=True)
    return encode(codec, make_window(make_notes(onset, np.zeros(len(notes)), pitch, velocity), num_beats))


@pytest.mark.parametrize(
    ("onset", "step"),
    [
        (0.0, 0),
        (-0.1, 0),  # before the window's start
        (-0.125, 0),  # exactly half a step early
        (-0.126, None),
        (3.9, 16),  # across the bar line
        (3.875, 16),
        (3.874, 15),
        (4.124, 16),
        (4.125, 17),
        (7.87, 31),
        (7.875, None),  # anticipates the next window
    ],
)
def test_a_hit_belongs_to_the_step_it_anticipates(onset, step):
    codec = CODECS["16ths"]
    hits = tokens_of(codec, (onset, 36, 80))
    np.testing.assert_array_equal(np.flatnonzero(hits[:, 0]), [] if step is None else [step])
    if step is not None:
        assert hits[step, 10] == np.floor((onset * 4 - step + 0.5) * 32)
        assert abs(decode(codec, hits).onset_beat[0] - onset) <= 0.5 / 32 / 4 + 1e-6


def test_the_loudest_hit_of_a_cell_is_kept():
    codec = CODECS["16ths"]
    # 38 and 40 are both the snare; the second of them is louder, in the same step, and later.
    tokens = tokens_of(codec, (1.0, 38, 40), (1.06, 40, 100), (1.1, 38, 70), (1.0, 36, 127))
    assert tokens[4, 0] == 0b11
    assert tokens[4, 1:3].tolist() == [31, 100 // 4]
    assert tokens[4, 11] == np.floor((1.06 * 4 - 4 + 0.5) * 32)
    assert np.count_nonzero(tokens[:, 0]) == 1


def test_of_equally_loud_hits_of_a_cell_the_first_is_kept():
    tokens = tokens_of(CODECS["16ths"], (1.05, 38, 80), (0.95, 38, 80), (1.1, 40, 80))
    assert tokens[4, 11] == np.floor((0.95 * 4 - 4 + 0.5) * 32)


def test_velocities_need_not_be_whole():
    notes = make_notes([1.0, 1.01], [0, 0], [38, 38], [80, 80])
    window = make_window(notes)
    velocity = np.concatenate([np.float32([80.2, 80.9]), window.notes.velocity[2:]])
    tokens = encode(CODECS["16ths"], window._replace(notes=window.notes._replace(velocity=velocity)))
    assert tokens[4, 11] == np.floor((1.01 * 4 - 4 + 0.5) * 32)


def test_pitches_that_the_kit_does_not_know_are_not_heard():
    tokens = tokens_of(CODECS["16ths"], (1.0, 35, 80), (2.0, 90, 80))
    assert (tokens[:, 0] == 0).all()


def test_what_does_not_exist_is_absent():
    codec = CODECS["16ths"]
    tokens = tokens_of(codec, (0.0, 36, 80), (1.0, 38, 80), (6.0, 38, 80), num_beats=3.5)
    hits, velocity, offset = (tokens[:, where] for where in field_slices(codec.fields))
    assert (tokens[14:] == ABSENT).all()  # 3.5 beats are 14 steps
    assert (hits[:14] >= 0).all()  # a step without a hit exists: it is a rest
    for field in (velocity, offset):
        expected = np.zeros((14, 9), bool)
        expected[0, 0] = expected[4, 1] = True
        np.testing.assert_array_equal(field[:14] != ABSENT, expected)


def test_absent_steps_decode_to_nothing():
    tokens = np.full((NUM_BEATS * 4, 19), ABSENT, np.int32)
    assert not decode(CODECS["16ths"], tokens).mask.any()


@pytest.mark.slow
def test_batches_and_compilation_change_nothing():
    codec = CODECS["16ths"]
    rng = np.random.default_rng(0)
    windows = []
    for _ in range(3):
        onset, pitch = rng.uniform(-0.5, 9, 40), rng.integers(20, 90, 40)
        windows.append(make_window(make_notes(onset, np.zeros(40), pitch, rng.integers(1, 128, 40)), 7))
    batch = jax.jit(jax.vmap(lambda w: codec.encode(w, codec.num_steps(NUM_BEATS))))(stack(windows))
    notes = jax.jit(jax.vmap(lambda t: codec.decode(t, make_context())))(batch)
    for row, window in enumerate(windows):
        np.testing.assert_array_equal(batch[row], encode(codec, window))
        for one, many in zip(decoder(codec)(batch[row]), notes, strict=True):
            np.testing.assert_allclose(one, many[row], rtol=1e-6, atol=1e-7)
    plain = codec.encode(jax.tree.map(jnp.asarray, windows[0]), codec.num_steps(NUM_BEATS))
    np.testing.assert_array_equal(plain, batch[0])


@pytest.mark.parametrize(
    ("time_signature", "steps_per_bar"),
    [((4, 4), 16), ((3, 4), 12), ((6, 8), 12), ((5, 4), 20), ((7, 8), 14), ((5, 8), 10), ((12, 8), 24)],
)
@pytest.mark.parametrize("start_beat", [0, 6, 101])
def test_places(time_signature, steps_per_bar, start_beat):
    codec = CODECS["16ths"]
    place = codec.place(make_context(time_signature=time_signature, start_beat=start_beat), jnp.arange(40))
    now = start_beat * 4 + np.arange(40)
    np.testing.assert_array_equal(place.position, now % steps_per_bar)
    np.testing.assert_array_equal(place.bar, now // steps_per_bar)
    np.testing.assert_array_equal(place.lookback, np.tile(np.arange(1, 5) * steps_per_bar, (40, 1)))


@pytest.mark.parametrize(("steps_per_beat", "near"), [(4, [8, 4, 2]), (12, [24, 12, 6]), (1, [2, 1, 1])])
def test_places_beats_ago_come_after_those_bars_ago(steps_per_beat, near):
    codec = GridCodec(ROLAND_TD11, steps_per_beat, lookback_bars=2, lookback_beats=(2.0, 1.0, 0.5))
    assert codec.num_lookbacks == 5
    place = codec.place(make_context(time_signature=(3, 4)), jnp.arange(7))
    bar = 3 * steps_per_beat
    np.testing.assert_array_equal(place.lookback, np.tile([bar, 2 * bar, *near], (7, 1)))
    assert GridCodec(ROLAND_TD11, 4, lookback_bars=0, lookback_beats=(8.0,)).memory_steps == 33
    assert GridCodec(ROLAND_TD11, 4, lookback_bars=0).memory_steps == 1


def test_places_go_on_from_any_step():
    codec, context = CODECS["16ths"], make_context(time_signature=(7, 8), start_beat=5)
    whole = codec.place(context, jnp.arange(40))
    parts = [codec.place(context, jnp.arange(start, start + 20)) for start in (0, 20)]
    for column, *pieces in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(column, np.concatenate(pieces))


def test_every_metre_fits_into_the_tables():
    contexts = stack([make_context(time_signature=metre) for metre in METRES[1:]])
    for codec in (CODECS["16ths"], CODECS["triplets"], CODECS["fine"]):
        steps = np.arange(codec.num_positions + 1)
        place = jax.jit(jax.vmap(lambda c, codec=codec, steps=steps: codec.place(c, steps)))(contexts)
        assert place.position.max() < codec.num_positions
        assert place.lookback.min() >= 1
        assert place.lookback.max() < codec.memory_steps


def test_what_is_present_follows_from_the_fields_before():
    tokens = random_tokens(0, 5, 6)
    assert CODEC.present(0, tokens).shape == (5, 6, 1)
    assert CODEC.present(0, tokens).all()
    for field, where in list(enumerate(field_slices(CODEC.fields)))[1:]:
        np.testing.assert_array_equal(CODEC.present(field, tokens), tokens[..., where] != ABSENT)
    assert not CODEC.present(1, np.full((2, 7), ABSENT)).any()


def test_fields():
    assert [(f.name, f.size, f.count) for f in CODECS["16ths"].fields] == [
        ("hits", 512, 1),
        ("velocity", 32, 9),
        ("offset", 32, 9),
    ]
    assert [(f.name, f.size, f.count) for f in CODECS["one drum, plain"].fields] == [("hits", 2, 1)]
    hits = CODECS["16ths"].fields[0]
    assert hits.features.shape == (512, 9)
    assert hits.features[0b100000101].tolist() == [1, 0, 1, 0, 0, 0, 0, 0, 1]  # bit k is class k
