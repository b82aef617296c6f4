"""Augmentation: nothing at strength 0, what the name says above it, and music all the time."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drumjax.config.augmentation import AUGMENTATIONS
from drumjax.music.kits import ONE_DRUM, ROLAND_TD11
from drumjax.music.notes import Context, Notes, Window
from drumjax.training.augment import (
    EARLY_BEAT,
    GHOST_VELOCITY,
    MAX_TEMPO_BPM,
    MIN_TEMPO_BPM,
    at_tempo,
    augment,
    swap_hands,
)

NUM_NOTES, NUM_BEATS = 96, 16
FEW = (5, 20, 40, 64, 90, 127)  # velocities, each of which many notes have
NUM_KEYS = 500
KEYS = jax.random.split(jax.random.key(0), NUM_KEYS)
KEY = KEYS[0]
PLAIN = {name: np.float32(0) for name in AUGMENTATIONS}
MILD = {
    "tempo": 0.2, "double_time": 0.3, "rotate_bars": 0.5, "rotate_beats": 0.5, "swing": 0.3, "push_ms": 10,
    "jitter_ms": 8, "gain": 0.3, "curve": 0.3, "velocity_jitter": 6, "drop_ghosts": 0.3, "drop_voice": 0.3,
    "swap_hands": 0.5, "transpose": 5,
}  # fmt: skip


def make_window(seed=0, tempo=120.0, bar=4.0, start=8.0, velocities=range(1, 128)) -> Window:
    """Played notes: near the 16ths of 16 beats, a fifth of them padding."""
    rng = np.random.default_rng(seed)
    grid = np.sort(rng.integers(0, NUM_BEATS * 4, NUM_NOTES)) / 4
    onset = (grid + rng.normal(0, 0.01, NUM_NOTES)).astype(np.float32)
    velocity = rng.choice(velocities, NUM_NOTES).astype(np.int32)
    pitch = rng.choice([36, 38, 42, 46, 51, 49], NUM_NOTES).astype(np.int32)
    notes = Notes(onset, np.full(NUM_NOTES, 0.1, np.float32), pitch, velocity, rng.random(NUM_NOTES) < 0.8)
    context = Context(*map(np.float32, (tempo, bar)), np.int32(1), np.int32(2), np.int32(1), np.float32(start))
    return Window(notes, context, np.float32(NUM_BEATS))


@functools.cache
def compiled(kit):
    """augment of as many keys [NUM_KEYS] as a test may want: one program of each kit for all windows and strengths."""
    return jax.jit(jax.vmap(lambda key, window, strengths: augment(key, window, strengths, kit), (0, None, None)))


def together(keys, window, strengths, kit=ROLAND_TD11):
    """What augment makes of one window with the keys."""
    num = len(keys)
    window = jax.tree.map(np.asarray, window)  # of the same types, whatever it was made by
    changed = compiled(kit)(jnp.resize(keys, NUM_KEYS), window, strengths)
    return jax.tree.map(lambda x: np.asarray(x)[:num], changed)


def many(name, window, amount, num=NUM_KEYS):
    """What one change makes of one window with many keys."""
    kit = None if name == "transpose" else ROLAND_TD11
    return together(KEYS[:num], window, PLAIN | {name: np.float32(amount)}, kit)


def assert_same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x, np.float32), np.asarray(y, np.float32))


@pytest.mark.parametrize("kit", [ROLAND_TD11, ONE_DRUM, None])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_changes_at_strength_0(kit, seed):
    window = make_window(seed, tempo=[120.0, 77.7, 0.0][seed], bar=[4.0, 3.0, 3.5][seed])
    changed = together(KEYS[:8], window, PLAIN, kit)
    for i in range(8):
        assert_same(jax.tree.map(lambda x, i=i: x[i], changed), window)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_change_is_switched_on_alone(name):
    window = make_window()
    changed = many(name, window, 1.0 if MILD[name] < 1 else MILD[name], 4)
    assert any(
        not np.array_equal(np.asarray(a[i], np.float32), np.asarray(b, np.float32))
        for a, b in zip(jax.tree.leaves(changed), jax.tree.leaves(window), strict=True)
        for i in range(4)
    )


@pytest.mark.parametrize("kit", [ROLAND_TD11, None])
def test_all_together_it_is_still_music(kit):
    strengths = {name: np.float32(MILD[name]) for name in AUGMENTATIONS}
    window = make_window()
    notes = together(KEYS, window, strengths, kit).notes
    assert np.all((notes.velocity >= 1) & (notes.velocity <= 127))
    assert np.all((notes.pitch >= 0) & (notes.pitch <= 127))
    assert np.all(np.isfinite(notes.onset_beat))
    assert not np.any(notes.mask & ~window.notes.mask), "padding became a note"


@pytest.mark.slow
@pytest.mark.parametrize("kit", [ROLAND_TD11, None])
def test_it_is_the_same_jitted_and_vmapped(kit):
    strengths = {name: np.float32(MILD[name]) for name in AUGMENTATIONS}
    window = jax.tree.map(jnp.asarray, make_window())
    changed = together(KEYS[:8], window, strengths, kit)
    for i in (0, 7):
        alone = augment(KEYS[i], window, strengths, kit)
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(changed), strict=True):
            np.testing.assert_allclose(np.asarray(a, np.float32), np.asarray(b[i], np.float32), rtol=1e-4, atol=1e-4)


def test_strengths_are_traced():
    for value in (0.0, 0.1, 0.3):
        together(KEYS[:1], make_window(), PLAIN | {"tempo": np.float32(value), "gain": np.float32(value)})
    assert compiled(ROLAND_TD11)._cache_size() == 1


def milliseconds_off_the_grid(window):
    onset = np.asarray(window.notes.onset_beat, np.float64)
    return (onset - np.round(onset * 4) / 4) * 60_000 / np.asarray(window.context.tempo_bpm)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 1.6])
def test_another_tempo_keeps_the_grid_and_the_milliseconds(factor):
    window = make_window()
    changed = at_tempo(window, jnp.float32(factor))
    assert changed.context.tempo_bpm == pytest.approx(120 * factor)
    np.testing.assert_array_equal(np.round(changed.notes.onset_beat * 4), np.round(window.notes.onset_beat * 4))
    np.testing.assert_allclose(milliseconds_off_the_grid(changed), milliseconds_off_the_grid(window), atol=2e-2)
    back = at_tempo(changed, jnp.float32(1 / factor))
    np.testing.assert_allclose(back.notes.onset_beat, window.notes.onset_beat, atol=1e-5)
    assert back.context.tempo_bpm == pytest.approx(120, rel=1e-6)


def test_a_triplet_stays_a_triplet_at_another_tempo():
    window = make_window()
    onset = jnp.round(window.notes.onset_beat * 3) / 3
    window = window._replace(notes=window.notes._replace(onset_beat=onset))
    np.testing.assert_allclose(at_tempo(window, jnp.float32(1.5)).notes.onset_beat, onset, atol=1e-6)


def test_tempo_changes_by_octaves_either_way():
    octaves = np.log2(np.asarray(many("tempo", make_window(), 0.5).context.tempo_bpm) / 120)
    assert octaves.min() < -0.4
    assert octaves.max() > 0.4
    assert np.abs(octaves).max() <= 0.5 + 1e-5
    assert abs(octaves.mean()) < 0.05


@pytest.mark.parametrize("tempo", [60.0, 100.0, 180.0])
def test_double_time_is_the_same_sound_counted_in_a_sensible_tempo(tempo):
    window = make_window(tempo=tempo)
    changed = many("double_time", window, 1.0, 50)
    ratio = np.asarray(changed.context.tempo_bpm) / tempo
    usable = {r for r in (0.5, 2.0) if MIN_TEMPO_BPM <= r * tempo <= MAX_TEMPO_BPM}
    assert set(ratio) == (usable if len(usable) == 2 else usable | {1.0})
    seconds = np.asarray(changed.notes.onset_beat) / np.asarray(changed.context.tempo_bpm)[:, None]
    np.testing.assert_allclose(seconds, np.broadcast_to(window.notes.onset_beat / tempo, seconds.shape), rtol=1e-6)
    np.testing.assert_allclose(changed.num_beats, NUM_BEATS * ratio)
    np.testing.assert_allclose(changed.context.start_beat, 8 * ratio)


@pytest.mark.parametrize(("change", "unit"), [("rotate_bars", 4.0), ("rotate_beats", 1.0)])
def test_rotation_is_the_window_as_a_loop(change, unit):
    window = make_window()
    before = np.sort(np.asarray(window.notes.onset_beat)[np.asarray(window.notes.mask)])
    before = before[(before >= -EARLY_BEAT) & (before < NUM_BEATS - EARLY_BEAT)]
    places = set()
    for onset, mask in zip(*(np.asarray(x) for x in many(change, window, 1.0, 150).notes[::4]), strict=True):
        after = np.sort(onset[mask])
        assert len(after) == len(before)
        assert after[0] >= -EARLY_BEAT
        assert after[-1] < NUM_BEATS
        shifts = [s for s in np.arange(0, NUM_BEATS, unit) if np.allclose(looped(before, s), after, atol=1e-4)]
        assert shifts
        places.add(shifts[0])
    assert len(places) == NUM_BEATS / unit


def looped(onset, shift):
    return np.sort(np.mod(onset - shift + EARLY_BEAT, NUM_BEATS) - EARLY_BEAT)


def test_rotation_cuts_off_what_is_no_whole_bar():
    window = make_window(bar=3.5)
    onset, mask = window.notes.onset_beat + EARLY_BEAT, window.notes.mask
    inside = mask & (onset >= 0) & (onset < 14)
    assert inside.sum() < mask.sum()
    changed = many("rotate_bars", window, 1.0, 20)
    np.testing.assert_array_equal(changed.num_beats, 14.0)
    np.testing.assert_array_equal(changed.notes.mask.sum(axis=1), inside.sum())
    assert changed.notes.onset_beat[changed.notes.mask].max() < 14


def test_one_bar_cannot_be_rotated():
    window = make_window()._replace(num_beats=jnp.float32(4))
    assert_same(many("rotate_bars", window, 1.0, 1), jax.tree.map(lambda x: np.asarray(x)[None], window))


def test_swing_moves_the_off_beats_only():
    window = make_window()
    onset = jnp.arange(NUM_NOTES) / 4.0
    window = window._replace(notes=window.notes._replace(onset_beat=onset))
    moved = np.asarray(many("swing", window, 1.0).notes.onset_beat) - np.asarray(onset)
    np.testing.assert_allclose(moved[:, ::4], 0, atol=1e-6)
    eighths = moved[:, 2::4]
    assert eighths.max() <= 1 / 6 + 1e-5
    assert eighths.max() > 0.15
    assert eighths.min() < -0.15
    np.testing.assert_allclose(moved[:, 1::4], eighths / 2, atol=1e-5)


@pytest.mark.parametrize("tempo", [60.0, 180.0])
def test_push_moves_all_notes_by_the_same_milliseconds(tempo):
    window = make_window(tempo=tempo)
    moved = (
        (np.asarray(many("push_ms", window, 20).notes.onset_beat) - np.asarray(window.notes.onset_beat)[None])
        * 60_000
        / tempo
    )
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1], moved.shape), atol=0.05)
    assert 18 < moved.max() <= 20.1
    assert -20.1 <= moved.min() < -18


@pytest.mark.parametrize("tempo", [60.0, 0.0])
def test_jitter_is_in_milliseconds(tempo):
    window = make_window(tempo=tempo)
    moved = (
        np.asarray(many("jitter_ms", window, 10).notes.onset_beat) - np.asarray(window.notes.onset_beat)[None]
    ) * 60_000
    assert np.std(moved / (tempo or 120.0)) == pytest.approx(10, rel=0.02)


def test_gain_turns_all_notes_and_gives_saturated_ones_a_peak_of_their_own():
    window = make_window(velocities=FEW)
    velocity = np.asarray(window.notes.velocity)
    changed = np.asarray(many("gain", window, 0.5).notes.velocity)
    factor = changed[:, velocity == 64] / 64
    np.testing.assert_array_equal(factor, np.broadcast_to(factor[:, :1], factor.shape))
    assert factor.min() > np.exp(-0.5) - 0.01
    assert factor.max() < np.exp(0.5) + 0.01
    softer = factor[:, 0] < 0.8
    loudest = changed[softer][:, velocity == 127]
    assert np.all(loudest <= 127)
    assert np.all(loudest >= 127 * (factor[softer][:, :1] - 0.01))
    assert np.all(loudest.std(axis=1) > 2), "saturated hits keep one velocity"
    assert np.all(changed[factor[:, 0] > 1.01][:, velocity == 127] == 127)


def test_curve_keeps_the_order_and_the_ends():
    window = make_window(velocities=FEW)
    velocity = np.asarray(window.notes.velocity)
    changed = np.asarray(many("curve", window, 0.5).notes.velocity)
    np.testing.assert_allclose(changed[:, velocity == 127], 127, rtol=1e-6)
    means = np.stack([changed[:, velocity == v].mean(axis=1) for v in np.unique(velocity)])
    assert np.all(np.diff(means, axis=0) >= 0)
    assert means[3].min() < 50
    assert means[3].max() > 80


def test_velocity_jitter_has_its_standard_deviation():
    window = make_window(velocities=FEW)
    changed = np.asarray(many("velocity_jitter", window, 4).notes.velocity) - np.asarray(window.notes.velocity)
    assert changed[:, np.asarray(window.notes.velocity) == 64].std() == pytest.approx(4, rel=0.05)


def test_only_ghosts_are_dropped():
    window = make_window()
    mask, ghost = np.asarray(window.notes.mask), np.asarray(window.notes.velocity) < GHOST_VELOCITY
    kept = np.asarray(many("drop_ghosts", window, 0.25).notes.mask)
    np.testing.assert_array_equal(kept[:, ~ghost], np.broadcast_to(mask[~ghost], kept[:, ~ghost].shape))
    assert kept[:, ghost & mask].mean() == pytest.approx(0.75, abs=0.02)


def test_one_voice_is_dropped_whole_and_never_the_only_one():
    window = make_window()
    mask, drum = np.asarray(window.notes.mask), ROLAND_TD11.class_table()[np.asarray(window.notes.pitch)]
    lost = set()
    for kept in np.asarray(many("drop_voice", window, 1.0, 200).notes.mask):
        gone = set(drum[mask & ~kept])
        assert len(gone) <= 1
        assert not np.any(kept & np.isin(drum, list(gone)))
        lost |= gone
    assert lost == set(drum[mask])
    only = window._replace(notes=window.notes._replace(pitch=jnp.full(NUM_NOTES, 38)))
    kept = many("drop_voice", only, 1.0, 50).notes.mask
    np.testing.assert_array_equal(kept, np.broadcast_to(mask, kept.shape))


def test_hands_change_places_and_back():
    window, swap = make_window(), functools.partial(swap_hands, kit=ROLAND_TD11)
    once = swap(KEY, window, jnp.float32(1))
    pitch, other = np.asarray(window.notes.pitch), np.asarray(once.notes.pitch)
    assert np.all(other[pitch == 42] == 51)
    assert np.all(other[pitch == 51] == 42)
    np.testing.assert_array_equal(other[(pitch != 42) & (pitch != 51)], pitch[(pitch != 42) & (pitch != 51)])
    assert_same(swap(KEY, once, jnp.float32(1)), window)
    assert_same(swap_hands(KEY, window, jnp.float32(1), kit=ONE_DRUM), window)


def test_pitched_instruments_are_transposed_together_and_drums_never():
    window = make_window()
    changed = many("transpose", window, 6)
    steps = np.asarray(changed.notes.pitch) - np.asarray(window.notes.pitch)
    assert np.all(steps == steps[:, :1])
    assert set(steps[:, 0]) == set(range(-6, 7))
    high = window._replace(notes=window.notes._replace(pitch=jnp.full(NUM_NOTES, 127)))
    up = np.asarray(many("transpose", high, 6, 40).notes.mask).any(axis=1)
    assert up.any()
    assert not up.all()
    strengths = PLAIN | {"transpose": np.float32(12)}
    assert_same(together(KEYS[:1], window, strengths), jax.tree.map(lambda x: np.asarray(x)[None], window))
