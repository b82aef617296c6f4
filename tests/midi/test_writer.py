"""The encoder writes, byte for byte, what miditoolkit writes."""

import io

import miditoolkit
import numpy as np
import pytest

from drumjax.midi.writer import encode_song, encode_songs
from drumjax.music.notes import TICKS_PER_BEAT, Song, Timeline, make_notes


def encode_with_miditoolkit(song: Song, rows) -> bytes:
    """rows of (start, end, pitch, velocity), in ticks."""
    part = miditoolkit.Instrument(program=0, is_drum=song.is_drums, name=song.name)
    part.notes = [miditoolkit.Note(velocity, pitch, start, end) for start, end, pitch, velocity in rows]
    midi = miditoolkit.MidiFile(ticks_per_beat=TICKS_PER_BEAT)
    midi.instruments = [part]
    midi.tempo_changes = [miditoolkit.TempoChange(song.tempo_bpm, 0)]
    midi.time_signature_changes = [miditoolkit.TimeSignature(*song.time_signature, 0)]
    file = io.BytesIO()
    midi.dump(file=file, charset="utf-8")
    return file.getvalue()


def random_rows(rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Notes that need no mending: each pitch ends before it is struck again. Many start or end together."""
    rows = []
    for pitch in rng.choice(128, rng.integers(1, 12), replace=False).tolist():
        unit = rng.choice([1, 30, 120, 50_000])
        ticks = np.unique(rng.integers(0, 150, 2 * rng.integers(1, 30))) * unit
        rows += [(a, b, pitch, int(rng.integers(1, 128))) for a, b in zip(*[iter(ticks.tolist())] * 2, strict=False)]
    return sorted(rows, key=lambda row: (row[0], row[2]))


def to_song(rows, **fields) -> Song:
    start, end, pitch, velocity = np.asarray(rows, np.float64).reshape(-1, 4).T
    notes = make_notes([], [], [], [])._replace(
        onset_beat=start / TICKS_PER_BEAT,  # float64, so that no tick is lost
        duration_beat=(end - start) / TICKS_PER_BEAT,
        pitch=pitch,
        velocity=velocity,
        mask=np.ones(len(rows), bool),
    )
    return Song(notes, **fields)


@pytest.mark.parametrize("seed", range(40))
def test_bytes_are_those_of_miditoolkit(seed):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng)
    song = to_song(
        rows,
        tempo_bpm=float(rng.uniform(10, 1000)),
        time_signature=(int(rng.integers(1, 65)), int(2 ** rng.integers(0, 7))),
        is_drums=bool(rng.integers(2)),
        name="é🥁x"[: rng.integers(1, 4)] * int(rng.choice([1, 20, 40, 4000])),
    )
    assert encode_song(song) == encode_with_miditoolkit(song, rows)


def test_a_song_without_notes_too():
    song = to_song([], name="rest")
    assert encode_song(song) == encode_with_miditoolkit(song, [])


def test_songs_that_are_encoded_together_have_the_bytes_that_each_has_alone():
    """Whatever is beside them: songs without notes, of other instruments and resolutions, with messages and pickups,
    and hits so close that they are kept apart."""
    chances = np.random.default_rng(0)
    songs = [to_song(random_rows(chances), is_drums=bool(k % 2), program=3 * (k % 2 == 0)) for k in range(6)]
    close = make_notes([1, 1.0001, 1.0002, 2, 2], [0.1] * 5, [38, 38, 38, 38, 38], [50, 60, 70, 80, 90])
    messages = ((0.5, bytes((0xB9, 4, 90))), (2.0, bytes((0xA9, 49, 1))), (1.0, bytes((0xC9, 5))))
    timeline = Timeline(ticks_per_beat=960, start_beat=-1.0, tempos=((-1.0, 90.0), (2.0, 95.0)))
    songs += [
        Song(close), Song(close, timeline=timeline), Song(close, timeline=timeline._replace(messages=messages)),
        to_song([], name="rest"),
    ]  # fmt: skip
    alone = [encode_song(song) for song in songs]
    assert len(set(alone)) == len(songs)
    for order in (range(len(songs)), reversed(range(len(songs))), chances.permutation(len(songs))):
        which = list(order)
        assert encode_songs([songs[i] for i in which]) == [alone[i] for i in which]
    assert encode_songs([]) == []
    bad = to_song([(0, 10, 128, 100)])
    with pytest.raises(ValueError, match=r"pitch is not a whole number in 0\.\.127"):
        encode_songs([*songs, bad])
