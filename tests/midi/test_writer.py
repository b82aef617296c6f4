"""The encoder writes, byte for byte, what miditoolkit writes."""

import io

import miditoolkit
import numpy as np
import pytest

from drumjax.midi.writer import encode_song
from drumjax.music.notes import TICKS_PER_BEAT, Song, make_notes


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
