"""The blocks of a tab: rows with the same bars, of a number of cells that their metre can have."""

import collections
from fractions import Fraction

from drumjax.music.metre import Metre, write_metre
from drumjax.music.tab_drums import label_key
from drumjax.music.tab_lines import Block
from drumjax.music.tab_marks import RESTS
from drumjax.music.tab_rows import Bar, Row
from drumjax.music.tab_text import TabError

# Cells per quarter note that a tab need not announce.
STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24)

DOUBLE_SPACED = "blocks had blank lines between their rows"
IN_TURN = "blocks have a single row: their drums play one after the other, not together"
PADDED = "rows end before their last bar does: it rests to its end"
SPACERS = "bars begin with a spacer in every row, which was left out"


def join_double_spaced(blocks: list[Block], notices: collections.Counter[str], two_toms: bool = False) -> list[Block]:
    """The blocks, with those joined that are one because someone left a blank line between all the rows.

    That is a stretch of blocks of one row, set apart by single blank lines, of different drums until a label comes
    again. Blocks of one row of one drum stay what they are. Rows that are all further apart are blocks, which is said.
    Raises TabError if it can be either.
    """
    joined: list[Block] = []
    start = 0
    while start < len(blocks):
        end = start + 1
        while end < len(blocks) and blocks[end].is_close:
            end += 1
        stretch = blocks[start:end]
        if len(stretch) > 1 and all(len(block.rows) == 1 for block in stretch):
            stretch = _join(stretch, notices, two_toms)
        joined += stretch
        start = end
    if all(len(block.rows) == 1 for block in joined):
        first = joined[0].rows[0]
        are_one_drum = all(_same_label(first, block.rows[0], two_toms) for block in joined)
        notices[IN_TURN] += 0 if are_one_drum else len(joined)
    return joined


def _join(stretch: list[Block], notices: collections.Counter[str], two_toms: bool) -> list[Block]:
    groups: list[list[Row]] = [[]]
    for row in (block.rows[0] for block in stretch):
        if any(_same_label(row, other, two_toms) for other in groups[-1]):
            groups.append([])
        groups[-1].append(row)
    if all(len(group) == 1 for group in groups):
        return stretch
    for group in groups:
        bars = [[len(bar.cells) for bar in row.bars] for row in group if row.closed]
        if len(group) == 1 or any(lengths != bars[0] for lengths in bars):
            raise TabError(
                f"line {group[0].line}: single rows between blank lines, which may be one block or several; write the "
                "rows of a block without blank lines between, or two blank lines between the blocks"
            )
    notices[DOUBLE_SPACED] += len(groups)
    return [Block(_with_times(group)) for group in groups]


def _with_times(rows: list[Row]) -> list[Row]:
    times = {row.times for row in rows if row.times}
    if len(times) > 1:
        raise TabError(f"line {rows[-1].line}: a repeat; the rows of a block differ in how often they are played")
    return [rows[0]._replace(times=max(times, default=0)), *rows[1:]]


def _same_label(row: Row, other: Row, two_toms: bool) -> bool:
    if two_toms and {row.label, other.label} == {"T", "t"}:
        return False
    return label_key(row.label) == label_key(other.label)


def check_block(
    rows: list[Row],
    metre: Metre,
    steps: int,
    notices: collections.Counter[str],
    two_toms: bool = False,
) -> list[Row]:
    """The rows of a block, mended where it is clear how: rests that an editor cut off, repeat signs that not all rows
    have, the spacer at the start of bars in guitar style.

    Raises TabError unless they have the same bars of the same lengths, all different drums, in numbers of cells that
    bars of the metre can have.
    """
    first = rows[0]
    for i, row in enumerate(rows):
        if any(_same_label(row, other, two_toms) for other in rows[:i]):
            raise TabError(f"line {row.line}: a second {row.label} row; put a blank line before each new block of rows")
        if len(row.bars) != len(first.bars):
            raise TabError(
                f"line {row.line}: {len(row.bars)} bars, line {first.line} has {len(first.bars)}; give the rows of a "
                "block the same bars, and put a blank line between blocks"
            )
    rows = _align_signs(_pad(rows, notices))
    for row in rows:
        for number, (bar, expected) in enumerate(zip(row.bars, rows[0].bars, strict=True), start=1):
            if not bar.cells or len(bar.cells) != len(expected.cells):
                raise TabError(
                    f"line {row.line}: {len(bar.cells)} cells in bar {number}, line {first.line} has "
                    f"{len(expected.cells)}; give all rows of a bar the same number, with - for rests"
                )
    return _check_cells(rows, metre, steps, notices)


