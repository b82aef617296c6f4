"""Reading and writing MIDI: what is written reads back the same everywhere, and no file can do harm."""

import dataclasses
import errno
import os
import pickle
import random
import struct
import warnings
from pathlib import Path

import miditoolkit
import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drumjax.midi import chunks, reader
from drumjax.midi.reader import MidiError, read_midi, write_midi
from drumjax.midi.walk import MAX_BEATS
from drumjax.music.notes import TICKS_PER_BEAT, Song, make_notes
from drumjax.system import files
from drumjax.system.errors import UserError

HALF_TICK = 0.5 / TICKS_PER_BEAT
EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# --- small builders of MIDI bytes -------------------------------------------------------------------------------------

END = b"\x00\xff\x2f\x00"
HIT = bytes.fromhex("0099246478892400")  # kick at once, velocity 100, 120 ticks long
TEMPO_150 = b"\x00\xff\x51\x03" + (400_000).to_bytes(3, "big")


def chunk(body: bytes, size: int | None = None) -> bytes:
    return b"MTrk" + struct.pack(">L", len(body) if size is None else size) + body


def smf(*tracks: bytes, division: int = 480, form: int = 1, count: int | None = None) -> bytes:
    """A file of these track bodies."""
    header = struct.pack(">4sLHHH", b"MThd", 6, form, len(tracks) if count is None else count, division)
    return header + b"".join(map(chunk, tracks))


def tempo_event(microseconds: int, delta: bytes = b"\x00") -> bytes:
    return delta + b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


@pytest.fixture
def read(tmp_path):
    """Reads bytes as if they were a file."""

    def read_bytes(data: bytes, **kwargs) -> Song:
        path = tmp_path / "made.mid"
        path.write_bytes(data)
        return read_midi(path, **kwargs)

    return read_bytes


@pytest.fixture
def reason(read):
    """The reason why bytes are no good as a file."""

    def reason_of(data: bytes, **kwargs) -> str:
        with pytest.raises(MidiError) as caught:
            read(data, **kwargs)
        assert str(caught.value).startswith(f"{caught.value.path}: {caught.value.reason}")
        return caught.value.reason

    return reason_of


def make_song(rows, **fields) -> Song:
    """A song of (onset_beat, duration_beat, pitch, velocity) rows."""
    return Song(make_notes(*np.asarray(rows, np.float64).reshape(-1, 4).T), **fields)


def rows(song: Song) -> list[tuple[int, int, int, int]]:
    """(tick, pitch, velocity, duration in ticks) of every note, in order."""
    onset, duration = (np.rint(x.astype(np.float64) * TICKS_PER_BEAT).astype(int) for x in song.notes[:2])
    return sorted(zip(*(x.tolist() for x in (onset, song.notes.pitch, song.notes.velocity, duration)), strict=True))


GROOVE = make_song(
    [(0, 0.1, 36, 100), (0, 0.1, 42, 60), (0.51, 0, 42, 1), (1, 0.1, 38, 127), (1.02, 3, 38, 40), (2.5, 0.1, 22, 90)],
    tempo_bpm=97.5,
    time_signature=(6, 8),
    name="café 🥁",
)

# --- round trips ------------------------------------------------------------------------------------------------------

note = st.tuples(
    st.floats(0, 64, width=32), st.floats(0, 5, width=32), st.integers(0, 127), st.integers(1, 127)
)  # onset, duration, pitch, velocity


