"""All songs end to end in flat arrays that live on the device, and windows taken from them.

There is no data loader: the whole Groove MIDI Dataset is about 6 MB packed, so a batch is `vmap(take_window)` over
random keys, inside the compiled training step. A large corpus is split by songs into as many groups as a batch has
windows, each window from a group of its own: so each device holds only its share.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.music.notes import Array, Context, Notes, Song, Window

# A note this much before the window's start may still belong to its first step (a grid of one step per beat).
MARGIN_BEAT = 0.5
_STRETCH_NOTES = 1 << 22


class Corpus(NamedTuple):
    """S songs, M notes, Q beats in all.

    notes       Notes [M], onsets from the start of their song, songs one after another
    context     Context [S], start_beat and what is measured from windows 0
    end_beat    [S] float32, length of each song in beats: the end of its last bar
    song_beat   [S + 1] int32, beats before each song, all its bars counted whole
    beat_song   [Q] int32, the song of each beat
    beat_note   [Q + 1] int32, first note not earlier than MARGIN_BEAT before each beat; M at the end
    song_note   [S + 1] int32, first note of each song
    """

    notes: Notes
    context: Context
    end_beat: Array
    song_beat: Array
    beat_song: Array
    beat_note: Array
    song_note: Array


def pack(songs: Sequence[Song], styles: Sequence[str] = ("",), players: Sequence[str] = ("",)) -> Corpus:
    """Numpy Corpus of the songs, in order. `styles[0]` is the unknown style, as is any style not in `styles`; so with
    players, who are unknown unless they are given: what is scored is not to be told who plays."""
    if not songs:
        raise ValueError("no songs to pack")
    end_beat = np.asarray([song.num_bars * song.beats_per_bar for song in songs], np.float32)
    num_beats = np.ceil(end_beat).astype(int)
    song_note = np.cumsum([0] + [len(song.notes.pitch) for song in songs])
    song_beat = np.cumsum(np.concatenate([[0], num_beats]))
    beat_note = [
        first + np.searchsorted(song.notes.onset_beat, np.arange(beats) - MARGIN_BEAT, side="left")
        for song, first, beats in zip(songs, song_note[:-1], num_beats, strict=True)
    ]
    return Corpus(
        notes=Notes(*(np.concatenate(column) for column in zip(*(song.notes for song in songs), strict=True))),
        context=_pack_context(songs, styles, players),
        end_beat=end_beat,
        song_beat=song_beat.astype(np.int32),
        beat_song=np.repeat(np.arange(len(songs)), num_beats).astype(np.int32),
        beat_note=np.concatenate([*beat_note, song_note[-1:]]).astype(np.int32),
        song_note=song_note.astype(np.int32),
    )


def _pack_context(songs: Sequence[Song], styles: Sequence[str], players: Sequence[str]) -> Context:
    style_id, player_id = ({name: i for i, name in enumerate(names)} for names in (styles, players))
    unknown = Context(*(np.full(len(songs), value) for value in Context()))
    return unknown._replace(
        tempo_bpm=np.asarray([song.tempo_bpm for song in songs], np.float32),
        beats_per_bar=np.asarray([song.beats_per_bar for song in songs], np.float32),
        metre=np.asarray([song.metre for song in songs], np.int32),
        style=np.asarray([style_id.get(song.style, 0) for song in songs], np.int32),
        fill=np.asarray([song.fill for song in songs], np.int32),
        player=np.asarray([player_id.get(song.drummer, 0) for song in songs], np.int32),
    )


def max_notes(corpus: Corpus, num_beats: int) -> int:
    """The most notes that any window of `num_beats` beats can hold, the margin before it included."""
    corpus = jax.tree.map(np.asarray, corpus)
    return max(1, *(_most(corpus, songs, num_beats) for songs in _stretches(corpus)))


def _stretches(corpus: Corpus) -> Iterator[slice]:
    """The songs, so many at a time that their notes and beats are few beside a large corpus."""
    size = corpus.song_note[:-1] // _STRETCH_NOTES + corpus.song_beat[:-1] // _STRETCH_NOTES
    starts = np.flatnonzero(np.diff(size, prepend=-1))
    return (slice(*span) for span in itertools.pairwise([*starts.tolist(), len(size)]))


def _most(corpus: Corpus, songs: slice, num_beats: int) -> int:
    """The most notes of a window of some songs."""
    first_note, end_note = corpus.song_note[[songs.start, songs.stop]]
    first_beat, end_beat = corpus.song_beat[[songs.start, songs.stop]]
    note_song = np.repeat(np.arange(songs.start, songs.stop), np.diff(corpus.song_note[songs.start : songs.stop + 1]))
    beat_song = corpus.beat_song[first_beat:end_beat]
    start_beat = np.arange(first_beat, end_beat) - corpus.song_beat[beat_song]
    # One sorted axis for all songs: a stride longer than any song and window keeps them apart.
    stride = float(corpus.end_beat[songs].max()) + num_beats + 2
    onset = corpus.notes.onset_beat[first_note:end_note] + (note_song - songs.start) * stride
    end = first_note + np.searchsorted(onset, (beat_song - songs.start) * stride + start_beat + num_beats, side="left")
    return int(np.max(end - corpus.beat_note[first_beat:end_beat]))


def take_window(
    corpus: Corpus, key: Array, num_beats: int, num_notes: int, memory_beats: int = 0, memory_notes: int | None = None
) -> Window:
    """A random window: a song chosen with odds by its length, and a uniform start on one of its beats.

    num_notes is max_notes(corpus, num_beats + memory_beats), or less: see window_at. A song shorter than the window is
    taken from its start.
    """
    key_song, key_start = jax.random.split(key)
    beat = jax.random.randint(key_song, (), 0, corpus.beat_song.shape[0])
    song = corpus.beat_song[beat]
    room = jnp.maximum(corpus.song_beat[song + 1] - corpus.song_beat[song] - num_beats, 0)
    start = jax.random.randint(key_start, (), 0, room + 1)
    return window_at(corpus, song, start, num_beats, num_notes, memory_beats, memory_notes)


def window_at(
    corpus: Corpus,
    song: Array,
    start_beat: Array,
    num_beats: int,
    num_notes: int,
    memory_beats: int = 0,
    memory_notes: int | None = None,
) -> Window:
    """The window of `song` (index) that starts `start_beat` whole beats into it, and what notes there are up to
    memory_beats before it, of them the last memory_notes (None: all).

    Where there are more than num_notes notes in all, it ends with the last beat of which all are there.
    """
    begin = jnp.maximum(start_beat - memory_beats, 0)
    first = corpus.beat_note[corpus.song_beat[song] + begin]
    if memory_notes is not None:
        first = jnp.maximum(first, corpus.beat_note[corpus.song_beat[song] + start_beat] - memory_notes)
        # From the beat of the first of them on; notes are fewer than this only where the song has no more.
        begin = jnp.clip(jnp.floor(jnp.asarray(corpus.notes.onset_beat)[first]).astype(jnp.int32), begin, start_beat)
    index = first + jnp.arange(num_notes, dtype=jnp.int32)
    # beat_note of the beat after a song is the next song's; nothing is taken beyond this song's last note.
    inside = index < corpus.song_note[song + 1]
    notes = jax.tree.map(lambda column: column.at[index].get(mode="clip"), corpus.notes)
    onset = notes.onset_beat - start_beat.astype(jnp.float32)
    mask = notes.mask & inside & (onset < num_beats)
    context = jax.tree.map(lambda column: column[song], corpus.context)
    left = corpus.end_beat[song] - start_beat.astype(jnp.float32)
    next_note = first + num_notes
    next_onset = jnp.asarray(corpus.notes.onset_beat).at[next_note].get(mode="clip") - start_beat.astype(jnp.float32)
    is_cut = next_note < corpus.song_note[song + 1]
    left = jnp.where(is_cut, jnp.minimum(left, jnp.floor(next_onset)), left)
    return Window(
        notes=Notes(onset, notes.duration_beat, notes.pitch, notes.velocity, mask),
        context=context._replace(start_beat=start_beat.astype(jnp.float32)),
        num_beats=jnp.minimum(left, num_beats),
        memory_beats=(start_beat - begin).astype(jnp.float32),
    )