def _pad(rows: list[Row], notices: collections.Counter[str]) -> list[Row]:
    """The rows with the rests at their end that an editor cut off, if only that can have happened."""
    width = max(len(row.bars[-1].cells.rstrip() if not row.closed else row.bars[-1].cells) for row in rows)
    short = [row for row in rows if not row.closed and len(row.bars[-1].cells.rstrip()) < width]
    others = [row for row in rows if row not in short]
    if any(len(row.bars[-1].cells.rstrip()) != width and not row.closed for row in others):
        return rows
    if len(short) > 1 and not any(row.closed for row in others):
        return rows
    notices[PADDED] += sum(len(row.bars[-1].cells) < width for row in short)
    return [row if row.closed else _replace_last(row, row.bars[-1].cells.rstrip().ljust(width)) for row in rows]


def _replace_last(row: Row, cells: str) -> Row:
    return row._replace(bars=[*row.bars[:-1], row.bars[-1]._replace(cells=cells)])


def _align_signs(rows: list[Row]) -> list[Row]:
    """The rows without the rest that stands in for a repeat sign of another row."""
    marked = [row for row in rows if any(bar.begins or bar.ends for bar in row.bars)]
    if not marked or len(marked) == len(rows):
        return rows
    return [row if row in marked else row._replace(bars=[*map(_align, row.bars, marked[0].bars)]) for row in rows]


def _align(bar: Bar, marked: Bar) -> Bar:
    cells, column = bar.cells, bar.column
    if len(cells) == len(marked.cells) + marked.begins + marked.ends:
        if marked.begins and cells[0] in " -":
            cells, column = cells[1:], column + 1
        if marked.ends and cells[-1:] in (" ", "-"):
            cells = cells[:-1]
    return bar._replace(cells=cells, column=column)


def _check_cells(rows: list[Row], metre: Metre, steps: int, notices: collections.Counter[str]) -> list[Row]:
    numbers = [len(bar.cells) for bar in rows[0].bars]
    beats = Fraction(4 * metre[0], metre[1])
    is_spaced = all(
        not fits(n, metre, steps) and n - 1 >= 2 * beats and fits(n - 1, metre, steps) for n in numbers
    ) and all(bar.cells[0] in RESTS for row in rows for bar in row.bars)
    if is_spaced:
        notices[SPACERS] += len(numbers)
        return [
            row._replace(bars=[bar._replace(cells=bar.cells[1:], column=bar.column + 1) for bar in row.bars])
            for row in rows
        ]
    for number, (n, bar) in enumerate(zip(numbers, rows[0].bars, strict=True), start=1):
        if not fits(n, metre, steps):
            usual = [str(k) for k in range(2, 8 * metre[0] + 1) if fits(k, metre, steps)]
            raise TabError(
                f"line {rows[0].line}, column {bar.column}: {n} cells in bar {number} of the row {rows[0].label}; a "
                f"bar of {write_metre(metre)} can have {', '.join(usual)} (or give the metre as `time: 3/4`, cells per "
                "beat as `steps: 5`)"
            )
    return rows


def fits(cells: int, metre: Metre, steps: int = 0) -> bool:
    """True if a bar of the metre can have that many cells: a usual number to the quarter note or the one announced, the
    metre's own unit, its halves or quarters, the beats of a compound metre, half notes or three cells to each, or 1."""
    numerator, denominator = metre
    per_beat = Fraction(cells * denominator, 4 * numerator)
    if cells == 1 or per_beat in STEPS or (steps and per_beat == steps):
        return True
    if cells in (numerator, 2 * numerator, 4 * numerator):
        return True
    if denominator >= 8 and numerator % 3 == 0:
        return cells == numerator // 3
    return denominator <= 4 and per_beat in (Fraction(1, 2), Fraction(3, 2))
