"""Piano rolls of letters."""

from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.music.pitch_names import pitch_name
from drumjax.music.text import write_roll, write_text


def test_a_roll_by_hand():
    song = Song(
        make_notes([0, 0, 1.0, 5.0], [1.0, 0.25, 0.5, 0.1], [60, 64, 60, 67], [64, 100, 64, 64]), is_drums=False
    )
    assert write_roll(song, beats_per_line=4) == (
        " E4|O---------------|\n C4|o===o=----------|\n\n G4|----o-----------|\n"
    )
    assert pitch_name(21) == "A0"


def test_silence_and_odd_metres():
    assert write_roll(Song(make_notes([], [], [], []), is_drums=False)) == "(silence)\n"
    assert "|" in write_roll(Song(make_notes([9.0], [1], [60], [64]), time_signature=(3, 8), is_drums=False))


def test_drums_are_a_tab():
    assert "BD|" in write_text(Song(make_notes([0.0], [0.1], [36], [90])), ROLAND_TD11)
