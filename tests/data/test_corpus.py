"""Windows of a packed corpus against slices of the songs themselves."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import make_song

from drumjax.codecs.base import ABSENT
from drumjax.codecs.grid import GridCodec
from drumjax.data import corpus as corpus_module
from drumjax.data.corpus import MARGIN_BEAT, max_notes, pack, take_window, window_at
from drumjax.data.song_groups import split_songs
from drumjax.models.song_scoring import encode_songs
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import FILL_NO, Song, make_notes

NUM_BEATS = 8
# Told apart by their styles; among them songs shorter than a window, and bars that are no whole number of beats.
SONGS = [
    make_song(0, 5, style="a", tempo_bpm=90.0, fill=FILL_NO),
    make_song(1, 1, style="b"),
    make_song(2, 9, (7, 8), style="c"),
    make_song(3, 4, (3, 4), notes_per_beat=9.0, style="d"),
    make_song(4, 3, (5, 8), style="e"),
    make_song(5, 2, (4, 4), style="f"),
]
STYLES = ("", *"abcdef")
LENGTHS = [20, 4, 32, 12, 8, 8]  # in beats, all their bars counted whole and the last beat too


@pytest.fixture(scope="module")
def corpus():
    return jax.device_put(pack(SONGS, STYLES))


@pytest.fixture(scope="module")
def all_windows(corpus):
    """(song, start) of every beat of the corpus, and its window."""
    num_notes = max_notes(corpus, NUM_BEATS)
    starts = [(song, start) for song, beats in enumerate(LENGTHS) for start in range(beats)]
    song, start = (np.asarray(column, np.int32) for column in zip(*starts, strict=True))
    windows = jax.jit(jax.vmap(lambda s, b: window_at(corpus, s, b, NUM_BEATS, num_notes)))(song, start)
    return starts, jax.tree.map(np.asarray, windows)


def slice_song(song: Song, start: int):
    """The notes from half a beat before the start to the window's end, onsets from its start."""
    onset = song.notes.onset_beat
    inside = (onset >= start - MARGIN_BEAT) & (onset < start + NUM_BEATS)
    return song.notes._replace(onset_beat=onset - start), inside


def test_lengths(corpus):
    np.testing.assert_array_equal(np.diff(corpus.song_beat), LENGTHS)
    np.testing.assert_array_equal(corpus.end_beat, [20, 4, 31.5, 12, 7.5, 8])
    np.testing.assert_array_equal(np.diff(corpus.song_note), [len(song.notes.pitch) for song in SONGS])
    assert len(corpus.beat_song) == sum(LENGTHS)


def test_a_window_holds_the_notes_of_its_song_and_no_others(all_windows):
    starts, windows = all_windows
    for row, (song, start) in enumerate(starts):
        expected, inside = slice_song(SONGS[song], start)
        mask = windows.notes.mask[row]
        for name in ("onset_beat", "duration_beat", "pitch", "velocity"):
            actual = getattr(windows.notes, name)[row][mask]
            np.testing.assert_array_equal(actual, getattr(expected, name)[inside], err_msg=f"{song} {start} {name}")


def test_a_window_knows_its_context(all_windows):
    starts, windows = all_windows
    for row, (number, start) in enumerate(starts):
        song, context = SONGS[number], jax.tree.map(lambda column, row=row: column[row], windows.context)
        expected = (song.tempo_bpm, song.beats_per_bar, song.metre, STYLES.index(song.style), song.fill, start)
        assert context[:6] == pytest.approx(expected)
        assert not any(context[6:])  # what is measured, and who plays
        assert windows.num_beats[row] == min(song.num_bars * song.beats_per_bar - start, NUM_BEATS)


def test_max_notes_is_exact(corpus):
    for num_beats in (1, NUM_BEATS, 100):
        most = 0
        for song, beats in zip(SONGS, LENGTHS, strict=True):
            for start in range(beats):
                onset = song.notes.onset_beat - start
                most = max(most, int(np.sum((onset >= -MARGIN_BEAT) & (onset < num_beats))))
        assert max_notes(corpus, num_beats) == most


def test_max_notes_is_exact_however_the_corpus_is_walked(corpus, monkeypatch):
    expected = [max_notes(corpus, beats) for beats in (1, NUM_BEATS, 100)]
    for size in (1, 7, 30):
        monkeypatch.setattr(corpus_module, "_STRETCH_NOTES", size)
        assert [max_notes(corpus, beats) for beats in (1, NUM_BEATS, 100)] == expected


