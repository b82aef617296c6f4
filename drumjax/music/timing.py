"""How far a performance as a whole lies behind the beat (laid back) or ahead of it (pushed), and how much it swings."""

import numpy as np

# Notes within so much of a beat of one are meant to be on it. Others do not count: swing would make them late or early.
NEAR_BEATS = 0.125
# Notes in this part of a beat are meant to be the 8th between two beats, straight (1/2) or swung (2/3).
OFF_BEAT = (0.4, 0.72)


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


def swing_of(onset_beat: np.ndarray) -> float:
    """Where the 8ths between the beats are: 0 in the middle, 1 at two thirds, as of triplets; NaN if there are none.

    The median of the notes that are meant to be there.
    """
    place = np.mod(onset_beat, 1)
    between = place[(place > OFF_BEAT[0]) & (place < OFF_BEAT[1])]
    return (float(np.median(between)) - 0.5) * 6 if len(between) else float("nan")


def swing_to(onset_beat: np.ndarray, wanted: float) -> np.ndarray:
    """All onsets [N], both halves of each beat stretched so that the 8ths between the beats are where they are wanted;
    as they are if there are none."""
    found = swing_of(onset_beat)
    if np.isnan(found):
        return onset_beat
    old, new = (0.5 + swing / 6 for swing in (found, wanted))
    beat, place = np.divmod(onset_beat, 1)
    return beat + np.interp(place, (0, old, 1), (0, new, 1))
