"""Which notes of a file are taken, and what the pedal does to them."""

import numpy as np
import pytest

from drumjax.midi.controls import spread_loose
from drumjax.midi.instruments import parse_instrument
from drumjax.midi.pedal import sustain_notes
from drumjax.midi.reader import MidiError, read_midi, write_midi
from drumjax.music.notes import Song, make_notes


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("drums", ["kit"]),
        ("all", ["kit", "grand", "bass"]),
        ("pitched", ["grand", "bass"]),
        ("program=0", ["grand"]),
        ("program=30-40", ["bass"]),
        ("track=PIANO", ["grand"]),
    ],
)
def test_what_each_takes(text, taken):
    parts = {"kit": (True, 0, "Piano"), "grand": (False, 0, "Piano right"), "bass": (False, 33, "Bass")}
    chosen = parse_instrument(text)
    found = [name for name, (drum, program, track) in parts.items()
             if chosen.takes(is_drum=drum, program=program, track=track)]  # fmt: skip
    assert found == taken


@pytest.mark.parametrize(
    "text", ["", "piano", "program=", "program=128", "program=7-3", "program=x", "track=", "all=1"]
)
def test_others_are_refused(text):
    with pytest.raises(ValueError, match=r"unknown instrument .* there are: 'drums'"):
        parse_instrument(text)


def smf(*tracks: str) -> bytes:
    """A file of these tracks, hexadecimal, 96 ticks per beat."""
    chunks = [bytes.fromhex(track) + b"\x00\xff\x2f\x00" for track in tracks]
    return (
        b"MThd"
        + bytes.fromhex(f"00000006 0001 {len(chunks):04x} 0060")
        + b"".join(b"MTrk" + len(chunk).to_bytes(4, "big") + chunk for chunk in chunks)
    )


PIANO = "00 ff 03 05 5069616e6f  00 c0 00  00 90 3c 40  60 80 3c 00"  # track "Piano", program 0, C4 for a beat
BASS = "00 c1 21  00 91 24 50  30 81 24 00"  # program 33, channel 2


@pytest.fixture
def read(tmp_path):
    def read(data, **options):
        path = tmp_path / "x.mid"
        path.write_bytes(data)
        return read_midi(path, **options)

    return read


def test_parts_of_a_file(read):
    whole = smf(PIANO, BASS, "00 99 24 64 30 89 24 00")
    notes = {
        text: read(whole, instrument=text).notes.pitch.tolist() for text in ("pitched", "program=33", "track=pian")
    }
    assert notes == {"pitched": [36, 60], "program=33": [36], "track=pian": [60]}
    song = read(whole, instrument="program=32-39")
    assert (song.program, song.is_drums) == (33, False)
    with pytest.raises(MidiError, match="no notes of program=5"):
        read(whole, instrument="program=5")


def test_the_program_is_written_and_read_back(tmp_path):
    song = Song(make_notes([0.0], [1.0], [60], [80]), is_drums=False, program=41)
    write_midi(song, tmp_path / "x.mid")
    assert read_midi(tmp_path / "x.mid", instrument="program=41").program == 41
    with pytest.raises(ValueError, match="program 128"):
        write_midi(Song(song.notes, is_drums=False, program=128), tmp_path / "y.mid")


def test_the_pedal_holds_notes_until_it_comes_up(read):
    # Down at 0, C4 for half a beat, up after two beats; then a D4 without it.
    track = "00 b0 40 7f  00 90 3c 40  30 80 3c 00  8110 b0 40 00  00 90 3e 40  30 80 3e 00"
    assert read(smf(track), instrument="pitched").notes.duration_beat.tolist() == [0.5, 0.5]
    assert read(smf(track), instrument="pitched", sustain=True).notes.duration_beat.tolist() == [2.0, 0.5]


def test_what_the_pedal_does_by_hand():
    def ends(pedal):
        columns = [[0, 10, 20, 60], [5, 15, 30, 70], [60, 62, 60, 64], [80] * 4, [16, 16, 16, 32], [0] * 4]
        messages = spread_loose(np.asarray(pedal, np.int64).reshape(-1, 3))
        return sustain_notes(np.asarray(columns).T, messages).tolist()

    # The first C is struck again at 20; the pedal comes up at 40; the last note is held to the end.
    assert ends([(16, 2, 100), (16, 3, 127), (16, 40, 0), (16, 65, 64)]) == [20, 40, 40, 70]
    assert ends([(16, 2, 100), (16, 90, 0)]) == [20, 90, 90, 90]
    assert ends([]) == [5, 15, 30, 70]
    assert ends([(16, 0, 63)]) == [5, 15, 30, 70]  # not down
    # Two pedals of a program: whichever is up later. That of another channel holds nothing.
    assert ends([(32, 12, 127), (32, 18, 0), (16, 14, 127), (16, 16, 0), (17, 0, 127), (17, 99, 0)]) == [5, 18, 30, 70]
    # One of a track without notes is one with that of the track itself, and serves those that have none.
    assert ends([(0, 14, 127), (0, 18, 0), (16, 16, 0)]) == [5, 18, 30, 70]
    assert ends([(0, 14, 127), (0, 18, 0), (16, 16, 0), (32, 15, 0)]) == [5, 16, 30, 70]


def test_a_real_piano_piece_is_longer_with_the_pedal(shared_data):
    path = shared_data / "piano_midi_de" / "midis" / "Albeniz" / "alb_esp1.mid"
    dry, wet = (read_midi(path, instrument="pitched", sustain=sustain).notes for sustain in (False, True))
    np.testing.assert_array_equal(dry.onset_beat, wet.onset_beat)
    assert (wet.duration_beat >= dry.duration_beat).all()
    assert wet.duration_beat.mean() > 1.2 * dry.duration_beat.mean()
    right = read_midi(path, instrument="track=right")
    assert 0 < len(right.notes.pitch) < len(dry.pitch)


def test_a_pedal_with_a_track_of_its_own(read):
    """Its channel's notes are held; those of another channel and program are not."""
    pedal = "00 b0 40 7f  8140 b0 40 00"  # down at 0, up after two beats, no note
    whole = smf(PIANO, BASS, pedal)
    held = {text: read(whole, instrument=text, sustain=True).notes.duration_beat.tolist()
            for text in ("track=piano", "program=33", "pitched")}  # fmt: skip
    assert held == {"track=piano": [2.0], "program=33": [0.5], "pitched": [0.5, 2.0]}
    assert read(smf("00 c0 07", "00 90 3c 40  60 80 3c 00"), instrument="pitched").program == 7


def test_the_pedal_of_one_hand_is_the_others_too(read):
    right, left = "00 90 48 40  30 80 48 00", "00 b1 40 7f  00 91 30 40  30 81 30 00  8110 b1 40 00"
    assert read(smf(right, left), instrument="pitched", sustain=True).notes.duration_beat.tolist() == [2.0, 2.0]