@EXAMPLES
@given(
    st.lists(note, min_size=1, max_size=40),
    st.floats(10, 1000),
    st.sampled_from([(4, 4), (6, 8), (7, 16), (64, 64), (1, 1), (5, 2), (3, 32)]),
    st.booleans(),
)
def test_what_is_written_is_read(tmp_path, notes, tempo, signature, is_drums):
    song = make_song(notes, tempo_bpm=tempo, time_signature=signature, is_drums=is_drums)
    write_midi(song, tmp_path / "song.mid")
    back = read_midi(tmp_path / "song.mid", instrument="drums" if is_drums else "all")

    loudest: dict[tuple[int, float], int] = {}
    for onset, _, pitch, velocity in notes:
        loudest[pitch, onset] = max(velocity, loudest.get((pitch, onset), 0))
    found = [(pitch, velocity) for _, pitch, velocity, _ in sorted(rows(back), key=lambda row: (row[1], row[0]))]
    assert found == [(pitch, loudest[pitch, onset]) for pitch, onset in sorted(loudest)]
    tick = {}  # those that would meet are a tick apart
    for pitch, onset in sorted(loudest):
        tick[pitch] = max(int(np.rint(onset * TICKS_PER_BEAT)), tick.get(pitch, -1) + 1)
        assert (tick[pitch], pitch) in {row[:2] for row in rows(back)}
    assert back.tempo_bpm == pytest.approx(tempo, rel=1e-5)
    assert (back.time_signature, back.is_drums, back.name) == (signature, is_drums, "song.mid")


@EXAMPLES
@given(st.lists(note, max_size=30))
def test_durations_last_a_tick_and_end_at_the_next_strike(tmp_path, notes):
    write_midi(make_song([(0, 1, 36, 100), *notes]), tmp_path / "song.mid")
    back = rows(read_midi(tmp_path / "song.mid"))
    for tick, pitch, _, duration in back:
        later = [t - tick for t, p, _, _ in back if p == pitch and t > tick]
        assert 1 <= duration <= min(later, default=10**9)
        wanted = {max(1, round(n[1] * TICKS_PER_BEAT)) for n in notes if n[2] == pitch} | {480}
        assert duration in wanted or duration == min(later)
    write_midi(make_song([(t / 480, d / 480, p, v) for t, p, v, d in back]), tmp_path / "again.mid")
    assert rows(read_midi(tmp_path / "again.mid")) == back


def test_two_other_readers_find_the_same_hits(tmp_path):
    path = tmp_path / "groove.mid"
    write_midi(GROOVE, path)
    expected = [(0, 36, 100), (0, 42, 60), (245, 42, 1), (480, 38, 127), (490, 38, 40), (1200, 22, 90)]

    pretty = pretty_midi.PrettyMIDI(str(path))
    (part,) = pretty.instruments
    assert part.is_drum
    assert sorted((pretty.time_to_tick(n.start), n.pitch, n.velocity) for n in part.notes) == expected
    assert pretty.get_tempo_changes()[1] == pytest.approx([97.5], rel=1e-5)
    (signature,) = pretty.time_signature_changes
    assert (signature.numerator, signature.denominator, signature.time) == (6, 8, 0)

    file = mido.MidiFile(path, charset="utf-8")
    assert (file.type, file.ticks_per_beat) == (1, TICKS_PER_BEAT)
    assert [m.name for track in file.tracks for m in track if m.type == "track_name"] == ["café 🥁"]
    assert [m.tempo for track in file.tracks for m in track if m.type == "set_tempo"] == [round(60e6 / 97.5)]
    assert all(track[-1].type == "end_of_track" for track in file.tracks)
    tick, hits, sounding = 0, [], set()
    for message in file.tracks[-1]:
        tick += message.time
        if message.type == "note_on":
            assert message.note not in sounding  # every note ends before its pitch is struck again
            sounding.add(message.note)
            hits.append((tick, message.note, message.velocity))
        elif message.type == "note_off":
            sounding.remove(message.note)
        assert getattr(message, "channel", 9) == 9
    assert (sorted(hits), sounding) == (expected, set())


def test_notes_that_are_not_drums_avoid_channel_10(tmp_path):
    path = tmp_path / "piano.mid"
    write_midi(dataclasses.replace(GROOVE, is_drums=False), path)
    assert {m.channel for m in mido.MidiFile(path).tracks[-1] if m.type == "note_on"} == {0}
    assert read_midi(path, instrument="all").is_drums is False
    with pytest.raises(MidiError, match="no drum track"):
        read_midi(path)


