"""Files as people have them: whatever is odd about them, every note is there, bars begin where they do, and what was
not read as it is written is said."""

import struct

import mido
import numpy as np
import pytest

from drumjax.midi.reader import COUNTED_BACK, MidiError, read_midi, read_parts, write_midi
from drumjax.music.notes import Song, Timeline, make_notes

BEAT = 480


def write_file(path, *tracks, division=BEAT):
    """A file of mido messages with absolute times, a track each."""
    file = mido.MidiFile(ticks_per_beat=division)
    for messages in tracks:
        track = mido.MidiTrack()
        last = 0
        for message in sorted(messages, key=lambda m: m.time):  # stable
            track.append(message.copy(time=message.time - last))
            last = message.time
        file.tracks.append(track)
    file.save(path)
    return path


def note(tick, pitch=36, velocity=100, length=60, channel=9):
    return [
        mido.Message("note_on", note=pitch, velocity=velocity, channel=channel, time=tick),
        mido.Message("note_off", note=pitch, velocity=0, channel=channel, time=tick + length),
    ]


def beats(first, last, pitch=36):
    """A hit on each beat."""
    return [message for beat in range(first, last) for message in note(beat * BEAT, pitch)]


def metre(tick, numerator, denominator):
    return mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator, time=tick)


def tempo(tick, bpm):
    return mido.MetaMessage("set_tempo", tempo=round(60e6 / bpm), time=tick)


def reasons(song):
    return {notice.reason.split(",")[0].split(";")[0]: notice.count for notice in song.notices}


def onsets(song):
    return song.notes.onset_beat.tolist()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.mid"


def test_hits_that_are_never_ended_are_32nds(path):
    hits = [m for m in beats(0, 4) if m.type == "note_on"]
    song = read_midi(write_file(path, [tempo(0, 100), *hits, *beats(0, 4, 38)]))
    assert sorted(song.notes.pitch.tolist()) == [36] * 4 + [38] * 4
    assert song.notes.duration_beat.tolist() == [0.125] * 8
    assert reasons(song) == {"notes that are never ended": 4}


def test_pitched_notes_that_are_never_ended_last_to_the_next_or_to_the_end(path):
    starts = [mido.Message("note_on", note=60, velocity=80, time=t) for t in (0, 960)]
    end = mido.MetaMessage("end_of_track", time=1440)
    song = read_midi(write_file(path, [tempo(0, 100), *starts, *note(480, 64, channel=0), end]), instrument="all")
    rows = sorted(zip(song.notes.pitch.tolist(), onsets(song), song.notes.duration_beat.tolist(), strict=True))
    assert rows == [(60, 0, 2), (60, 2, 1), (64, 1, 0.125)]
    assert reasons(song) == {"notes that are never ended": 2}


def test_one_that_is_not_ended_does_not_swallow_the_next(path):
    """On, on, off: two notes, the first of which lasts to the second."""
    starts = [mido.Message("note_on", note=60, velocity=80, time=t) for t in (0, 480)]
    stop = mido.Message("note_off", note=60, time=600)
    song = read_midi(write_file(path, [tempo(0, 100), *starts, stop]), instrument="all")
    assert (onsets(song), song.notes.duration_beat.tolist()) == ([0, 1], [1, 0.25])


@pytest.mark.parametrize(("counted", "reason"), [(1, "tracks more than"), (5, "tracks fewer than")])
def test_all_tracks_are_read_whatever_the_header_counts(path, counted, reason):
    data = bytearray(write_file(path, [tempo(0, 100)], beats(0, 4), beats(0, 4, 42)).read_bytes())
    data[10:12] = struct.pack(">H", counted)
    path.write_bytes(data)
    song = read_midi(path)
    assert len(song.notes.pitch) == 8
    assert [n.reason.startswith(reason) for n in song.notices] == [True]


@pytest.mark.parametrize("wrong", [0, 3, 40, 0xFFFFFFFF])
def test_a_track_of_another_length_than_it_says(path, wrong):
    data = bytearray(write_file(path, [tempo(0, 100)], beats(0, 4), beats(0, 4, 42)).read_bytes())
    at = data.index(b"MTrk", 30)  # the second
    right = struct.unpack(">L", data[at + 4 : at + 8])[0]
    data[at + 4 : at + 8] = struct.pack(">L", right + 5 if wrong == 40 else wrong)
    path.write_bytes(data)
    song = read_midi(path)
    assert len(song.notes.pitch) == 8
    assert reasons(song) == {"tracks of another length than they say": 1}


