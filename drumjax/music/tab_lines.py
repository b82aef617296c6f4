"""The lines of a drum tab: headers and blocks of rows, before it is asked what the marks mean."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from drumjax.music.notes import FILL_NO, FILL_YES
from drumjax.system.errors import UserError

_SWING = (r"0?\.[5-8]\d*", float, "where the off-beat falls, 0.5 (straight) to 0.89; 0.667 is a triplet")
_HEADERS: dict[str, tuple[str, Callable[[str], Any], str]] = {  # what a value looks like, what it means, what to say
    "title": (".*", str, ""),
    "style": (".*", str, ""),
    "tempo": (r"[1-9]\d{0,3}(\.\d*)?", float, "quarter notes per minute, such as 120"),
    "time": (r"[1-9]\d?/([1248]|16|32)", lambda v: tuple(map(int, v.split("/"))), "a metre such as 4/4 or 6/8"),
    "fill": (r"yes|no|every [1-9]\d{0,3}", lambda v: FILL_YES if v == "yes" else FILL_NO, "yes, no, or every 4"),
    "swing": _SWING,
    "swing16": _SWING,
}


class TabError(UserError):
    """A tab that cannot be read: where (name and line) and what to do about it."""


class Row(NamedTuple):
    """A row of cells: the number of its line, from 1, what stands before the first bar line, and its bars."""

    line: int
    label: str
    bars: list[str]


def parse_lines(text: str) -> tuple[dict[str, Any], list[list[Row]]]:
    """Header values, and the rows of each block. Raises TabError for a line that is neither, or a bad header."""
    header: dict[str, Any] = {}
    blocks: list[list[Row]] = []
    after_blank = True
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line.startswith("#"):
            continue
        match = re.match(r"([^|:]*):(.*)", line)
        if match:
            if blocks:
                raise TabError(f"line {number}: a header after the rows; move it above the first row")
            key, value = match[1].strip().lower(), match[2].strip()
            header[key] = _header_value(key, value, number)
        elif "|" in line:
            label, _, rest = line.partition("|")
            if after_blank or not blocks:
                blocks.append([])
            blocks[-1].append(Row(number, label.strip(), rest.strip().strip("|").split("|")))
        elif line:
            raise TabError(f"line {number}: neither a header (key: value) nor a row (HH|x-x-|); comments start with #")
        after_blank = not line
    if not blocks:
        raise TabError("no rows; write at least one, such as SD|----o-------o---|")
    if "swing" in header and "swing16" in header:
        raise TabError("both swing and swing16; give one of them")
    return header, blocks


def _header_value(key: str, value: str, number: int) -> Any:
    if key not in _HEADERS:
        raise TabError(f"line {number}: unknown header {key!r}; there are: {', '.join(_HEADERS)}")
    pattern, convert, hint = _HEADERS[key]
    if not re.fullmatch(pattern, value):
        raise TabError(f"line {number}: bad {key} {value!r}; give {hint}")
    return convert(value)


def check_block(block: list[Row]) -> None:
    """Raise TabError unless the rows of a block have the same bars of the same lengths, all different drums."""
    first = block[0]
    for row in block:
        if row.label.upper() in (other.label.upper() for other in block if other.line < row.line):
            raise TabError(f"line {row.line}: a second {row.label} row; put a blank line before each new block of rows")
        if len(row.bars) != len(first.bars):
            raise TabError(
                f"line {row.line}: {len(row.bars)} bars, line {first.line} has {len(first.bars)}; give the rows of a "
                "block the same bars, and put a blank line between blocks"
            )
        for bar, (cells, expected) in enumerate(zip(row.bars, first.bars, strict=True), start=1):
            if not cells or len(cells) != len(expected):
                raise TabError(
                    f"line {row.line}: {len(cells)} cells in bar {bar}, line {first.line} has {len(expected)}; "
                    "give all rows of a bar the same number, with - for rests"
                )