def test_writing_clips_and_keeps_apart(tmp_path):
    song = make_song(
        [(-0.4, 1, 36, 100), (-0.1, 1, 36, 90), (1, 9, 36, 300), (1.0001, 9, 36, 20), (1.0001, 9, 36, 10),
         (2, -5, 38, -7), (3, 1e30, 40, 64.4)], name=""
    )  # fmt: skip
    write_midi(song, tmp_path / "x.mid")
    long = (MAX_BEATS - 3) * 480
    assert rows(read_midi(tmp_path / "x.mid")) == [
        (0, 36, 100, 1),
        (1, 36, 90, 479),
        (480, 36, 127, 1),
        (481, 36, 20, 4320),
        (960, 38, 1, 1),
        (1440, 40, 64, long),
    ]


def test_padding_is_not_written(tmp_path):
    notes = GROOVE.notes._replace(mask=np.arange(6) < 2)
    write_midi(dataclasses.replace(GROOVE, notes=notes), tmp_path / "x.mid")
    assert [row[1] for row in rows(read_midi(tmp_path / "x.mid"))] == [36, 42]


def test_a_song_without_notes_is_a_valid_file(tmp_path, recwarn):
    write_midi(make_song([], tempo_bpm=90), tmp_path / "rest.mid")
    assert pretty_midi.PrettyMIDI(str(tmp_path / "rest.mid")).get_tempo_changes()[1] == pytest.approx([90])
    with pytest.raises(MidiError, match=r"rest.mid: no notes$"):
        read_midi(tmp_path / "rest.mid")


def test_equal_songs_give_equal_bytes(tmp_path):
    shuffled = GROOVE.notes._replace(**{f: getattr(GROOVE.notes, f)[::-1] for f in GROOVE.notes._fields})
    write_midi(GROOVE, tmp_path / "a.mid")
    write_midi(dataclasses.replace(GROOVE, notes=shuffled), tmp_path / "b.mid")
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_a_name_that_is_not_text_is_written(tmp_path):
    write_midi(dataclasses.replace(GROOVE, name="a\udcff.mid"), tmp_path / "x.mid")
    assert mido.MidiFile(tmp_path / "x.mid", charset="utf-8").tracks[-1].name == "a?.mid"
    assert mido.midifiles.meta._charset == "latin1"  # what a failure inside mido would have changed


def test_the_latest_onset_still_reads_to_the_tick(tmp_path):
    ticks = [MAX_BEATS * 480 - k for k in (1, 2, 100, 4801)]
    write_midi(make_song([(tick / 480, 0.1, 36 + k, 100) for k, tick in enumerate(ticks)]), tmp_path / "x.mid")
    assert sorted(row[0] for row in rows(read_midi(tmp_path / "x.mid"))) == sorted(ticks)


@pytest.mark.parametrize(
    ("row", "fields", "message"),
    [
        ((0, 1, 128, 100), {}, "pitch"),
        ((0, 1, -1, 100), {}, "pitch"),
        ((np.nan, 1, 36, 100), {}, "finite"),
        ((np.inf, 1, 36, 100), {}, "finite"),
        ((0, np.nan, 36, 100), {}, "finite"),
        ((MAX_BEATS, 1, 36, 100), {}, "longer"),
        ((0, 1, 36, 100), {"tempo_bpm": 0.0}, "tempo"),
        ((0, 1, 36, 100), {"tempo_bpm": float("nan")}, "tempo"),
        ((0, 1, 36, 100), {"tempo_bpm": 1e9}, "tempo"),
        ((0, 1, 36, 100), {"time_signature": (4, 3)}, "time signature"),
        ((0, 1, 36, 100), {"time_signature": (0, 4)}, "time signature"),
    ],
)
def test_songs_that_cannot_be_written_are_refused(tmp_path, row, fields, message):
    with pytest.raises(ValueError, match=f"x.mid: .*{message}"):
        write_midi(make_song([row], **fields), tmp_path / "x.mid")
    velocity = make_song([(0, 1, 36, 100)]).notes._replace(velocity=np.full(1, np.nan))
    with pytest.raises(ValueError, match="finite"):
        write_midi(Song(velocity), tmp_path / "x.mid")
    assert list(tmp_path.iterdir()) == []


# --- atomic writes ----------------------------------------------------------------------------------------------------


