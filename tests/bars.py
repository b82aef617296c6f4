"""Performances written by hand, bar by bar."""

import numpy as np

from drumjax.music.notes import Song, make_notes

# (beat, pitch) of one bar.
ROCK = [(0, 36), (1, 38), (2, 36), (3, 38)]
TOMS = [(0, 43), (0.5, 47), (1, 50), (3.75, 49)]


def make_song(bars, time_signature=(4, 4), velocity=90, **known) -> Song:
    """Bars of (beat, pitch) or (beat, pitch, velocity)."""
    length = 4 * time_signature[0] / time_signature[1]
    hits = [(bar * length + beat, pitch, *(loud or (velocity,))) for bar, hits in enumerate(bars)
            for beat, pitch, *loud in hits]  # fmt: skip
    onset, pitch, loud = zip(*hits, strict=True)
    return Song(make_notes(onset, np.full(len(onset), 0.1), pitch, loud), time_signature=time_signature, **known)


def line(text: str) -> np.ndarray:
    """One drum's bars [n, 16] bool from `x` and `-`."""
    return np.asarray([mark == "x" for mark in text.replace("|", "")]).reshape(-1, 16)
