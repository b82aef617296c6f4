"""Filters of songs."""

import pytest
from song_files import ROWS, load_groove, make_groove

from drumjax.data.datasets import DatasetError
from drumjax.data.selection import select
from drumjax.music.notes import Song, make_notes


def test_filters(tmp_path):
    songs = load_groove(make_groove(tmp_path / "groove", ROWS), tmp_path).songs

    def names(**filters):
        return [song.name for song in select(songs, **filters)]

    zero, one, two = "drummer1/0.mid", "drummer1/1.mid", "drummer1/2.mid"
    assert names() == [zero, one, two]
    assert names(split="train") == [zero]
    assert names(styles=("rock",)) == names(styles=("Rock",)) == [zero, one]
    assert names(styles=["rock", "jazz"], fill="beat") == [zero, two]
    assert names(fill="fill") == [one]
    assert names(time_signatures=("6/8",)) == [two]
    assert names(drummers=("drummer2",), split="train") == []


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"styles": ("rokc",)}, "unknown style 'rokc'; there are: jazz, rock"),
        ({"drummers": ("drummer9",)}, "unknown drummer 'drummer9'; there are: drummer1, drummer2"),
        ({"time_signatures": ("4-4",)}, "unknown time signature '4-4'; there are: 4/4, 6/8"),
        ({"styles": ("jazz",), "fill": "fill"}, "none of the 3 songs"),
    ],
)
def test_unknown_names_list_those_there_are(tmp_path, filters, message):
    with pytest.raises(DatasetError, match=message):
        load_groove(make_groove(tmp_path / "groove", ROWS), tmp_path, **filters)


def test_what_no_song_says_of_itself_is_not_selected_by(caplog):
    song = Song(make_notes([0], [1], [36], [100]))
    assert select([song], styles=("rock",), drummers=("a", "b"), fill="beat") == [song]
    assert "no song has a style: all are taken, not only those of rock" in caplog.text
    assert "no song has a drummer: all are taken, not only those of a, b" in caplog.text


def test_select_refuses_what_it_does_not_know():
    song = Song(make_notes([0], [1], [36], [100]))
    with pytest.raises(ValueError, match="unknown split 'dev'"):
        select([song], split="dev")
    with pytest.raises(ValueError, match="must be a tuple"):
        select([song], styles="rock")