def raiser(error: BaseException):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(
    ("target", "name"), [(os, "fsync"), (os, "replace"), (reader, "encode_song")], ids=lambda x: str(x)[-20:]
)
@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OSError("no number"), KeyboardInterrupt(), RuntimeError("bug")],
    ids=lambda e: type(e).__name__ + str(e)[:5],
)
def test_a_failed_write_leaves_everything_as_it_was(tmp_path, monkeypatch, exists, target, name, error):
    path = tmp_path / "song.mid"
    if exists:
        path.write_bytes(b"precious")
    with monkeypatch.context() as patch:
        patch.setattr(target, name, raiser(error))
        with pytest.raises(type(error)) as caught:
            write_midi(GROOVE, path)
    if isinstance(error, OSError) and target is os:
        assert caught.value.filename == str(path)
        assert caught.value.errno == (error.errno or errno.EIO)
        assert (error.strerror or str(error)) in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["song.mid"] * exists
    assert not exists or path.read_bytes() == b"precious"


def test_a_disk_that_fills_up_while_writing(tmp_path, monkeypatch):
    path = tmp_path / "song.mid"
    path.write_bytes(b"precious")
    monkeypatch.setattr(files, "open", Full, raising=False)
    with pytest.raises(OSError, match=r"No space left on device: '.*song.mid'"):
        write_midi(GROOVE, path)
    assert [p.name for p in tmp_path.iterdir()] == ["song.mid"]
    assert path.read_bytes() == b"precious"


