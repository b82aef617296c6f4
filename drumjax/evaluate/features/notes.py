"""What can be said of some bars of any instrument, as numbers: how dense, how high, how long, how loud, how tonal.

Every figure is of one stretch of a song of num_bars bars, and NaN where it does not say.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from drumjax.evaluate.features.feature import Feature
from drumjax.music.notes import Array, Notes, Song

NUM_BARS = 8  # of a stretch
# Notes nearer than this begin together.
TOGETHER_BEATS = 1 / 24
MAJOR = (0, 2, 4, 5, 7, 9, 11)  # the pitch classes of C major; a minor scale has those of its relative major


def density(song: Song, num_bars: int) -> float:
    return len(song.notes.pitch) / (num_bars * song.beats_per_bar)


def chord_size(song: Song, num_bars: int) -> float:
    return len(song.notes.pitch) / max(len(_onsets(song)), 1) if len(song.notes.pitch) else np.nan


def sounding(song: Song, num_bars: int) -> float:
    """Notes that sound at a time, averaged over the time in which any does."""
    notes = song.notes
    step = np.arange(0, num_bars * song.beats_per_bar, 1 / 12)
    begun = np.searchsorted(np.sort(notes.onset_beat), step, side="right")
    ended = np.searchsorted(np.sort(notes.onset_beat + notes.duration_beat), step, side="right")
    count = begun - ended
    return float(count[count > 0].mean()) if (count > 0).any() else np.nan


def mean_pitch(song: Song, num_bars: int) -> float:
    return _mean(song.notes.pitch)


def pitch_range(song: Song, num_bars: int) -> float:
    return float(np.ptp(song.notes.pitch)) if len(song.notes.pitch) else np.nan


def leap(song: Song, num_bars: int) -> float:
    """Between the highest notes of neighbouring onsets, which are heard as a melody."""
    onset = np.round(song.notes.onset_beat / TOGETHER_BEATS).astype(int)
    top = [song.notes.pitch[onset == tick].max() for tick in np.unique(onset)]
    return _mean(np.abs(np.diff(top)))


def in_key(song: Song, num_bars: int) -> float:
    """The share of notes in the scale that holds the most of them."""
    counts = np.bincount(song.notes.pitch % 12, minlength=12)
    if not counts.sum():
        return np.nan
    return float(max(np.roll(counts, -root)[list(MAJOR)].sum() for root in range(12)) / counts.sum())


def pitch_classes(song: Song, num_bars: int) -> float:
    """Entropy of the twelve pitch classes, in bits; Wu & Yang 2020 call it pitch-class histogram entropy."""
    share = np.bincount(song.notes.pitch % 12, minlength=12) / max(len(song.notes.pitch), 1)
    return float(-np.sum(share[share > 0] * np.log2(share[share > 0]))) if share.any() else np.nan


def duration(song: Song, num_bars: int) -> float:
    return _mean(song.notes.duration_beat)


def interval(song: Song, num_bars: int) -> float:
    return _mean(np.diff(_onsets(song)))


def velocity(song: Song, num_bars: int) -> float:
    return _mean(song.notes.velocity)


def velocity_spread(song: Song, num_bars: int) -> float:
    return float(song.notes.velocity.std()) if len(song.notes.velocity) > 1 else np.nan


def groove_similarity(song: Song, num_bars: int) -> float:
    """How alike the rhythms of any two bars are, 0..1: 1 - mean Hamming distance of their onsets on the 16th grid; Wu &
    Yang 2020, "The Jazz Transformer on the Front Line", section 5.2."""
    steps = max(1, round(song.beats_per_bar * 4))
    step = np.floor(song.notes.onset_beat * 4 + 0.5).astype(int)
    bars = np.zeros((num_bars, steps), bool)
    inside = (step >= 0) & (step < bars.size)
    bars.reshape(-1)[step[inside]] = True
    pairs = [np.mean(a == b) for i, a in enumerate(bars) for b in bars[i + 1 :]]
    return float(np.mean(pairs)) if pairs else np.nan


FEATURES = (
    Feature("density", "notes/beat", "notes that begin", density),
    Feature("chord size", "notes", "that begin together", chord_size),
    Feature("sounding", "notes", "at a time, where any sounds", sounding),
    Feature("pitch", "MIDI", "mean", mean_pitch),
    Feature("range", "semitones", "from the lowest to the highest", pitch_range),
    Feature("leap", "semitones", "from one top note to the next", leap),
    Feature("in key", "0..1", "share of notes in the best scale", in_key),
    Feature("pitch classes", "bits", "entropy; Wu & Yang 2020", pitch_classes),
    Feature("interval", "beats", "from one onset to the next", interval),
    Feature("duration", "beats", "mean", duration),
    Feature("velocity", "1..127", "mean", velocity),
    Feature("velocity spread", "1..127", "standard deviation", velocity_spread),
    Feature("rhythm in common", "0..1", "of any two bars; Wu & Yang 2020", groove_similarity),
)


def find_stretches(songs: Iterable[Song], num_bars: int = NUM_BARS) -> list[tuple[Song, int]]:
    """All stretches of num_bars bars with a note in them, side by side: their song and first bar."""
    found = []
    for song in songs:
        length = num_bars * song.beats_per_bar
        used = np.unique(np.maximum((song.notes.onset_beat + TOGETHER_BEATS / 2) // length, 0).astype(int))
        found += [(song, int(i) * num_bars) for i in used if (i + 1) * num_bars <= song.num_bars]
    return found


def cut_song(song: Song, first_bar: int, num_bars: int = NUM_BARS) -> Song:
    """The stretch of a song."""
    start, end = (bar * song.beats_per_bar for bar in (first_bar, first_bar + num_bars))
    onset = song.notes.onset_beat + TOGETHER_BEATS / 2
    inside = (onset >= start) & (onset < end)
    notes = Notes(*(column[inside] for column in song.notes))
    notes = notes._replace(onset_beat=np.maximum(notes.onset_beat - start, 0))
    return Song(notes, song.tempo_bpm, song.time_signature, is_drums=song.is_drums)


def measure(songs: Sequence[Song], num_bars: int = NUM_BARS) -> np.ndarray:
    """[songs, features]."""
    rows = [[feature.measure(song, num_bars) for feature in FEATURES] for song in songs]
    return np.asarray(rows, float).reshape(len(songs), len(FEATURES))


def _onsets(song: Song) -> np.ndarray:
    """Different onsets, in beats."""
    return np.unique(np.round(song.notes.onset_beat / TOGETHER_BEATS)) * TOGETHER_BEATS


def _mean(values: Array) -> float:
    return float(np.mean(values)) if len(values) else np.nan
