"""Repeats in a tab: the order in which its bars are played."""

from drumjax.music.tab_rows import Row, repeat_error
from drumjax.music.tab_text import TabError

MAX_BARS = 20_000  # of a tab with repeats; a longer one is a mistake


def play_order(blocks: list[list[Row]]) -> list[tuple[int, int]]:
    """(block, bar) of every bar in the order played, with what stands between repeat signs or before x4 as often as
    it says. Raises TabError for repeats that are not clear.
    """
    order: list[tuple[int, int]] = []
    begin: int | None = None  # where in the order the open repeat began
    begin_line, has_ended = 0, False
    for b, rows in enumerate(blocks):
        begins, ends = _signs(rows)
        times, first, line = rows[0].times, len(order), rows[0].line
        last = len(rows[0].bars) - 1
        if times and not ends[last] and (any(begins) or any(ends)):
            raise repeat_error(line, "repeat signs within the bars, and a number behind them")
        for i in range(last + 1):
            if begins[i]:
                if begin is not None:
                    raise repeat_error(line, f"it begins within the one that begins in line {begin_line}")
                begin, begin_line = len(order), line
            order.append((b, i))
            if ends[i]:
                if begin is None and (b or has_ended):
                    raise repeat_error(line, "it ends with :| and begins nowhere")
                _repeat(order, begin or 0, times if i == last and times else 2, line)
                begin, has_ended = None, True
        if times and not ends[last]:
            _repeat(order, first, times, line)
    if begin is not None:
        raise repeat_error(begin_line, "it begins with |: and ends nowhere")
    return order


def _repeat(order: list[tuple[int, int]], begin: int, times: int, line: int) -> None:
    """Plays what follows `begin` that often in all."""
    if len(order) + (len(order) - begin) * (times - 1) > MAX_BARS:
        raise TabError(f"line {line}: a repeat that makes more than {MAX_BARS} bars; is it what was meant?")
    order += order[begin:] * (times - 1)


def _signs(rows: list[Row]) -> tuple[list[bool], list[bool]]:
    """Whether a repeat begins and ends with each bar; rows without any sign go with those that have some."""
    signs = [([bar.begins for bar in row.bars], [bar.ends for bar in row.bars]) for row in rows]
    given = [pair for pair in signs if any(pair[0]) or any(pair[1])]
    if any(pair != given[0] for pair in given):
        raise repeat_error(rows[0].line, "the rows of the block differ in their repeat signs")
    return given[0] if given else signs[0]