def test_the_tempo_is_that_of_the_beats_with_notes(path):
    """63 beats near 120 and one fermata; the longest lasting single value would be the fermata's."""
    changes = [tempo(beat * BEAT, 40 if beat == 60 else 119 + beat % 3 + beat / 100) for beat in range(64)]
    song = read_midi(write_file(path, changes, beats(0, 64)))
    assert 119 < song.tempo_bpm < 122
    assert len(song.timeline.tempos) == 64
    assert reasons(song) == {"changes of tempo": 63}


def test_a_tempo_map_is_written_back(path, tmp_path):
    changes = [tempo(0, 120), tempo(960, 60), tempo(1440, 90)]
    write_midi(read_midi(write_file(path, changes, beats(0, 8))), tmp_path / "b.mid")
    found = [(m.time, m.tempo) for m in mido.MidiFile(tmp_path / "b.mid").tracks[0] if m.type == "set_tempo"]
    assert found == [(0, 500_000), (960, 1_000_000), (480, 666_667)]


def test_a_pickup_belongs_to_the_bar_before(path, tmp_path):
    """One beat of 1/4, then 4/4: beat 1 of the file is a bar line."""
    song = read_midi(write_file(path, [metre(0, 1, 4), metre(BEAT, 4, 4)], beats(0, 9)))
    assert (song.time_signature, song.num_bars) == ((4, 4), 3)
    assert onsets(song) == list(range(3, 12))
    assert song.timeline.start_beat == 3
    assert "pickup before the first bar line" in song.notices[-1].reason
    write_midi(song, tmp_path / "b.mid")
    again = mido.MidiFile(tmp_path / "b.mid")
    assert [m.time for m in again.tracks[1] if m.type == "note_on"][:2] == [0, 420]
    assert [(m.numerator, m.time) for m in again.tracks[0] if m.type == "time_signature"] == [(1, 0), (4, BEAT)]
    assert onsets(read_midi(tmp_path / "b.mid")) == onsets(song)


def test_who_learns_gets_a_pickup_with_its_song(path):
    (song,) = read_parts(write_file(path, [tempo(0, 100), metre(0, 1, 4), metre(BEAT, 4, 4)], beats(0, 9)))
    assert (song.time_signature, onsets(song)) == ((4, 4), list(range(3, 12)))


def test_an_event_amid_a_bar_begins_a_bar(path):
    """4/4 from the first beat on, without a word on what comes before it: so programs write a pickup, too."""
    song = read_midi(write_file(path, [metre(0, 4, 4), metre(2 * BEAT, 4, 4)], beats(0, 10)))
    assert onsets(song)[:3] == [2, 3, 4]


def test_the_metre_that_most_beats_have(path, tmp_path):
    changes = [tempo(0, 100), metre(0, 2, 4), metre(4 * BEAT, 3, 4), metre(16 * BEAT, 4, 4), metre(20 * BEAT, 3, 4)]
    song = read_midi(write_file(path, changes, beats(0, 29)))
    assert song.time_signature == (3, 4)
    assert onsets(song)[0] == 2  # bars of three begin at beat 4: two bars earlier is beat -2
    assert song.timeline.start_beat == 2
    assert "to 2/4, 4/4" in song.notices[0].reason
    assert [notice.reason for notice in song.notices[1:2]] == [COUNTED_BACK]  # it is no pickup
    write_midi(song, tmp_path / "b.mid")
    found = [(m.numerator, m.time) for m in mido.MidiFile(tmp_path / "b.mid").tracks[0] if m.type == "time_signature"]
    assert found == [(2, 0), (3, 4 * BEAT), (4, 12 * BEAT), (3, 4 * BEAT)]


def test_who_learns_gets_a_song_for_each_metre(path):
    parts = read_parts(write_file(path, [metre(0, 4, 4), metre(16 * BEAT, 3, 4)], beats(0, 28)))
    assert [(part.time_signature, part.num_bars, len(part.notes.pitch)) for part in parts] == [
        ((4, 4), 4, 16),
        ((3, 4), 4, 12),
    ]
    assert [part.name for part in parts] == ["a.mid (part 1)", "a.mid (part 2)"]
    assert onsets(parts[1]) == list(range(12))
    assert reasons(parts[0])["changes of metre"] == 1
    assert parts[1].notices == ()


def test_each_part_has_its_own_tempo(path):
    changes = [metre(0, 4, 4), metre(16 * BEAT, 3, 4), tempo(0, 100), tempo(16 * BEAT, 150)]
    assert [round(part.tempo_bpm) for part in read_parts(write_file(path, changes, beats(0, 28)))] == [100, 150]


