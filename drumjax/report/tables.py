"""Tables of text: for the screen and for HTML pages."""

from collections.abc import Sequence
from typing import NamedTuple

from drumjax.system.console import printable


class Table(NamedTuple):
    """A heading, a sentence that says what is shown, and rows of as many cells each.

    The first row names the columns; if it is blank, none has a name.
    """

    title: str
    note: str
    rows: list[list[str]]


def write_text(tables: Sequence[Table]) -> str:
    """Aligned columns for a terminal: numbers to the right, words to the left."""
    parts = []
    for table in tables:
        rows = [[printable(cell) for cell in row] for row in table.rows]
        columns = [_align(column) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
        lines[1:1] = ["  ".join("-" * len(column[0]) for column in columns)]
        if not any(table.rows[0]):
            lines = lines[2:]
        parts.append("\n".join([table.title, *([table.note] if table.note else []), "", *lines, ""]))
    return "\n".join(parts)


def _align(column: tuple[str, ...]) -> list[str]:
    width = max(map(len, column))
    is_number = all(not cell or cell == "-" or cell.lstrip("+-").lstrip(".")[:1].isdigit() for cell in column[1:])
    return [cell.rjust(width) if is_number else cell.ljust(width) for cell in column]
