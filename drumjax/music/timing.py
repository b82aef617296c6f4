"""How far a performance as a whole lies behind the beat (laid back) or ahead of it (pushed)."""

import numpy as np

# Notes within so much of a beat of one are meant to be on it. Others do not count: swing would make them late or early.
NEAR_BEATS = 0.125


def lean_ms(onset_beat: np.ndarray, tempo_bpm: float, beats_per_bar: float) -> float:
    """By how many milliseconds the notes that are meant to be on a beat of their bar are late, on average; NaN if there
    are none."""
    place = np.mod(onset_beat, beats_per_bar)
    late = np.where(place > beats_per_bar - NEAR_BEATS, place - beats_per_bar, place - np.round(place))
    late = late[np.abs(late) <= NEAR_BEATS]
    return float(late.mean()) * 60_000 / tempo_bpm if len(late) else float("nan")


def lean_to(onset_beat: np.ndarray, tempo_bpm: float, beats_per_bar: float, wanted_ms: float) -> np.ndarray:
    """All onsets [N], moved by the same time so that they lean as wanted; as they are if none is near a beat."""
    found = lean_ms(onset_beat, tempo_bpm, beats_per_bar)
    return onset_beat if np.isnan(found) else onset_beat + (wanted_ms - found) * tempo_bpm / 60_000
