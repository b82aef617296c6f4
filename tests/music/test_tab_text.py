"""Bytes of tabs: which text they are, and what is no text."""

import pytest

from drumjax.music.notes import Notice
from drumjax.music.tab import TabError, read_tab_file
from drumjax.music.tab_text import MAX_BYTES, decode_tab

TEXT = "title: Übung\nSD|x---|\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_read_with_a_mark_and_without(encoding):
    assert decode_tab(TEXT.encode(encoding)) == (TEXT, ())


def test_a_mark_decides_on_the_order_of_bytes():
    assert decode_tab(b"\xfe\xff" + TEXT.encode("utf-16-be")) == (TEXT, ())


def test_what_is_not_utf_8_is_latin_1_and_said_to_be():
    text, notices = decode_tab(TEXT.encode("latin-1"))
    assert (text, [notice.count for notice in notices]) == (TEXT, [1])
    assert "Latin-1" in notices[0].reason


@pytest.mark.parametrize("data", [b"MThd\0\0\0\6\0\1", b"\0" * 9, b"SD|x-\0-|", b"\xff\xfex", b"\xff\xfe\0\0x\0\0\0"])
def test_what_is_no_text_is_refused(data):
    with pytest.raises(TabError, match="no text"):
        decode_tab(data)


def test_a_file_of_any_encoding(tmp_path):
    path = tmp_path / "a.tab"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode("latin-1"))
    song = read_tab_file(path, name="")
    assert (song.name, song.notes.pitch.tolist()) == ("Übung", [38])
    assert song.notices == (Notice("bytes are not UTF-8 and were read as Latin-1", 1),)
    assert read_tab_file(path).name == str(path)


def test_errors_of_a_file_begin_with_its_path(tmp_path):
    path = tmp_path / "a.tab"
    path.write_bytes(b"\0\1\2")
    with pytest.raises(TabError, match=r"a\.tab: no text"):
        read_tab_file(path)
    path.write_bytes(b"SD|x-z-|")
    with pytest.raises(TabError, match=r"a\.tab: line 1, column 6: unknown mark 'z'"):
        read_tab_file(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(TabError, match=r"a\.tab: more than 4 MB"):
        read_tab_file(path)
    with pytest.raises(OSError, match=r"none\.tab"):
        read_tab_file(tmp_path / "none.tab")
