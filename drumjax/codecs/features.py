"""What values of a field have in common, as rows of numbers; see codecs.Field."""

import numpy as np


def chord_features(num: int) -> np.ndarray:
    """[2^num, num] float32: the bits of each chord."""
    return ((np.arange(2**num)[:, None] >> np.arange(num)) & 1).astype(np.float32)


def scale_features(size: int) -> np.ndarray:
    """[size, 3] float32: presence, and the place on a scale from -1 to 1 and its square."""
    x = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    return np.stack([np.ones_like(x), x, x * x], axis=1)


def pitch_features(pitches: tuple[int, ...]) -> np.ndarray:
    """[1 + pitches, 15] float32: height, as in scale_features, and pitch class; zeros for the rest."""
    pitch = np.asarray(pitches)
    x = (pitch / 128 * 2 - 1).astype(np.float32)
    scale = np.stack([np.ones_like(x), x, x * x], axis=1)
    rows = np.concatenate([scale, np.eye(12, dtype=np.float32)[pitch % 12]], axis=1)
    return np.concatenate([np.zeros((1, rows.shape[1]), np.float32), rows])


def pitch_sets(pitches: tuple[int, ...]) -> np.ndarray:
    """[1 + pitches] int32: octave and pitch class of each as a set, a bit each; empty for the rest."""
    pitch = np.asarray(pitches, np.int32)
    return np.append(0, 1 << (pitch % 12) | 1 << (12 + pitch // 12)).astype(np.int32)


def length_features(lengths: np.ndarray, ticks_per_beat: float) -> np.ndarray:
    """[size, 9] float32 of lengths [size] in ticks: presence, whether it is zero, its logarithm and the square of that,
    and whether it is a whole number of beats, 8ths, 16ths, triplet 8ths and triplet 16ths."""
    length = np.asarray(lengths)
    x = np.log2(1 + length / ticks_per_beat * 4).astype(np.float32) / 4
    columns = [np.ones_like(x), (length == 0).astype(np.float32), x, x * x]
    columns += [((length * parts) % ticks_per_beat == 0).astype(np.float32) for parts in (1, 2, 4, 3, 6)]
    return np.stack(columns, axis=1)
