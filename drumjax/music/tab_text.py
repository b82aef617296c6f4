"""The text of a tab: from the bytes of a file to lines."""

import codecs
import re

from drumjax.music.notes import Notice
from drumjax.system.errors import UserError

TAB_SUFFIXES = (".tab", ".txt")  # of files
MAX_BYTES = 4_000_000  # of a file; the longest tabs of people have some 100 kB

_LINE_END = re.compile(r"\r\n|\r|\n")  # what editors count as lines; str.splitlines() counts form feeds, too
# Characters that web pages and tab programs write for a bar line and a blank, one for one, so that columns stay.
_SAME = str.maketrans({"│": "|", "┃": "|", "¦": "|", "\u01c0": "|", "\xa0": " ", "\u2007": " ", "\u202f": " "})


class TabError(UserError):
    """A tab that cannot be read: where (name and line) and what to do about it."""


def decode_tab(data: bytes) -> tuple[str, tuple[Notice, ...]]:
    """The text of a tab's bytes, and what is to be said about it.

    A byte order mark of UTF-8 or UTF-16 decides; without one it is UTF-8, or UTF-16 if every other byte is NUL, or else
    Latin-1, with a notice. Raises TabError for bytes that are no text.
    """
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return _utf16(data[len(mark) :], encoding), ()
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        low, high = data[0::2], data[1::2]
        if b"\0" not in low and high.count(0) > len(high) / 2:
            return _utf16(data, "utf-16-le"), ()
        if b"\0" not in high and low.count(0) > len(low) / 2:
            return _utf16(data, "utf-16-be"), ()
        raise TabError("no text: it has NUL bytes; a tab is a text file")
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError:
        count = sum(byte >= 0x80 for byte in data)
        return data.decode("latin-1"), (Notice("bytes are not UTF-8 and were read as Latin-1", count),)


def _utf16(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise TabError("no text: it is cut off, or no UTF-16 after all; save it as UTF-8") from None
    if "\0" in text:
        raise TabError("no text: it has NUL characters; a tab is a text file")
    return text


def split_lines(text: str) -> list[str]:
    """The lines of a text as editors count them, with the usual characters for bar lines and blanks."""
    return _LINE_END.split(text.removeprefix("\ufeff").translate(_SAME))
