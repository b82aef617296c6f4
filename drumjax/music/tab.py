"""Drum tabs: a song as a drummer types it, and back.

    title: straight eighths
    style: rock
    tempo: 116
    time: 4/4

    HH|x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-o-|
    SD|----O-------O---|----O-------O--g|
    BD|o-------o-------|o-------o-o-----|

Header lines come first, all optional: title, style, tempo (bpm), time (4/4 if not given), fill (yes, no, or every 4:
a fill in every fourth bar) and swing. `swing: 0.66` is where in its beat an off-beat eighth is played (0.5 is
straight), `swing16: 0.6` where in its eighth an off-beat sixteenth is. Rows follow in blocks set apart by blank
lines; each block continues the song, and a drum without a row in it rests. The cells of a bar share it evenly, so a
4/4 bar may have 8, 12, 16, 24 or 32, as long as all its rows have as many. Lines that begin with # are comments.

Marks: `-` or `.` rest; `x` or `o` a hit; `X` or `O` an accent; `g` a ghost note; `f` a flam (a grace note just before);
`d` a double (a second stroke half a cell later). On the hi-hat row `o` and `O` are an open hi-hat.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from drumjax.music.kits import ROLAND_TD11, Kit
from drumjax.music.notes import FILL_NO, FILL_UNKNOWN, FILL_YES, Song, make_notes
from drumjax.music.tab_lines import Row, TabError, check_block, parse_lines

GHOST, NORMAL, ACCENT = 40, 90, 118  # MIDI velocities of the three loudnesses a tab can tell apart
GHOST_BELOW, ACCENT_FROM = 65, 104  # written as a ghost note below, as an accent from: half way between the three
GRACE_MS = 28.0  # how long before the stroke the grace note of a flam comes
DURATION_BEAT = 0.25

_RESTS = "-."
_STROKES = {"x": NORMAL, "o": NORMAL, "X": ACCENT, "O": ACCENT, "g": GHOST, "f": NORMAL, "d": NORMAL}
_ALIASES = {
    "BD": "B K KD BASS KICK",
    "SD": "S SN SNARE",
    "HH": "H CH HC HF FH PH HAT",
    "OH": "HO OPEN",
    "HT": "T1 T TH",
    "MT": "T2 TM",
    "LT": "T3 T4 TL FT F",
    "CC": "C CR CY CRASH",
    "RC": "R RD RI RIDE",
    "DR": "D DRUM",
}
_TOP_TO_BOTTOM = ("CC", "RC", "HH", "OH", "HT", "MT", "LT", "SD", "BD")
_CYMBALS = ("CC", "RC", "HH", "OH")
_ALWAYS_WRITTEN = ("HH", "SD", "BD")  # rows that a block keeps when they rest, if the song has them


def read_tab(text: str, kit: Kit = ROLAND_TD11, name: str = "") -> Song:
    """The song a tab describes: onsets in beats from the first bar, pitches that `kit` writes, every duration 1/4 beat.

    `name` names the song (the tab's title does if it is empty) and errors begin with it, so a path is a good one. Of
    two hits of one drum at the same time the louder one is kept. Raises TabError for anything it does not understand.
    """
    try:
        header, blocks = parse_lines(text)
        return _make_song(header, blocks, kit, name)
    except TabError as error:
        raise TabError(f"{name}: {error}" if name else str(error)) from None


def _make_song(header: dict[str, Any], blocks: list[list[Row]], kit: Kit, name: str) -> Song:
    labels = _labels(kit)
    song = Song(
        notes=make_notes([], [], [], []),
        tempo_bpm=header.get("tempo", 120.0),
        time_signature=header.get("time", (4, 4)),
        style=header.get("style", ""),
        fill=header.get("fill", FILL_UNKNOWN),
        name=name or header.get("title", ""),
    )
    hits: dict[tuple[float, int], int] = {}  # (onset_beat, class) -> velocity
    first_bar = 0
    for block in blocks:
        check_block(block)
        for row in block:
            for i, cells in enumerate(row.bars):
                for onset, drum, velocity in _bar_hits(row, cells, first_bar + i, song, header, kit, labels):
                    hits[onset, drum] = max(velocity, hits.get((onset, drum), 0))
        first_bar += len(block[0].bars)
    onsets = [onset for onset, _ in hits]
    pitches = [kit.write[drum] for _, drum in hits]
    notes = make_notes(onsets, [DURATION_BEAT] * len(hits), pitches, list(hits.values()))
    return dataclasses.replace(song, notes=notes)


def _bar_hits(row: Row, cells: str, bar: int, song: Song, header: dict, kit: Kit, labels: dict[str, int]):
    """The (onset_beat, class, velocity) of one bar of one row."""
    if row.label.upper() not in labels:
        raise TabError(f"line {row.line}: unknown drum {row.label!r}; rows can be {', '.join(kit.symbols)}")
    drum = labels[row.label.upper()]
    opens = labels.get("OH", drum) if kit.symbols[drum] == "HH" else drum
    cell_beat = song.beats_per_bar / len(cells)
    for i, mark in enumerate(cells):
        if mark in _RESTS:
            continue
        if mark not in _STROKES:
            raise TabError(f"line {row.line}: unknown mark {mark!r}; use one of {' '.join(_STROKES)}, and - for a rest")
        # One division of whole numbers, so that the same place has the same float32 at every resolution.
        onset = (bar * len(cells) + i) * song.beats_per_bar / len(cells) + _delay_beat(i * cell_beat, header)
        yield onset, opens if mark in "oO" else drum, _STROKES[mark]
        grace = onset - GRACE_MS * song.tempo_bpm / 60_000
        if mark == "f" and grace >= 0:
            yield grace, drum, GHOST
        if mark == "d":
            yield onset + cell_beat / 2, drum, _STROKES[mark]


def _delay_beat(beat: float, header: dict[str, Any]) -> float:
    """How many beats later swing plays what is written at `beat` of its bar.

    The first half of each unit (a beat, or an eighth for swing16) is stretched to end at the swung position and the
    second half is squeezed, so that what lies between stays in order.
    """
    delay = 0.0
    for key, unit in (("swing", 1.0), ("swing16", 0.5)):
        if key in header:
            place = math.fmod(beat / unit + 1e-9, 1.0)
            delay += (2 * header[key] - 1) * min(place, 1 - place) * unit
    return delay


def _labels(kit: Kit) -> dict[str, int]:
    """Class by upper-case row label: the kit's own symbols, and what drummers write for them where that is free."""
    labels = {symbol.upper(): k for k, symbol in enumerate(kit.symbols)}
    for symbol, aliases in _ALIASES.items():
        for alias in aliases.split() if symbol in labels else ():
            labels.setdefault(alias, labels[symbol])
    return labels


def write_tab(
    song: Song,
    kit: Kit = ROLAND_TD11,
    steps_per_beat: int = 4,
    bars_per_line: int = 2,
    *,
    header: bool = True,
    fill_every: int = 0,
    remark: str = "",
) -> str:
    """The tab of a song, each hit at the nearest of `steps_per_beat` steps; of a cell's hits on a drum the loudest.

    Rows go from cymbals to kick. Drums that a block of `bars_per_line` bars does not play are left out of it, except
    hi-hat, snare and kick if the song has them; pitches the kit does not know and unknown context are left out, too,
    and the header lines unless `header`. It says `fill: every n` where fills were asked for in every n-th bar, and has
    the remark as a comment. An open hi-hat is an `o` on the hi-hat row, but has its own row if that cannot
    say it all: if one meets a closed one in a cell, or is a ghost note. Raises ValueError if a bar is not a whole
    number of steps.
    """
    steps_per_bar = round(song.beats_per_bar * steps_per_beat)
    if steps_per_bar < 1 or steps_per_bar != song.beats_per_bar * steps_per_beat or bars_per_line < 1:
        numerator, denominator = song.time_signature
        raise ValueError(
            f"cannot write {numerator}/{denominator} with {steps_per_beat} steps per beat and {bars_per_line} bars per "
            "line; give at least 1 of each, and whole steps per bar"
        )
    rows = _write_rows(_loudest(song, kit, steps_per_beat, steps_per_bar), kit)
    width = max(len(symbol) for symbol in rows)
    num_steps = len(next(iter(rows.values())))
    lines = _write_header(song, fill_every, remark) if header else []
    for start in range(0, num_steps, bars_per_line * steps_per_bar):
        block = {symbol: row[start : start + bars_per_line * steps_per_bar] for symbol, row in rows.items()}
        lines.append("")
        for symbol in _drums_to_write(block):
            bars = (block[symbol][i : i + steps_per_bar] for i in range(0, len(block[symbol]), steps_per_bar))
            lines.append(f"{symbol:<{width}}|{'|'.join(bars)}|")
    return "\n".join(lines).lstrip("\n") + "\n"


def _drums_to_write(block: dict[str, str]) -> list[str]:
    """The symbols of the rows with a hit and of those that are always written; at least one, so that time passes."""
    written = [symbol for symbol, row in block.items() if symbol in _ALWAYS_WRITTEN or row.strip("-")]
    return written or [*block][-1:]


def _loudest(song: Song, kit: Kit, steps_per_beat: int, steps_per_bar: int) -> np.ndarray:
    """[steps, classes] velocity of the loudest hit of each cell, 0 for none; whole bars, at least one."""
    drum = kit.class_table()[song.notes.pitch]
    known = drum >= 0
    step = np.floor(np.asarray(song.notes.onset_beat[known], np.float64) * steps_per_beat + 0.5).astype(np.int64)
    step = np.maximum(step, 0)
    num_bars = int(step.max(initial=0)) // steps_per_bar + 1
    grid = np.zeros((num_bars * steps_per_bar, kit.num_classes), np.int64)
    np.maximum.at(grid, (step, drum[known]), np.maximum(song.notes.velocity[known], 1).astype(np.int64))
    return grid


def _write_rows(grid: np.ndarray, kit: Kit) -> dict[str, str]:
    """The marks of every row by its symbol, from top to bottom."""
    velocity = dict(zip(kit.symbols, grid.T, strict=True))
    marks = {symbol: _marks(v, "x" if symbol in _CYMBALS else "o") for symbol, v in velocity.items()}
    played = {symbol for symbol, v in velocity.items() if v.any()} or set(kit.symbols)
    if "OH" in played and "HH" in marks:
        opened = velocity["OH"] > 0
        if not (opened & ((velocity["HH"] > 0) | (velocity["OH"] < GHOST_BELOW))).any():
            marks["HH"] = np.where(opened, _marks(velocity["OH"], "o"), marks["HH"])
            played = played - {"OH"} | {"HH"}
    order = [s for s in _TOP_TO_BOTTOM if s in marks] + [s for s in kit.symbols if s not in _TOP_TO_BOTTOM]
    return {symbol: "".join(marks[symbol]) for symbol in order if symbol in played}


def _marks(velocity: np.ndarray, hit: str) -> np.ndarray:
    conditions = [velocity == 0, velocity < GHOST_BELOW, velocity < ACCENT_FROM]
    return np.select(conditions, ["-", "g", hit], hit.upper())


def _write_header(song: Song, fill_every: int, remark: str) -> list[str]:
    numerator, denominator = song.time_signature
    values = {
        "title": " ".join(song.name.split()),
        "style": " ".join(song.style.split()),
        "tempo": f"{song.tempo_bpm:g}" if song.tempo_bpm >= 1 else "",
        "time": f"{numerator}/{denominator}",
        "fill": f"every {fill_every}" if fill_every else {FILL_NO: "no", FILL_YES: "yes"}.get(song.fill, ""),
        "# asked for": " ".join(remark.split()),
    }
    return [f"{key}: {value}" for key, value in values.items() if value]
