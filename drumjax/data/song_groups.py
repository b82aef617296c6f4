"""The songs of a large corpus in groups, one for each window of a batch: a device holds those of its share alone."""

import heapq
from collections.abc import Sequence

import jax
import numpy as np

from drumjax.data.corpus import Corpus


def split_songs(corpus: Corpus, num_groups: int) -> Corpus:
    """The songs in groups of nearly as many beats each: every leaf [num_groups, ...], a Corpus for each group.

    Shorter groups are filled up: with beats of theirs from the first on, which they take windows from a little more
    often, and with what no window reaches.
    """
    beats = np.diff(corpus.song_beat)
    heap = [(0, group) for group in range(num_groups)]
    songs: list[list[int]] = [[] for _ in range(num_groups)]
    for song in np.argsort(-beats, kind="stable").tolist():  # the longest first, each to the group that has least
        total, group = heap[0]
        songs[group].append(song)
        heapq.heapreplace(heap, (total + int(beats[song]), group))
    if not all(songs):
        raise ValueError(f"{len(beats)} songs are too few for {num_groups} groups")
    return _stack([_take_songs(corpus, np.sort(chosen)) for chosen in songs])


def _take_songs(corpus: Corpus, songs: np.ndarray) -> Corpus:
    """Some songs of a corpus, by their numbers, ascending."""
    notes, num_notes = _rows(np.asarray(corpus.song_note), songs)
    beats, num_beats = _rows(np.asarray(corpus.song_beat), songs)
    song_note, song_beat = (np.concatenate([[0], np.cumsum(n)]).astype(np.int32) for n in (num_notes, num_beats))
    moved = np.repeat(song_note[:-1] - corpus.song_note[songs], num_beats)
    return Corpus(
        notes=jax.tree.map(lambda column: column[notes], corpus.notes),
        context=jax.tree.map(lambda column: column[songs], corpus.context),
        end_beat=corpus.end_beat[songs],
        song_beat=song_beat,
        beat_song=np.repeat(np.arange(len(songs)), num_beats).astype(np.int32),
        beat_note=np.concatenate([corpus.beat_note[beats] + moved, song_note[-1:]]).astype(np.int32),
        song_note=song_note,
    )


def _rows(starts: np.ndarray, songs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of some songs, of which all have starts[i]..starts[i + 1], and how many each has."""
    sizes = starts[songs + 1] - starts[songs]
    first = np.cumsum(sizes) - sizes
    return np.arange(sizes.sum()) + np.repeat(starts[songs] - first, sizes), sizes


def _stack(groups: Sequence[Corpus]) -> Corpus:
    """Each leaf of all groups, filled up to the longest."""

    def stack(*columns: np.ndarray) -> np.ndarray:
        size = max(map(len, columns))
        return np.stack([np.pad(column, (0, size - len(column)), mode="edge") for column in columns])

    size = max(len(group.beat_song) for group in groups)
    beat_song = np.stack([np.resize(group.beat_song, size) for group in groups])
    return jax.tree.map(stack, *groups)._replace(beat_song=beat_song)
