"""The rows of a tab: a label, bars between bar lines, and how often they are played."""

import re
from typing import NamedTuple

from drumjax.music.tab_drums import ALL_LABELS, label_key
from drumjax.music.tab_text import TabError

MAX_TIMES = 99

# x4, (x2), 3x, 2 times, repeat 2x, play x4
_TIMES = re.compile(
    r"[\[(]?\s*(?P<verb>(?:repeat|rpt|play)(?:ed)?\b:?)?\s*(?:[x\u00d7]\s*(?P<after>[0-9]{1,9})|"
    r"(?P<before>[0-9]{1,9})\s*(?:[x\u00d7]|times))\s*[\])]?[.,;]?",
    re.IGNORECASE,
)
_REPEAT = re.compile(
    r"\b(?:repeat\w*|rpt|again|times|twice|same|as above|da capo|dal segno)\b|"
    r"[x\u00d7]\s*[0-9]|[0-9]\s*[x\u00d7](?!\w)|%",
    re.IGNORECASE,
)
_ROW_RUN = re.compile(r"(?<![A-Za-z])[-.xXoOgfdbBrsc#@]{4,}(?![A-Za-z])")
_WORD = re.compile(r"(?![-.xXoO\s]*$).*[A-Za-z]{3}")  # `oooo` is four strokes


class Bar(NamedTuple):
    """The cells of a bar in a row, the column of the first, from 1, and whether a repeat begins or ends with it."""

    cells: str
    column: int
    begins: bool = False
    ends: bool = False


class Row(NamedTuple):
    """A row of cells: the number of its line, from 1, what stands before the first bar line, and its bars.

    closed   True if it ends with a bar line
    times    how often its bars are to be played, as x4 behind it says; 0 if nothing does
    remark   what stands behind the last bar line and is no cells; with `times`, words such as "repeat 2x"
    """

    line: int
    label: str
    bars: list[Bar]
    closed: bool = True
    times: int = 0
    remark: str = ""


def says_repeat(text: str) -> bool:
    """True if a text asks for something to be played again."""
    return bool(_REPEAT.search(text))


def repeat_error(line: int, what: str) -> TabError:
    return TabError(f"line {line}: a repeat that is not clear: {what}; write x2 behind the last bar line of the rows")


def looks_like_cells(text: str) -> bool:
    """True if a text without bar lines has a run of cells, so that it may be a row."""
    if not text.strip():
        return False
    for run in _ROW_RUN.findall(text):
        strokes = re.findall(r"[xXoOgfd#]+", run)
        if strokes and (run.count("-") > 1 or (len(strokes) > 1 and run.count(".") > 2)):
            return True
    cells = text.split()[1:]
    if label_key(text.split(None, 1)[0].rstrip(":")) in ALL_LABELS and re.fullmatch(r"[xXoOgfd\s]{4,}", "".join(cells)):
        return True
    return len(cells) > 3 and all(len(cell) == 1 and cell in "-.xXoOgfd" for cell in cells) and "-" in cells


def read_row(line: str, number: int) -> Row:
    """The row in a line with a bar line. Blanks between bar lines are cells; those before the first and behind the last
    are nothing. Raises TabError for a tab character among the cells, and a repeat that is not clear.
    """
    label, _, rest = line.partition("|")
    column = len(label) + 2
    label = label.strip().removesuffix(":").removesuffix("-").strip()
    *closed, tail = rest.split("|")
    times, remark = 0, ""
    if is_open := bool(tail.strip()):
        if match := _TIMES.fullmatch(" ".join(tail.split())):
            times, is_open = _times(match, number), False
            remark = match[0] if match["verb"] else ""
        elif says_repeat(tail):
            raise repeat_error(number, repr(tail.strip()))
        elif tail[0] in " \t" and _WORD.match(tail) and not looks_like_cells(tail):
            remark, is_open = tail.strip(), False
    bars = []
    for cells in [*closed, tail] if is_open else closed:
        if "\t" in cells:
            raise TabError(
                f"line {number}, column {column + cells.index(chr(9))}: a tab character among the cells of the row "
                f"{label}, which has no width; use blanks, or - for rests"
            )
        if cells.strip() == "%":
            raise TabError(f"line {number}: a repeat, the sign % for the bar before; write the bar out")
        if cells:  # nothing is between the two lines of a double bar line
            begins, ends = cells.startswith(":"), len(cells) > 1 and cells.endswith(":")
            bars.append(Bar(cells[begins : len(cells) - ends], column + begins, begins, ends))
        column += len(cells) + 1
    return Row(number, label, bars or [Bar("", len(line))], not is_open, times, remark)


def _times(match: re.Match, number: int) -> int:
    text = match[0].strip()
    times = int(match["after"] or match["before"])
    if not 1 <= times <= MAX_TIMES:
        raise TabError(f"line {number}: a repeat, {text!r}; bars can be played 1 to {MAX_TIMES} times")
    if times == 1 and match["verb"]:
        raise repeat_error(number, f"{text!r} may be once or once more")
    return times
