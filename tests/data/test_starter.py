"""The starter grooves are sound tabs, and the songs made of them are playable, varied and the same every time."""

import hashlib

import numpy as np
import pytest

from drumjax.data.starter import CRASH, KICK, SNARE, TEMPO_SPREAD, starter_songs
from drumjax.data.starter_tabs import read_fills, read_grooves
from drumjax.music.notes import FILL_NO, FILL_YES
from drumjax.music.tab import ACCENT, NORMAL

# The primary styles of the Groove MIDI Dataset that the starter grooves have, too.
STYLES = {"rock", "funk", "jazz", "latin", "hiphop", "afrocuban", "punk", "soul", "country", "pop", "gospel", "reggae"}
STYLES |= {"dance", "blues", "neworleans", "afrobeat"}


@pytest.fixture(scope="module")
def songs():
    return starter_songs()


def everything(song) -> tuple:
    notes = song.notes
    return notes.onset_beat.tobytes(), notes.pitch.tobytes(), notes.velocity.tobytes(), song.tempo_bpm, song.name


def test_counts():
    grooves, fills = read_grooves(), read_fills()
    assert len(grooves) >= 48
    assert len(fills) >= 16
    assert {groove.song.style for groove in grooves} == STYLES
    assert {fill.song.style for fill in fills} <= STYLES
    names = [groove.name for groove in grooves + fills]
    assert len(names) == len(set(names))


def test_every_groove_has_two_or_four_bars_and_every_fill_one():
    for groove in read_grooves():
        written = sum(len(line.strip("|").split("|")) - 1 for line in groove.text.splitlines() if "BD|" in line)
        assert len(groove.bars) == written, groove.name
        assert written in (2, 4), groove.name
        assert groove.song.fill != FILL_YES, groove.name
        assert all(groove.bars), groove.name
        assert groove.song.style, groove.name
    for fill in read_fills():
        assert len(fill.bars) == 1, fill.name
        assert fill.song.fill == FILL_YES, fill.name


def test_no_two_grooves_are_alike():
    for kind in (read_grooves(), read_fills()):
        patterns = {}
        for groove in kind:
            same = patterns.setdefault((groove.song.time_signature, groove.bars), groove.name)
            assert same == groove.name, f"{groove.name} is the same as {same}"


def test_rock_has_a_backbeat():
    checked = 0
    for groove in read_grooves():
        if groove.song.style != "rock" or groove.song.time_signature != (4, 4):
            continue
        backbeat = {2.0} if "half-time" in groove.name else {1.0, 3.0}
        for bar in groove.bars:
            loud = {round(hit.beat, 3) for hit in bar if hit.pitch == SNARE and hit.velocity >= NORMAL}
            assert backbeat <= loud, groove.name
            assert not {0.0, 1.0, 2.0, 3.0} - backbeat & loud, f"{groove.name}: a snare on a beat that has none in rock"
        checked += 1
    assert checked >= 20


def test_every_metre_has_a_fill_of_its_feel():
    fills = {(fill.song.time_signature, fill.triplet) for fill in read_fills()}
    assert {(groove.song.time_signature, groove.triplet) for groove in read_grooves()} <= fills


def test_grid_is_where_the_cells_are():
    by_name = {groove.name: groove for groove in read_grooves()}
    np.testing.assert_allclose(by_name["rock/straight-eighths"].grid, np.arange(16) / 4)
    np.testing.assert_allclose(by_name["shuffle/medium-shuffle"].grid, np.arange(12) / 3, atol=1e-6)
    np.testing.assert_allclose(by_name["hiphop/swung-sixteenths"].grid[:3], [0, 0.31, 0.5], atol=1e-6)