def test_silent_bars_are_not_learned(path):
    """A region exported at its place in the song, and a long silence in it; a rest of four bars is music."""
    hits = [*beats(160, 168), *beats(188, 192), *beats(212, 216)]
    parts = read_parts(write_file(path, [tempo(0, 100)], hits))
    assert [(part.num_bars, len(part.notes.pitch)) for part in parts] == [(2, 8), (1, 4), (1, 4)]
    assert reasons(parts[0]) == {"silent bars left out": 40 + 5 + 5}
    kept = read_parts(write_file(path, [tempo(0, 100)], [*beats(0, 4), *beats(20, 24)]))
    assert [part.num_bars for part in kept] == [6]
    assert kept[0].name == "a.mid"


@pytest.mark.parametrize(
    ("message", "channel"),
    [
        (mido.Message("control_change", control=0, value=127, channel=10, time=0), 11),
        (mido.Message("sysex", data=bytes.fromhex("4110421240 1a 15 02 0f"), time=0), 11),  # Roland GS
        (mido.Message("sysex", data=bytes.fromhex("4110421240 13 15 01 0f"), time=0), 3),
        (mido.Message("sysex", data=bytes.fromhex("43104c08 0b 07 01"), time=0), 12),  # Yamaha XG
    ],
)
def test_a_second_drum_part_is_counted(path, message, channel):
    other = [m for c in (channel - 1, 14) for m in note(0, 40, channel=c)]
    song = read_midi(write_file(path, [tempo(0, 100), message, *beats(0, 4), *other]))
    assert len(song.notes.pitch) == 4
    assert reasons(song) == {f"notes of a second drum part on channel {channel}": 1}


def test_channel_10_is_no_second_drum_part(path):
    gs = mido.Message("sysex", data=bytes.fromhex("4110421240 10 15 02 0f"), time=0)
    assert reasons(read_midi(write_file(path, [tempo(0, 100), gs, *beats(0, 4), *note(0, 40, channel=0)]))) == {}


def test_what_an_electronic_kit_sends_beside_notes_comes_back(path, tmp_path):
    other = [
        mido.Message("program_change", program=16, channel=9, time=0),
        mido.Message("control_change", control=4, value=90, channel=9, time=0),
        mido.Message("polytouch", note=49, value=127, channel=9, time=700),
        mido.Message("polytouch", note=49, value=0, channel=9, time=720),
    ]
    song = read_midi(write_file(path, [tempo(0, 100), *other, *beats(0, 4, 49)]), with_messages=True)
    write_midi(song, tmp_path / "b.mid")
    track, tick, found = mido.MidiFile(tmp_path / "b.mid").tracks[1], 0, []
    for message in track:
        tick += message.time
        if not message.is_meta and not message.type.startswith("note"):
            found.append(message.copy(time=tick))
    assert found == other
    assert read_midi(path).timeline.messages == ()


@pytest.mark.parametrize("division", [96, 384, 960, 32767])
def test_every_note_comes_back_to_the_tick(path, tmp_path, division):
    ticks = np.unique(np.random.default_rng(0).integers(0, 16 * division, 100))
    write_file(path, [m for t in ticks.tolist() for m in note(t, length=1)], division=division)
    song = read_midi(path)
    write_midi(song, tmp_path / "b.mid")
    again = mido.MidiFile(tmp_path / "b.mid")
    tick, found = 0, []
    for message in again.tracks[1]:
        tick += message.time
        if message.type == "note_on":
            found.append(tick / again.ticks_per_beat)
    assert found == [t / division for t in ticks]


def test_a_timeline_that_cannot_be_written_is_refused(tmp_path):
    notes = make_notes([0], [1], [36], [90])
    for timeline in (Timeline(tempos=((0, 1.0),)), Timeline(metres=((0, (4, 3)),)), Timeline(ticks_per_beat=40_000)):
        with pytest.raises(ValueError, match=r"x\.mid"):
            write_midi(Song(notes, timeline=timeline), tmp_path / "x.mid")


def test_a_tempo_that_nobody_plays_at(path):
    with pytest.raises(MidiError, match="tempo out of range"):
        read_midi(write_file(path, [tempo(0, 5)], beats(0, 4)))
    assert read_midi(write_file(path, [tempo(0, 100), tempo(8 * BEAT, 5)], beats(0, 12))).tempo_bpm == 100