@pytest.mark.parametrize("num_groups", [1, 2, 3, 6])
def test_a_group_is_a_corpus_of_its_songs(corpus, num_groups):
    """Windows of it are those of the whole, and each song is in one group."""
    split = split_songs(pack(SONGS, STYLES), num_groups)
    num_notes, found = max_notes(corpus, NUM_BEATS), []
    at = jax.jit(lambda c, s, b: window_at(c, s, b, NUM_BEATS, num_notes))
    for group in range(num_groups):
        own = jax.tree.map(lambda column, group=group: jnp.asarray(column[group]), split)
        styles = own.context.style[np.unique(own.beat_song)].tolist()
        found += styles
        for place, style in enumerate(styles):
            for start in (0, LENGTHS[style - 1] // 2, LENGTHS[style - 1] - 1):
                ours = at(own, jnp.int32(place), jnp.int32(start))
                expected = at(corpus, jnp.int32(style - 1), jnp.int32(start))
                mask = expected.notes.mask
                np.testing.assert_array_equal(ours.notes.mask, mask)
                for mine, theirs in zip(ours.notes[:4], expected.notes[:4], strict=True):
                    np.testing.assert_array_equal(mine[mask], theirs[mask])
                assert ours[1:] == expected[1:]
    assert sorted(found) == [1, 2, 3, 4, 5, 6]


def test_groups_have_nearly_the_same_length():
    songs = [make_song(seed, 2 + seed % 5) for seed in range(120)]
    split = split_songs(pack(songs), 6)
    lengths = [len(np.unique(np.stack([songs_of, np.arange(len(songs_of))]), axis=1)) for songs_of in split.beat_song]
    assert len(set(lengths)) == 1  # filled up
    beats = split.song_beat.max(axis=1)
    assert beats.max() - beats.min() <= 4 * 6
    with pytest.raises(ValueError, match="120 songs are too few for 121 groups"):
        split_songs(pack(songs), 121)


def test_max_notes_of_one_song_and_one_note():
    assert max_notes(pack([Song(make_notes([3.0], [0.1], [36], [90]))]), NUM_BEATS) == 1


def test_a_window_has_a_margin_of_half_a_beat_before_it():
    corpus = pack([Song(make_notes([3.5, 3.49, 4.0], [0, 0, 0], [36, 38, 36], [90, 90, 90]))])
    assert max_notes(corpus, 1) == 2  # from beat 3, and from beat 4
    window = jax.jit(lambda c: window_at(c, jnp.int32(0), jnp.int32(4), 1, 2))(corpus)
    assert window.notes.onset_beat[window.notes.mask].tolist() == [-0.5, 0]


@pytest.fixture(scope="module")
def drawn(corpus):
    """(song, start) of many random windows."""
    num_notes = max_notes(corpus, NUM_BEATS)
    keys = jax.random.split(jax.random.key(0), 20_000)
    context = jax.jit(jax.vmap(lambda key: take_window(corpus, key, NUM_BEATS, num_notes).context))(keys)
    return np.asarray(context.style) - 1, np.asarray(context.start_beat)


def test_a_song_is_chosen_by_its_length(drawn):
    song, _ = drawn
    share = np.bincount(song, minlength=len(SONGS)) / len(song)
    expected = np.asarray(LENGTHS) / sum(LENGTHS)
    deviation = np.sqrt(expected * (1 - expected) / len(song))
    assert (abs(share - expected) < 5 * deviation).all()


def test_windows_start_on_any_beat_that_leaves_room_for_them(drawn):
    song, start = drawn
    assert (start == np.floor(start)).all()
    for number, beats in enumerate(LENGTHS):
        starts = start[song == number]
        room = max(beats - NUM_BEATS, 0)
        counts = np.bincount(starts.astype(int), minlength=room + 1)
        assert len(counts) == room + 1  # never later; so a short song is taken from its start
        expected = len(starts) / (room + 1)
        assert (abs(counts - expected) < 5 * np.sqrt(expected) + 1).all()  # the first and the last beat included


def test_what_lies_beyond_the_end_of_the_song_is_absent(all_windows):
    codec = GridCodec(ROLAND_TD11, 4, False)
    starts, windows = all_windows
    tokens = np.asarray(jax.jit(jax.vmap(lambda w: codec.encode(w, 4 * NUM_BEATS)))(windows))
    for row, (number, start) in enumerate(starts):
        left = SONGS[number].num_bars * SONGS[number].beats_per_bar - start
        exists = tokens[row, :, 0] != ABSENT
        np.testing.assert_array_equal(exists, np.arange(4 * NUM_BEATS) < 4 * left)


def test_a_hit_just_before_the_window_belongs_to_its_first_step():
    corpus = pack([Song(make_notes([0.0, 3.9, 7.8], [0, 0, 0], [36, 38, 42], [90, 90, 90]))])
    codec, num_notes = GridCodec(ROLAND_TD11, 4, False), max_notes(corpus, 4)
    corpus = jax.device_put(corpus)
    encode = jax.jit(lambda start: codec.encode(window_at(corpus, jnp.int32(0), start, 4, num_notes), 16)[:, 0])
    first, second = (np.asarray(encode(jnp.int32(start))) for start in (0, 4))
    assert first.tolist() == [1] + [0] * 15
    assert second.tolist() == [2] + [0] * 14 + [4]


def test_styles_that_are_not_in_the_vocabulary_are_unknown():
    assert pack(SONGS, ("", "c")).context.style.tolist() == [0, 0, 1, 0, 0, 0]


def test_players_are_unknown_unless_they_are_given():
    songs = [dataclasses.replace(song, drummer=name) for song, name in zip(SONGS, "abab", strict=False)]
    assert pack(songs, STYLES, ("", "b", "c")).context.player.tolist() == [0, 1, 0, 1]
    assert not pack(songs, STYLES).context.player.any()


def test_no_songs_are_refused():
    with pytest.raises(ValueError, match="no songs"):
        pack([])


@pytest.mark.slow
def test_baselines_of_the_groove_midi_dataset(groove_44):
    """Unigram and position-in-bar baselines, nats per 16th, of all 4/4 validation files given all 4/4 training files.

    They are counts alone, so they pin down reading, selecting, encoding and cutting of the data all at once.
    """
    songs = groove_44
    codec = GridCodec(ROLAND_TD11, 4, False)
    counts = {}
    for split in ("train", "validation"):
        chosen = [song for song in songs if song.split == split]
        count = np.zeros((16, 512))
        for batch in encode_songs(chosen, codec, ("",)):
            hits = batch.tokens[..., 0]  # [songs, T]
            place = np.broadcast_to(np.arange(hits.shape[-1]) % 16, hits.shape)
            np.add.at(count, (place[hits != ABSENT], hits[hits != ABSENT]), 1)
        assert count.sum() == 16 * sum(song.num_bars for song in chosen)
        counts[split] = count
    train, validation = counts["train"], counts["validation"]
    unigram = (train.sum(0) + 0.1) / (train.sum() + 0.1 * 512)
    by_place = (train + 5 * unigram) / (train.sum(1, keepdims=True) + 5)
    nll = [-np.sum(validation * np.log(p)) / validation.sum() for p in (unigram, by_place)]
    assert nll == pytest.approx([2.793, 2.590], abs=5e-4)


def test_what_came_before_a_window_comes_with_it(corpus):
    """The window is as without it; before it lie the notes of so many beats, as far as there is a song."""
    num_notes = max_notes(corpus, NUM_BEATS + 6)
    take = jax.jit(lambda song, start: window_at(corpus, song, start, NUM_BEATS, num_notes, 6))
    for song, start in ((0, 9), (0, 3), (2, 0), (3, 4)):
        window = jax.tree.map(np.asarray, take(np.int32(song), np.int32(start)))
        assert window.memory_beats == min(start, 6)
        onset = SONGS[song].notes.onset_beat
        inside = (onset >= max(start - 6, 0) - MARGIN_BEAT) & (onset < start + NUM_BEATS)
        np.testing.assert_allclose(np.sort(window.notes.onset_beat[window.notes.mask]), np.sort(onset[inside] - start))
        plain = window_at(corpus, np.int32(song), np.int32(start), NUM_BEATS, max_notes(corpus, NUM_BEATS))
        assert window.num_beats == plain.num_beats