def test_songs_are_playable(songs):
    for song in songs:
        notes = song.notes
        assert 16 <= song.num_bars <= 32, song.name
        assert (np.diff(notes.onset_beat) >= 0).all(), song.name
        assert notes.onset_beat[0] >= 0, song.name
        assert 1 <= notes.velocity.min() <= notes.velocity.max() <= 127, song.name
        assert set(notes.pitch.tolist()) <= {36, 38, 42, 46, 43, 47, 50, 49, 51}, song.name
        assert song.style in STYLES, song.name
        assert (song.fill, song.drummer, song.is_drums) == (FILL_NO, "synthetic", True)
        assert len(np.unique(notes.velocity)) > 10, "velocities are not humanised"


def test_songs_keep_tempo_and_time_of_their_groove(songs):
    grooves = {groove.name: groove for groove in read_grooves()}
    off_grid_ms = []
    for song in songs:
        groove = grooves[song.name.removeprefix("starter/").rpartition("/")[0]]
        assert song.time_signature == groove.song.time_signature
        assert abs(song.tempo_bpm / groove.song.tempo_bpm - 1) <= TEMPO_SPREAD + 0.5 / groove.song.tempo_bpm
        if groove.name == "rock/straight-eighths":
            step = song.notes.onset_beat * 4
            off_grid_ms += ((step - np.floor(step + 0.5)) / 4 * 60_000 / song.tempo_bpm).tolist()
    assert 7 < np.std(off_grid_ms) < 13
    assert abs(np.mean(off_grid_ms)) < 5


def test_a_crash_follows_a_fill_in_rock(songs):
    rock = [song for song in songs if song.name.startswith("starter/rock/straight")]
    for song in rock:
        bars = np.round(song.notes.onset_beat[song.notes.pitch == CRASH] * 4) / (4 * song.beats_per_bar)
        assert len(bars) > 0
        assert (bars % 4 == 0).all(), "a crash that starts no phrase"
        assert {36} <= set(song.notes.pitch[song.notes.onset_beat < 0.2].tolist())


def test_splits(songs):
    names = {split: {song.name for song in songs if song.split == split} for split in ("train", "validation")}
    assert len(names["train"] | names["validation"]) == len(songs), "names repeat or a song has no split"
    assert not names["train"] & names["validation"]
    assert 0.10 < len(names["validation"]) / len(songs) < 0.20
    assert all(song.name.startswith("starter/") for song in songs)
    for split in ("train", "validation"):
        assert any(song.style == "rock" for song in songs if song.split == split)
    pieces = {everything(song)[:3] for song in songs}
    assert len(pieces) == len(songs), "two songs are note for note the same"


def test_the_same_seed_gives_the_same_songs(songs):
    assert list(map(everything, starter_songs(0))) == list(map(everything, songs))
    other = starter_songs(1, songs_per_groove=1)
    assert len(other) == len(read_grooves())
    first = {song.name: everything(song) for song in songs}
    assert all(everything(song) != first[song.name] for song in other)


def test_a_songs_notes_do_not_depend_on_how_many_there_are(songs):
    few = {song.name: everything(song) for song in starter_songs(0, songs_per_groove=1)}
    assert few.items() <= {song.name: everything(song) for song in songs}.items()


def test_golden_song(songs):
    """Changes only if the grooves, their arrangement or the dice do; a run's validation figures change with it."""
    song = songs[0]
    onset = np.round(song.notes.onset_beat.astype(np.float64) * 1e4).astype(np.int64)
    digest = hashlib.sha256(np.stack([onset, song.notes.pitch, song.notes.velocity]).tobytes()).hexdigest()
    assert (song.name, song.tempo_bpm, len(onset), digest[:16]) == (
        "starter/country/train-beat/0",
        107.0,
        377,
        "ce8dc51a10bc9e58",
    )


def test_a_bad_seed():
    with pytest.raises(ValueError, match="seed"):
        starter_songs(-1)


def test_crashes_are_accents_and_kicks_are_there(songs):
    for song in songs[:50]:
        velocity = song.notes.velocity[song.notes.pitch == CRASH]
        if len(velocity):
            assert velocity.mean() > (NORMAL + ACCENT) / 2 - 15, song.name
        assert (song.notes.pitch == KICK).any(), song.name
