"""Augmentation: from a window of a real performance, another that could have been played.

Pure functions of (key, window, amount), for one example; the training step vmaps them. Amounts are traced, and at 0
every function is the identity. They know notes and beats, not tokens: what is changed is the music, then it is encoded.
Notes may leave their order.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from drumjax.config.augmentation import AUGMENTATIONS
from drumjax.music.kits import Kit
from drumjax.music.notes import EARLY_BEAT, USUAL_TEMPO_BPM, Array, Notes, Window

# Softer notes are ghost notes.
GHOST_VELOCITY = 32
# Twice or half the tempo is only taken where a drummer would count it so.
MIN_TEMPO_BPM, MAX_TEMPO_BPM = 50.0, 220.0


# How far each change may go, by its name in config.augmentation: float32 scalars >= 0; 0 is not at all.
Strengths = Mapping[str, Array]


def augment(key: Array, window: Window, strengths: Strengths, kit: Kit | None) -> Window:
    """All changes that apply to the instrument, one after another. `kit` names the drums; None for pitched ones."""
    mine = "drums" if kit else "pitched"
    rows = {name: row for name, row in AUGMENTATIONS.items() if row.applies_to in ("any", mine)}
    for (name, row), subkey in zip(rows.items(), jax.random.split(key, len(rows)), strict=True):
        more = (kit,) if row.applies_to == "drums" else ()
        window = CHANGES[name](subkey, window, strengths[name], *more)
    return window


def scale_tempo(key: Array, window: Window, amount: Array) -> Window:
    """Another tempo on the same grid."""
    return at_tempo(window, 2 ** _symmetric(key, amount))


def at_tempo(window: Window, factor: Array) -> Window:
    """The window at `factor` times its tempo: how far notes lie off the grid is a matter of milliseconds, so it grows
    in beats as much as the tempo does. The grid is the nearest 16th or triplet 8th.
    """
    onset = window.notes.onset_beat
    straight, triplet = jnp.round(onset * 4) / 4, jnp.round(onset * 3) / 3
    grid = jnp.where(jnp.abs(onset - straight) <= jnp.abs(onset - triplet), straight, triplet)
    window = _move(window, (onset - grid) * (factor - 1))
    return window._replace(context=window.context._replace(tempo_bpm=window.context.tempo_bpm * factor))


def count_double(key: Array, window: Window, amount: Array) -> Window:
    """The same sound, counted in beats half as long, or twice as long, where that is a tempo to count in."""
    key_whether, key_which = jax.random.split(key)
    factor = jnp.where(jax.random.bernoulli(key_which), 2.0, 0.5)
    tempo = window.context.tempo_bpm * factor
    taken = jax.random.bernoulli(key_whether, amount) & (tempo >= MIN_TEMPO_BPM) & (tempo <= MAX_TEMPO_BPM)
    factor = jnp.where(taken, factor, 1.0)
    notes, context = window.notes, window.context
    return Window(
        notes=notes._replace(onset_beat=notes.onset_beat * factor, duration_beat=notes.duration_beat * factor),
        context=context._replace(tempo_bpm=context.tempo_bpm * factor, start_beat=context.start_beat * factor),
        num_beats=window.num_beats * factor,
        memory_beats=window.memory_beats * factor,
    )


def rotate_bars(key: Array, window: Window, amount: Array) -> Window:
    """The window's whole bars as a loop, entered at a random one of them; a rest of a bar at the end is cut off. What
    came before the window stays."""
    return _rotate(key, window, amount, window.context.beats_per_bar)


def rotate_beats(key: Array, window: Window, amount: Array) -> Window:
    """The same loop, entered at any beat: what was played on beat 2 may come on beat 1."""
    return _rotate(key, window, amount, jnp.float32(1))


def _rotate(key: Array, window: Window, amount: Array, unit: Array) -> Window:
    key_whether, key_first = jax.random.split(key)
    bar = window.context.beats_per_bar
    length = jnp.floor(window.num_beats / bar) * bar
    taken = jax.random.bernoulli(key_whether, amount) & (length > unit)
    num_places = jnp.maximum(jnp.floor(length / unit), 1).astype(jnp.int32)
    first = jax.random.randint(key_first, (), 0, num_places) * unit
    # A hit a little before the first beat anticipates it, and goes on doing so.
    onset = window.notes.onset_beat + EARLY_BEAT
    is_past = onset < 0
    rotated = jnp.mod(onset - first, jnp.maximum(length, 1.0)) - EARLY_BEAT
    notes = window.notes._replace(
        onset_beat=jnp.where(taken & ~is_past, rotated, window.notes.onset_beat),
        mask=window.notes.mask & (~taken | (onset < length)),
    )
    return window._replace(notes=notes, num_beats=jnp.where(taken, length, window.num_beats))


def swing_notes(key: Array, window: Window, amount: Array) -> Window:
    """Moves the off-beat 8ths towards the triplet after (or before) them, and what lies around them evenly."""
    late = _symmetric(key, amount) / 6
    phase = window.notes.onset_beat - jnp.floor(window.notes.onset_beat)
    return _move(window, late * (1 - jnp.abs(2 * phase - 1)))


def push_notes(key: Array, window: Window, amount: Array) -> Window:
    """All notes a little earlier or later."""
    return _move(window, _symmetric(key, amount) * _beats_per_ms(window))


def jitter_notes(key: Array, window: Window, amount: Array) -> Window:
    """Each note a little earlier or later."""
    return _move(window, _normal(key, window) * amount * _beats_per_ms(window))


def scale_velocity(key: Array, window: Window, amount: Array) -> Window:
    """Louder or softer by one factor.

    13% of the velocities of the Groove MIDI Dataset are saturated at 127: such hits were as loud or louder. They are
    given a loudness beyond 127 first, the more the further all are turned down, so that a softer performance has no
    peak where the limit was.
    """
    key_gain, key_excess = jax.random.split(key)
    gain = _symmetric(key_gain, amount)
    velocity = window.notes.velocity.astype(jnp.float32)
    excess = jax.random.uniform(key_excess, velocity.shape) * jnp.maximum(-gain, 0)
    velocity = jnp.where(velocity >= 127, velocity * jnp.exp(excess), velocity)
    return _strike(window, velocity * jnp.exp(gain))


def bend_velocity(key: Array, window: Window, amount: Array) -> Window:
    """Another response curve of the pads: 127 (v / 127)^e."""
    exponent = jnp.exp(_symmetric(key, amount))
    return _strike(window, 127 * (window.notes.velocity.astype(jnp.float32) / 127) ** exponent)


def jitter_velocity(key: Array, window: Window, amount: Array) -> Window:
    """Each note a little louder or softer."""
    return _strike(window, window.notes.velocity.astype(jnp.float32) + _normal(key, window) * amount)


def drop_ghosts(key: Array, window: Window, amount: Array, kit: Kit) -> Window:
    """Leaves out some of the softest notes, whichever drum of the kit they are."""
    del kit
    dropped = jax.random.bernoulli(key, amount, window.notes.mask.shape) & (window.notes.velocity < GHOST_VELOCITY)
    return _keep(window, ~dropped)


def drop_voice(key: Array, window: Window, amount: Array, kit: Kit) -> Window:
    """Leaves out one drum of the kit for the whole window, if more than one is played."""
    key_whether, key_which = jax.random.split(key)
    drum = jnp.asarray(kit.class_table())[jnp.clip(window.notes.pitch, 0, 127)]
    dropped = drum == jax.random.randint(key_which, (), 0, kit.num_classes)
    some_left = jnp.any(window.notes.mask & ~dropped)
    return _keep(window, ~(dropped & jax.random.bernoulli(key_whether, amount) & some_left))


def swap_hands(key: Array, window: Window, amount: Array, kit: Kit) -> Window:
    """The pattern of the closed hi-hat on the ride, and the other way round; the same window in a kit without them."""
    if not {"closed hi-hat", "ride"} <= set(kit.names):
        return window
    hat, ride = kit.names.index("closed hi-hat"), kit.names.index("ride")
    drum = jnp.asarray(kit.class_table())[jnp.clip(window.notes.pitch, 0, 127)]
    other = jnp.where(drum == hat, kit.write[ride], jnp.where(drum == ride, kit.write[hat], window.notes.pitch))
    pitch = jnp.where(jax.random.bernoulli(key, amount), other, window.notes.pitch)
    return window._replace(notes=window.notes._replace(pitch=pitch))


def transpose_notes(key: Array, window: Window, amount: Array) -> Window:
    """All notes a whole number of semitones higher or lower; what leaves 0..127 is left out."""
    pitch = window.notes.pitch + jnp.round(_symmetric(key, amount)).astype(jnp.int32)
    window = _keep(window, (pitch >= 0) & (pitch <= 127))
    return window._replace(notes=window.notes._replace(pitch=jnp.clip(pitch, 0, 127)))


# The function of each change: (key, window, amount), and the kit where it applies to drums alone.
CHANGES: dict[str, Callable[..., Window]] = {
    "tempo": scale_tempo,
    "double_time": count_double,
    "rotate_bars": rotate_bars,
    "rotate_beats": rotate_beats,
    "swing": swing_notes,
    "push_ms": push_notes,
    "jitter_ms": jitter_notes,
    "gain": scale_velocity,
    "curve": bend_velocity,
    "velocity_jitter": jitter_velocity,
    "drop_ghosts": drop_ghosts,
    "drop_voice": drop_voice,
    "swap_hands": swap_hands,
    "transpose": transpose_notes,
}


def _symmetric(key: Array, amount: Array) -> Array:
    """U(-amount, amount)."""
    return amount * jax.random.uniform(key, (), minval=-1.0, maxval=1.0)


def _normal(key: Array, window: Window) -> Array:
    return jax.random.normal(key, window.notes.onset_beat.shape)


def _beats_per_ms(window: Window) -> Array:
    tempo = window.context.tempo_bpm
    return jnp.where(tempo > 0, tempo, USUAL_TEMPO_BPM) / 60_000


def _move(window: Window, beats: Array) -> Window:
    return window._replace(notes=window.notes._replace(onset_beat=window.notes.onset_beat + beats))


def _strike(window: Window, velocity: Array) -> Window:
    """Whole velocities, as MIDI's are: 99.99999 would be in another bin of the codec than 100."""
    velocity = jnp.clip(jnp.round(velocity), 1, 127).astype(jnp.int32)
    return window._replace(notes=window.notes._replace(velocity=velocity))


def _keep(window: Window, kept: Array) -> Window:
    notes: Notes = window.notes
    return window._replace(notes=notes._replace(mask=notes.mask & kept))
