"""drumjax's augmentation for a data loader: the same changes with the same odds, one window after another in numpy."""

import dataclasses

import numpy as np

from drumjax.music.kits import Kit
from drumjax.training.augment import EARLY_BEAT, GHOST_VELOCITY, MAX_TEMPO_BPM, MIN_TEMPO_BPM


@dataclasses.dataclass
class Music:
    """A window: columns [N] and numbers, in the units of drumjax.music.notes."""

    onset: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    tempo_bpm: float
    beats_per_bar: float
    num_beats: float


def augment(rng: np.random.Generator, music: Music, strength: dict[str, float], kit: Kit) -> Music:
    """See drumjax.training.augment; changes that a loader would skip where their dice say so are skipped."""
    m, s = music, strength
    _change_time(rng, m, s)
    _change_velocity(rng, m, s)
    keep = (m.velocity >= GHOST_VELOCITY) | (rng.random(len(m.pitch)) >= s["drop_ghosts"])
    m.onset, m.pitch, m.velocity = m.onset[keep], m.pitch[keep], m.velocity[keep]
    drum = kit.class_table()[m.pitch]
    if rng.random() < s["drop_voice"]:
        keep = drum != rng.integers(kit.num_classes)
        if keep.any():
            m.onset, m.pitch, m.velocity, drum = m.onset[keep], m.pitch[keep], m.velocity[keep], drum[keep]
    if rng.random() < s["swap_hands"]:
        hat, ride = kit.names.index("closed hi-hat"), kit.names.index("ride")
        m.pitch = np.where(drum == hat, kit.write[ride], np.where(drum == ride, kit.write[hat], m.pitch))
    return m


def _change_time(rng: np.random.Generator, m: Music, s: dict[str, float]) -> None:
    factor = 2 ** rng.uniform(-s["tempo"], s["tempo"])
    straight, triplet = np.round(m.onset * 4) / 4, np.round(m.onset * 3) / 3
    grid = np.where(np.abs(m.onset - straight) <= np.abs(m.onset - triplet), straight, triplet)
    m.onset = m.onset + (m.onset - grid) * (factor - 1)
    m.tempo_bpm *= factor
    factor = rng.choice([0.5, 2.0])
    if rng.random() < s["double_time"] and MIN_TEMPO_BPM <= m.tempo_bpm * factor <= MAX_TEMPO_BPM:
        m.onset, m.tempo_bpm, m.num_beats = m.onset * factor, m.tempo_bpm * factor, m.num_beats * factor
    num_bars = int(m.num_beats / m.beats_per_bar)
    if rng.random() < s["rotate_bars"] and num_bars > 1:
        m.num_beats = num_bars * m.beats_per_bar
        early = m.onset + EARLY_BEAT
        keep = (early >= 0) & (early < m.num_beats)
        first = rng.integers(num_bars) * m.beats_per_bar
        m.onset = np.mod(early[keep] - first, m.num_beats) - EARLY_BEAT
        m.pitch, m.velocity = m.pitch[keep], m.velocity[keep]
    phase = m.onset - np.floor(m.onset)
    m.onset = m.onset + rng.uniform(-s["swing"], s["swing"]) / 6 * (1 - np.abs(2 * phase - 1))
    shift_ms = rng.uniform(-s["push_ms"], s["push_ms"]) + rng.normal(0, s["jitter_ms"], len(m.onset))
    m.onset = m.onset + shift_ms * m.tempo_bpm / 60_000


def _change_velocity(rng: np.random.Generator, m: Music, s: dict[str, float]) -> None:
    gain = rng.uniform(-s["gain"], s["gain"])
    velocity = m.velocity.astype(np.float32)
    excess = rng.random(len(velocity)) * max(-gain, 0)
    velocity = np.where(velocity >= 127, velocity * np.exp(excess), velocity) * np.exp(gain)
    velocity = 127 * (np.clip(velocity, 1, 127) / 127) ** np.exp(rng.uniform(-s["curve"], s["curve"]))
    m.velocity = np.clip(velocity + rng.normal(0, s["velocity_jitter"], len(velocity)), 1, 127)