class Full:
    """A file that takes ten bytes and no more."""

    def __init__(self, path, mode):
        self.file = open(path, mode, buffering=0)  # noqa: SIM115

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.file.close()

    def write(self, data):
        self.file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_places_that_cannot_be_written_name_the_path(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder.mid").mkdir()
    for path in (tmp_path / "absent" / "x.mid", tmp_path / "file" / "x.mid", tmp_path / "folder.mid"):
        with pytest.raises(OSError, match=path.name) as caught:
            write_midi(GROOVE, path)
        assert caught.value.filename == str(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.mid"]


def test_a_written_file_has_the_usual_permissions(tmp_path):
    write_midi(GROOVE, tmp_path / "x.mid")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "x.mid").stat().st_mode == (tmp_path / "plain").stat().st_mode


# --- what reading makes of a file -------------------------------------------------------------------------------------


def test_a_kit_split_over_tracks_and_programmes_is_one_kit(read):
    split = HIT + b"\x00\xc9\x08" + bytes.fromhex("0099266478892600")
    song = read(smf(TEMPO_150 + END, split + END, bytes.fromhex("60992a50018a2a0001892a00") + END))
    assert rows(song) == [(0, 36, 100, 120), (96, 42, 80, 2), (120, 38, 100, 120)]
    assert (song.tempo_bpm, song.is_drums) == (150.0, True)


def test_other_channels_are_read_only_when_asked_for(read, reason):
    piano = smf(bytes.fromhex("0090 3c 40 60 80 3c 00"))
    both = smf(HIT, bytes.fromhex("0090 3c 40 60 80 3c 00"))
    assert reason(piano) == "no drum track"
    assert (rows(read(piano, instrument="all")), read(piano, instrument="all").is_drums) == ([(0, 60, 64, 96)], False)
    assert rows(read(both)) == [(0, 36, 100, 120)]
    assert rows(read(both, instrument="all")) == [(0, 36, 100, 120), (0, 60, 64, 96)]
    assert read(both, instrument="all").is_drums is False
    assert read(smf(HIT), instrument="all").is_drums is True
    with pytest.raises(ValueError, match="piano"):
        read(both, instrument="piano")


def test_of_equal_hits_the_louder_stays_and_zero_lengths_stay(read):
    quiet, loud = bytes.fromhex("0099 24 20 78 89 24 00"), bytes.fromhex("0099 24 50 10 89 24 00")
    assert rows(read(smf(quiet, loud))) == rows(read(smf(loud, quiet))) == [(0, 36, 80, 16)]
    assert rows(read(smf(bytes.fromhex("0099 24 20 00 89 24 00")))) == [(0, 36, 32, 0)]


def test_tempo_changes_do_not_move_notes_and_the_tempo_is_the_median_of_the_beats_with_notes(read):
    beat = b"\x83\x60"  # 480 ticks
    hits = b"".join(b"\x00\x99\x24\x40" + beat + b"\x89\x24\x00" for _ in range(6))
    # one beat of 120, two of 240, three of 60
    tempos = tempo_event(500_000) + tempo_event(250_000, beat) + tempo_event(1_000_000, b"\x87\x40") + END
    song = read(smf(tempos, hits))
    assert [row[0] for row in rows(song)] == [0, 480, 960, 1440, 1920, 2400]
    assert song.tempo_bpm == 60.0
    assert read(smf(hits)).tempo_bpm == 120.0
    # after the last note and before the first, a tempo does not count, however long
    late = tempo_event(500_000) + tempo_event(1_000_000, b"\x93\x60")
    assert read(smf(late, hits)).tempo_bpm == 120.0
    early = tempo_event(1_000_000) + tempo_event(400_000, b"\xff\x60")
    assert read(smf(early, b"\xff\x60" + hits[1:])).tempo_bpm == 150.0
    # a tempo at tick 0 of a later track does not forget the changes of an earlier one
    assert read(smf(tempos, TEMPO_150 + END, hits)).tempo_bpm == 60.0
    # tracks may hold the tempos in any order
    slow = tempo_event(250_000) + tempo_event(1_000_000, beat)
    assert read(smf(tempo_event(400_000, b"\x8f\x00"), slow, hits)).tempo_bpm == 60.0
    # a fermata is no reason to lose a file
    assert read(smf(TEMPO_150 + tempo_event(15_000_000, beat) + tempo_event(400_000, b"\x01"), hits)).tempo_bpm == 150.0


def test_the_time_signature_in_force_at_the_first_note_counts(read):
    three, seven = b"\x00\xff\x58\x04\x03\x02\x18\x08", b"\x00\xff\x58\x04\x07\x03\x18\x08"
    assert read(smf(HIT)).time_signature == (4, 4)
    assert read(smf(seven + HIT + three)).time_signature == (7, 8)
    assert read(smf(three + seven + HIT)).time_signature == (7, 8)
    assert read(smf(HIT + three)).time_signature == (4, 4)


@pytest.mark.parametrize("division", [1, 24, 96, 960, 32767])
def test_ticks_per_beat(read, division):
    song = read(smf(b"\x83\x60\x99\x24\x40\x60\x89\x24\x00", division=division))
    assert song.notes.onset_beat[0] == np.float32(480 / division)
    assert song.notes.duration_beat[0] == np.float32(96 / division)


KICK = [(0, 36, 100, 120)]
TWO_KICKS = [*KICK, (120, 36, 100, 120)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (smf(HIT), KICK),
        (smf(HIT + END), KICK),
        (smf(HIT, form=0), KICK),
        (smf(HIT, b"", b"", END), KICK),
        (b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + smf(HIT), KICK),
        (struct.pack(">4sLHHHH", b"MThd", 8, 1, 1, 480, 0) + chunk(HIT), KICK),
        (smf(HIT) + b"garbage" * 20, KICK),
        (smf(HIT, HIT, count=1), KICK),
        (smf(count=1) + b"XFIH\0\0\0\3abc" + chunk(HIT), KICK),
        (smf(END, count=2) + b"\0" + chunk(HIT + END), KICK),  # a pad byte, as in RIFF
        (smf(END, count=2) + b"text of nobody" + chunk(HIT + END), KICK),
        (smf(HIT + END) + b"\0\0MTrk\0\0\1\0\0\x99\x24", KICK),  # no whole track
        (smf(count=1) + chunk(HIT + END, size=5000), KICK),
        (smf(b"\x00\xff\x59\x02\x20\x09" + HIT), KICK),  # a key signature of 32 sharps
        (smf(b"\x00\xff\x59\x00\x00\xff\x54\x00\x00\xff\x00\x01\x00" + HIT), KICK),  # meta events without their data
        (smf(b"\x00\xff\x58\x02\x04\x02" + HIT), KICK),
        (smf(b"\x00\xff\x60\x03abc\x00\xff\x01\x02\xff\xfe" + HIT), KICK),
        (smf(b"\x00\xf0\x05\x7e\x7f\x09\x01\xf7\x00\xf7\x02\xff\xff" + HIT), KICK),
        (smf(b"\x00\xb9\x04\x5a\x00\x04\x00\x00\xe9\x00\x40\x00\xd9\x01\x00\x02\x00\xa9\x24\x09" + HIT), KICK),
        (smf(bytes.fromhex("00992464 78 2400 00 2464 78 2400")), TWO_KICKS),  # running status, velocity 0 ends
        (smf(b"\x00\x99\x24\x64" + TEMPO_150 + b"\x78\x24\x00"), KICK),  # running status across a meta event
        (smf(HIT + b"\x00\x99\x26\x64"), [*KICK, (120, 38, 100, 60)]),  # a hit that never ends is a 32nd long
        (smf(b"\x00\x99\x24\x64"), [(0, 36, 100, 60)]),
        (smf(HIT, count=2), KICK),
        (smf(b"\x00\xf8\x00\xfe\x00\xf2\x01\x02\x00\xb0\x07\xff" + HIT), KICK),  # real time, a controller of 255
        (bytes(128) + smf(HIT), KICK),  # MacBinary
        (smf(count=2) + chunk(HIT + END, size=15) + chunk(END), KICK),  # lengths that lead astray
        (smf(count=2) + chunk(END, size=0xFFFFFFFF) + chunk(HIT + END, size=0), KICK),
        (smf(count=1) + chunk(HIT + END, size=3), KICK),
        (
            smf(HIT + END, bytes.fromhex("60992a50018a2a0001892a00") + END, count=1),
            [*KICK[:0], (0, 36, 100, 120), (96, 42, 80, 2)],
        ),
        (smf(b"\x00\x89\x26\x00" + HIT + b"\x00\x89\x24\x00"), KICK),  # ends of nothing
        (smf(HIT + b"\xff\xff\xff\x7f\xff\x2f\x00"), KICK),  # a long silence to the end of the track
        (smf(bytes.fromhex("0099006478890000 00997f6478897f00")), [(0, 0, 100, 120), (120, 127, 100, 120)]),
    ],
)
def test_odd_files_that_are_good(read, data, expected):
    assert rows(read(data)) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty file"),
        (b"MThd\0\0\0", "truncated"),
        (b"hello, this is not midi\n" * 20, "not a MIDI file"),
        (random.Random(0).randbytes(4000), "not a MIDI file"),
        (b"RIFF\0\0\0\0WAVEfmt " + bytes(2000), "not a MIDI file"),
        (smf(), "no notes"),
        (smf(END), "no notes"),
        (smf(b"\x00\x89\x24\x00"), "no notes"),
        (smf(HIT, form=2), "type 2 (independent sequences)"),
        (smf(HIT, form=3), "malformed header"),
        (smf(HIT, division=0), "malformed header"),
        (smf(HIT, division=0xE728), "SMPTE time division"),
        (struct.pack(">4sLHHH", b"MThd", 2, 1, 1, 480) + chunk(HIT), "malformed header"),
        (smf(count=1), "truncated"),
        (smf(HIT, count=60_000), "too many tracks"),
        (smf(HIT + END)[:-6], "truncated"),
        (smf(HIT)[:-1], "truncated"),
        (smf(count=1) + chunk(HIT, size=100), "truncated"),
        (smf(HIT + b"\x00\xff\x01\x7fabc"), "truncated"),
        (smf(HIT + b"\x00\xf0\xff\xff\xff\x7f"), "truncated"),
        (smf(HIT + b"\x81"), "truncated"),
        (smf(b"\x00\x24\x64" + HIT), "malformed track"),  # running status of nothing
        (smf(b"\x00\x99\x24\xc8\x0a\x89\x24\x00"), "malformed track"),  # velocity 200
        (smf(b"\x00\x99\x80\x64\x0a\x89\x80\x00"), "malformed track"),  # pitch 128
        (smf(b"\x00\xf4" + HIT), "malformed track"),
        (smf(HIT + b"\xff" * 1000), "malformed track"),  # an endless delta
        (smf(b"\x00\xff\x51\x02\x07\xa1" + HIT), "malformed track"),
        (smf(b"\x00\xff\x58\x01\x04" + HIT), "malformed track"),
        (smf(tempo_event(0) + HIT), "tempo out of range"),
        (smf(tempo_event(0xFFFFFF) + HIT), "tempo out of range"),
        (smf(tempo_event(59_999) + HIT), "tempo out of range"),
        (smf(b"\x00\xff\x58\x04\x04\xff\x18\x08" + HIT), "bad time signature"),
        (smf(b"\x00\xff\x58\x04\x04\x07\x18\x08" + HIT), "bad time signature"),
        (smf(b"\x00\xff\x58\x04\x00\x02\x18\x08" + HIT), "bad time signature"),
        (smf(b"\x00\xff\x58\x04\x41\x02\x18\x08" + HIT), "bad time signature"),
        (smf(HIT + b"\xff\xff\xff\x7f" + HIT[1:]), "too long"),
    ],
)
def test_bad_files_are_named_with_their_reason(reason, data, expected):
    assert reason(data) == reason(data, instrument="all") == expected


