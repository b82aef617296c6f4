"""The lines of a drum tab: headers and blocks of rows, before it is asked what the marks mean."""

import collections
import dataclasses
import re
from typing import Any

from drumjax.music.tab_headers import find_header, is_credit, read_value, unknown_header
from drumjax.music.tab_prose import is_count, is_legend, is_legend_row, is_ruler, is_section
from drumjax.music.tab_rows import Row, looks_like_cells, read_row, repeat_error, says_repeat
from drumjax.music.tab_text import TabError, split_lines

PROSE = "lines of the tab are no rows and were skipped"
LEGENDS = "lines of a legend were skipped: marks and labels mean what they usually do"
REMARKS = "remarks behind the last bar line were skipped"
TIMES_IN_ALL = "repeats in words (repeat 2x) were read as times in all"
EMPTY_SECTIONS = "section names have no rows below them"
_SAYS_TEMPO = re.compile(
    r"[0-9]\s*bpm\b|\b(?:bpm|tempo)\s*[:=]?\s*[0-9]|\b[0-9]{1,2}\s*/\s*(?:2|4|8|16)\s+time\b|\btime\s+[0-9]{1,2}/[0-9]",
    re.IGNORECASE,
)


@dataclasses.dataclass
class Block:
    """Rows that sound together; `is_close` if one blank line and nothing else sets it apart from the block before."""

    rows: list[Row]
    is_close: bool = False


@dataclasses.dataclass
class Tab:
    """What the lines of a tab are: header values, blocks of rows, and how many lines were skipped for which reason."""

    header: dict[str, Any] = dataclasses.field(default_factory=dict)
    blocks: list[Block] = dataclasses.field(default_factory=list)
    notices: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


def parse_lines(text: str) -> Tab:
    """The parts of a tab. Raises TabError for a line that is neither header nor row nor known to have no notes."""
    tab = Tab()
    blanks, apart, in_section = 0, True, False  # since the last row: blank lines, and anything else that sets apart
    for number, line in enumerate(split_lines(text), start=1):
        stripped = line.strip()
        if stripped.startswith("#"):
            continue
        if not stripped:
            blanks += 1
        elif header := find_header(line):
            if not (header[0] == "fill" and not header[2]):  # `Fill:` is a section
                _add_header(tab, *header, number)
            apart = True
        elif "|" not in line:
            if is_count(line):
                continue
            if _SAYS_TEMPO.search(line) and not is_credit(line):
                raise TabError(
                    f"line {number}: a tempo or metre among other words; give it a line above the rows, such as "
                    "tempo: 120"
                )
            if is_section(line):
                if says_repeat(line):
                    raise repeat_error(number, repr(stripped))
                tab.notices[EMPTY_SECTIONS] += in_section
                in_section = True
            else:
                _skip(tab, line, number)
            apart = True
        elif row := _read_row(tab, line, number):
            in_section = in_section and not row.bars
            if blanks or apart:
                tab.blocks.append(Block([], is_close=blanks == 1 and not apart))
            tab.blocks[-1].rows.append(row)
            blanks, apart = 0, False
        else:
            apart = True
    tab.notices[EMPTY_SECTIONS] += in_section
    tab.blocks = _without_counts(tab.blocks)
    if not tab.blocks:
        raise TabError("no rows; write at least one, such as SD|----o-------o---|")
    if "swing" in tab.header and "swing16" in tab.header:
        raise TabError("both swing and swing16; give one of them")
    return tab


def _add_header(tab: Tab, key: str, written: str, text: str, number: int) -> None:
    value = read_value(key, text, number)
    is_other = tab.header.get(key, value) != value
    if tab.blocks and tab.header.get(key) != value:
        raise TabError(f"line {number}: a header after the rows; a tab has one {key}: move it above the first row")
    if is_other and key not in ("title", "style"):
        raise TabError(f"line {number}: a second {key}, {text!r}; a tab has one: make a tab of each part")
    if written == key or key not in tab.header:  # `song: ...` gives way to `title: ...`
        tab.header[key] = value


def _read_row(tab: Tab, line: str, number: int) -> Row | None:
    """The row of a line with a bar line, without bars if it only counts; None for a legend or a credit."""
    before = line.partition("|")[0].strip()
    if ":" in before and not before.endswith(":"):
        if is_credit(line):
            return None
        raise unknown_header(line, number) or TabError(f"line {number}: {before!r} is no label of a row")
    row = read_row(line, number)
    if is_count(line) or (row.closed and is_count(line.rpartition("|")[0])):
        return row._replace(bars=[])
    if is_legend_row(row):
        tab.notices[LEGENDS] += 1
        return None
    if row.remark:
        tab.notices[TIMES_IN_ALL if row.times else REMARKS] += 1
    return row


def _skip(tab: Tab, line: str, number: int) -> None:
    """Takes note of a line that is skipped. Raises TabError for one that may mean something."""
    if looks_like_cells(line):
        raise TabError(f"line {number}: cells without bar lines; write the row as HH|x-x-x-x-|")
    if is_legend(line):
        tab.notices[LEGENDS] += 1
    elif not is_ruler(line) and not is_credit(line):
        if tab.blocks and says_repeat(line):
            raise repeat_error(number, repr(line.strip()))
        if tab.blocks:
            raise unknown_header(line, number) or TabError(
                f"line {number}: neither a header (key: value) nor a row (HH|x-x-|); comments start with #"
            )
        if error := unknown_header(line, number):
            raise error
        tab.notices[PROSE] += 1


def _without_counts(blocks: list[Block]) -> list[Block]:
    """The blocks without counting rows; how often the rows are played may stand behind one."""
    kept: list[Block] = []
    is_after_count = False
    for block in blocks:
        rows = [row for row in block.rows if row.bars]
        times = {row.times for row in block.rows if row.times}
        if len(times) > 1:
            raise repeat_error(block.rows[-1].line, "rows of a block differ in how often they are played")
        if not rows and times:
            raise repeat_error(block.rows[-1].line, "it stands at a counting row alone")
        if rows:
            rows[0] = rows[0]._replace(times=max(times, default=0))
            kept.append(Block(rows, block.is_close and not is_after_count))
        is_after_count = not rows
    return kept
