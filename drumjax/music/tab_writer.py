"""Writing a drum tab: a song, each hit at the nearest step, as rows of marks."""

import dataclasses

import numpy as np

from drumjax.music.kits import ROLAND_TD11, Kit
from drumjax.music.notes import FILL_NO, FILL_YES, Array, Song
from drumjax.music.tab_blocks import STEPS
from drumjax.music.tab_marks import ACCENT, GHOST, NORMAL
from drumjax.music.timing import swing_of, swing_to

# Written as a ghost note below, as an accent from: half way between the loudnesses that are read.
GHOST_BELOW, ACCENT_FROM = (GHOST + NORMAL) // 2, (NORMAL + ACCENT) // 2

_TOP_TO_BOTTOM = ("CC", "RC", "HH", "OH", "HT", "MT", "LT", "SD", "BD")
_CYMBALS = ("CC", "RC", "HH", "OH")
_ALWAYS_WRITTEN = ("HH", "SD", "BD")  # rows that a block keeps when they rest, if the song has them


def write_tab(
    song: Song,
    kit: Kit = ROLAND_TD11,
    steps_per_beat: int = 4,
    bars_per_line: int = 2,
    *,
    header: bool = True,
    fill_every: int = 0,
    swing: float = 0.0,
    remark: str = "",
) -> str:
    """The tab of a song, each hit at the nearest of `steps_per_beat` steps; of a cell's hits on a drum the loudest.

    Rows go from cymbals to kick. Drums that a block of `bars_per_line` bars does not play are left out of it, except
    hi-hat, snare and kick if the song has them, or all drums of the song if every block would have a single row;
    pitches the kit does not know and unknown context are left out, too, and the header lines unless `header`. The
    header says `steps: n` if bars have numbers of cells that are unusual (see tab_blocks.STEPS): without it such a tab
    is not read again. It says `fill: every n` where fills were asked for in every n-th bar, and has the remark as a
    comment. A song whose 8ths swing by so much (0..1, as of timing.swing_of) is written straight, and the header says
    `swing: 0.667`. An open hi-hat is an `o` on the hi-hat row, but has its own row if that cannot say it all: if one
    meets a closed one in a cell, or is a ghost note. Raises ValueError if a bar is not a whole number of steps.
    """
    steps_per_bar = round(song.beats_per_bar * steps_per_beat)
    if steps_per_bar < 1 or steps_per_bar != song.beats_per_bar * steps_per_beat or bars_per_line < 1:
        numerator, denominator = song.time_signature
        raise ValueError(
            f"cannot write {numerator}/{denominator} with {steps_per_beat} steps per beat and {bars_per_line} bars per "
            "line; give at least 1 of each, and whole steps per bar"
        )
    onset = np.asarray(song.notes.onset_beat)
    swing = 0.0 if np.isnan(swing_of(onset)) else swing
    if swing:
        song = dataclasses.replace(song, notes=song.notes._replace(onset_beat=swing_to(onset, 0.0)))
    rows = _write_rows(_loudest(song, kit, steps_per_beat, steps_per_bar), kit)
    width = max(len(symbol) for symbol in rows)
    num_steps = len(next(iter(rows.values())))
    lines = _write_header(song, steps_per_beat, fill_every, swing, remark) if header else []
    blocks = [
        {symbol: row[start : start + bars_per_line * steps_per_bar] for symbol, row in rows.items()}
        for start in range(0, num_steps, bars_per_line * steps_per_bar)
    ]
    written = [_drums_to_write(block) for block in blocks]
    if all(len(drums) == 1 for drums in written) and len({drums[0] for drums in written}) > 1:
        written = [[*rows]] * len(blocks)  # single rows of different drums read as one block with blank lines in it
    for block, drums in zip(blocks, written, strict=True):
        lines.append("")
        for symbol in drums:
            bars = (block[symbol][i : i + steps_per_bar] for i in range(0, len(block[symbol]), steps_per_bar))
            lines.append(f"{symbol:<{width}}|{'|'.join(bars)}|")
    return "\n".join(lines).lstrip("\n") + "\n"


def _drums_to_write(block: dict[str, str]) -> list[str]:
    """The symbols of the rows with a hit and of those that are always written; at least one, so that time passes."""
    written = [symbol for symbol, row in block.items() if symbol in _ALWAYS_WRITTEN or row.strip("-")]
    return written or [*block][-1:]


def nearest_steps(onset_beat: Array, steps_per_beat: int) -> np.ndarray:
    """[N] int64: the step at which a tab has each onset; those before the first bar are in its first step."""
    step = np.floor(np.asarray(onset_beat, np.float64) * steps_per_beat + 0.5).astype(np.int64)
    return np.maximum(step, 0)


def _loudest(song: Song, kit: Kit, steps_per_beat: int, steps_per_bar: int) -> np.ndarray:
    """[steps, classes] velocity of the loudest hit of each cell, 0 for none; whole bars, at least one."""
    drum = kit.class_table()[song.notes.pitch]
    known = drum >= 0
    step = nearest_steps(song.notes.onset_beat[known], steps_per_beat)
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


def _write_header(song: Song, steps_per_beat: int, fill_every: int, swing: float, remark: str) -> list[str]:
    numerator, denominator = song.time_signature
    values = {
        "title": " ".join(song.name.split()),
        "style": " ".join(song.style.split()),
        "tempo": f"{song.tempo_bpm:g}" if song.tempo_bpm >= 1 else "",
        "time": f"{numerator}/{denominator}",
        "steps": "" if steps_per_beat in STEPS else str(steps_per_beat),
        "fill": f"every {fill_every}" if fill_every else {FILL_NO: "no", FILL_YES: "yes"}.get(song.fill, ""),
        "swing": f"{0.5 + swing / 6:.3g}" if swing else "",
        "# asked for": " ".join(remark.split()),
    }
    return [f"{key}: {value}" for key, value in values.items() if value]