def test_nothing_at_a_path(tmp_path):
    os.mkfifo(tmp_path / "pipe.mid")
    for path, expected in (
        (tmp_path / "absent.mid", "No such file or directory"),
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe.mid", "not a regular file"),
        (tmp_path / "nul\0.mid", "unreadable"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(MidiError) as caught:
            read_midi(path)
        assert (caught.value.reason, caught.value.path) == (expected, str(path))
        assert isinstance(caught.value, UserError)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "x.mid").write_bytes(smf(HIT))
    denied = raiser(PermissionError(errno.EACCES, "Permission denied"))  # root may read anything: no chmod
    monkeypatch.setattr(chunks, "open", denied, raising=False)
    with pytest.raises(MidiError, match=r"x.mid: Permission denied$"):
        read_midi(tmp_path / "x.mid")


def test_an_error_inside_miditoolkit_is_a_bad_file_too(read, monkeypatch):
    monkeypatch.setattr(miditoolkit, "MidiFile", raiser(ZeroDivisionError("surprise")))
    with pytest.raises(MidiError, match=r"unreadable \(ZeroDivisionError: surprise\)"):
        read(smf(HIT))


def test_an_error_survives_the_way_back_from_another_process():
    error = pickle.loads(pickle.dumps(MidiError("a/b.mid", "no notes", "why")))
    assert (str(error), error.path, error.reason) == ("a/b.mid: no notes (why)", "a/b.mid", "no notes")


def test_nothing_is_printed_or_warned(read, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(smf(b"\x00\xff\x59\x02\x20\x09\x00\xff\x59\x02\xf9\x01" + TEMPO_150 + HIT))
    assert capfd.readouterr() == ("", "")


def mutate(good: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, removed or repeated, or the end cut off."""
    data = bytearray(good)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data))
        match chance.randrange(5):
            case 0 | 1:
                data[at] = chance.choice([0, 0x7F, 0x80, 0xFF, chance.randrange(256)])
            case 2:
                del data[at : at + chance.randint(1, 8)]
            case 3:
                data[at:at] = data[at : at + 16]
            case 4:
                data = data[: max(at, 14)]
    return bytes(data)


def check_song_or_midi_error(path: Path, outcomes: set[str]) -> None:
    for instrument in ("drums", "all"):
        try:
            song = read_midi(path, instrument=instrument)
        except MidiError as error:
            outcomes.add(error.reason)
            continue
        outcomes.add("song")
        notes = song.notes
        assert len(notes.pitch) > 0
        assert 10 <= song.tempo_bpm <= 1000
        assert 0 < song.beats_per_bar <= 256
        assert notes.pitch.min() >= 0
        assert notes.pitch.max() <= 127
        assert notes.velocity.min() >= 1
        assert notes.velocity.max() <= 127
        assert 0 <= notes.onset_beat.min() <= notes.onset_beat.max() < MAX_BEATS
        assert (notes.duration_beat >= 0).all()


def test_mutated_files_give_a_song_or_a_midi_error(tmp_path):
    write_midi(GROOVE, tmp_path / "good.mid")
    good, chance = (tmp_path / "good.mid").read_bytes(), random.Random(1)
    outcomes: set[str] = set()
    for _ in range(200):
        (tmp_path / "bad.mid").write_bytes(mutate(good, chance))
        check_song_or_midi_error(tmp_path / "bad.mid", outcomes)
    assert {"song", "truncated", "malformed track"} <= outcomes
    assert "unreadable" not in outcomes  # the washing leaves miditoolkit nothing to stumble over


# --- real data --------------------------------------------------------------------------------------------------------

BROKEN = {
    "ok.mid": 2,
    "RIFF_RMID.mid": 2,
    "bad_keysig.mid": 1,
    "ch10_prog_change.mid": 2,
    "ch1_notes.mid": "no drum track",
    "data_byte_no_status_first.mid": "malformed track",
    "double_on_one_off.mid": 3,
    "empty_track_0_bytes.mid": 2,
    "half_header.mid": "truncated",
    "header_only_claims1.mid": "truncated",
    "huge_delta.mid": "too long",
    "max_tempo_us.mid": "tempo out of range",
    "missing_eot.mid": 2,
    "random_bytes.mid": "not a MIDI file",
    "tempo_len_wrong_2_bytes.mid": "malformed track",
    "text_file.mid": "not a MIDI file",
    "timesig_denom_2_255.mid": "bad time signature",
    "track_len_overstated.mid": 2,
    "trunc_mid_track.mid": "truncated",
    "type2.mid": "type 2 (independent sequences)",
    "vel_gt_127.mid": "malformed track",
    "zero_duration.mid": 1,
}


def test_the_broken_files(shared_data):
    found: dict[str, int | str] = {}
    for path in sorted((shared_data / "broken_midi").iterdir()):
        check_song_or_midi_error(path, set())
        try:
            found[path.name] = len(read_midi(path).notes.pitch)
        except MidiError as error:
            found[path.name] = error.reason
    assert {name: found[name] for name in BROKEN} == BROKEN
    assert read_midi(shared_data / "broken_midi" / "ch1_notes.mid", instrument="all").is_drums is False


@pytest.mark.slow
def test_groove_files_keep_every_hit(shared_data, tmp_path):
    paths = random.Random(0).sample(sorted((shared_data / "groove").rglob("*.mid")), 40)
    assert len(paths) == 40
    for path in paths:
        song = read_midi(path)
        onsets: dict[tuple[int, int], int] = {}  # straight from the file, by another reader
        tick = 0
        for message in mido.merge_tracks(mido.MidiFile(path).tracks):
            tick += message.time
            if message.type == "note_on" and message.velocity > 0:
                onsets[tick, message.note] = max(message.velocity, onsets.get((tick, message.note), 0))
        assert {(t, p): v for t, p, v, _ in rows(song)} == onsets, path
        write_midi(song, tmp_path / "back.mid")
        back = read_midi(tmp_path / "back.mid")
        assert [row[:3] for row in rows(back)] == [row[:3] for row in rows(song)], path
        assert (back.tempo_bpm, back.time_signature) == (song.tempo_bpm, song.time_signature)


def test_mutated_groove_files_give_a_song_or_a_midi_error(shared_data, tmp_path):
    chance = random.Random(2)
    outcomes: set[str] = set()
    paths = [path for path in sorted((shared_data / "groove").rglob("*.mid")) if path.stat().st_size < 3000]
    for path in chance.sample(paths, 50):
        (tmp_path / "bad.mid").write_bytes(mutate(path.read_bytes(), chance))
        check_song_or_midi_error(tmp_path / "bad.mid", outcomes)
    assert "song" in outcomes
    assert "unreadable" not in outcomes


def test_piano_files_are_read_whole(shared_data):
    song = read_midi(shared_data / "piano_midi_de" / "midis" / "Albeniz" / "alb_esp3.mid", instrument="all")
    assert (len(song.notes.pitch) > 1000, song.is_drums) == (True, False)
    assert 100 < song.tempo_bpm < 140  # in spite of a fermata at 8 bpm
