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
4/4 bar may have 8, 12, 16, 24 or 32, as long as all its rows have as many; `steps: 5` announces 5 to the quarter note.
Lines that begin with # are comments.

Marks: `-`, `.` or a blank rest; `x` or `o` a hit; `X` or `O` an accent; `g` a ghost note; `f` a flam (a grace note
just before); `d` a double (a second stroke half a cell later), `r` too. On the hi-hat row `o` and `O` are an open
hi-hat. On cymbals `#` is a choked hit; `b` and `B` are the bell of the ride, `s` and `c` a splash and a China on the
crash row, `@` a side stick on the snare.

Tabs of web pages and tab programs are read, too. tab_drums has the labels, tab_headers the headers that are known;
names of sections, counting rows, legends and credits have no notes. `x4` behind the rows and `|: :|` play bars again.
Words above the first row are skipped. What is read otherwise than it is written is said in the notices of the song;
what is not clear is a TabError that names the line.
"""

import collections
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from drumjax.music.kits import ROLAND_TD11, Kit
from drumjax.music.notes import FILL_UNKNOWN, Notice, Song, make_notes
from drumjax.music.tab_blocks import check_block, join_double_spaced
from drumjax.music.tab_drums import Drum, find_drums, has_two_toms
from drumjax.music.tab_lines import Tab, parse_lines
from drumjax.music.tab_marks import ACCENT as ACCENT
from drumjax.music.tab_marks import GHOST as GHOST
from drumjax.music.tab_marks import MARKS, RESTS, read_mark
from drumjax.music.tab_marks import NORMAL as NORMAL
from drumjax.music.tab_repeats import play_order
from drumjax.music.tab_rows import Bar, Row
from drumjax.music.tab_text import MAX_BYTES, decode_tab
from drumjax.music.tab_text import TabError as TabError
from drumjax.music.tab_writer import ACCENT_FROM as ACCENT_FROM
from drumjax.music.tab_writer import GHOST_BELOW as GHOST_BELOW
from drumjax.music.tab_writer import write_tab as write_tab

GRACE_MS = 28.0  # how long before the stroke the grace note of a flam comes
DURATION_BEAT = 0.25

_MEETINGS = "hits meet a hit of the same drum: the louder one is kept"
_TWO_TOMS = "rows T and t were read as high tom and mid tom"


def read_tab(text: str, kit: Kit = ROLAND_TD11, name: str = "") -> Song:
    """The song a tab describes: onsets in beats from the first bar, pitches that `kit` knows, every duration 1/4 beat.

    A row plays what `kit` writes for its drum, or a particular instrument of General MIDI (a side stick, a China
    cymbal, a ride bell) if the kit reads that as the drum. Of two hits of one pitch at the same time the louder one is
    kept. The grace note of a flam on the first beat is before it, below 0. The notices of the song say what was read
    otherwise than it is written, and what was left out. `name` names the song (the tab's title does if it is empty)
    and errors begin with it, so a path is a good one. Raises TabError for anything it does not understand.
    """
    try:
        return _make_song(parse_lines(text), kit, name)
    except TabError as error:
        raise TabError(f"{name}: {error}" if name else str(error)) from None


def read_tab_file(path: Path | str, kit: Kit = ROLAND_TD11, name: str | None = None) -> Song:
    """The song of a tab in a file, whatever its encoding; see decode_tab and read_tab. Its name is its path if none is
    given. Raises TabError for what is no tab or larger than MAX_BYTES, and OSError."""
    name = str(path) if name is None else name
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise TabError(f"{name or path}: more than {MAX_BYTES / 1e6:g} MB; no tab is that long")
    try:
        text, notices = decode_tab(data)
    except TabError as error:
        raise TabError(f"{name or path}: {error}") from None
    song = read_tab(text, kit, name)
    return dataclasses.replace(song, notices=notices + song.notices)


def _make_song(tab: Tab, kit: Kit, name: str) -> Song:
    header, notices = tab.header, tab.notices
    song = Song(
        notes=make_notes([], [], [], []),
        tempo_bpm=header.get("tempo", 120.0),
        time_signature=header.get("time", (4, 4)),
        style=header.get("style", ""),
        fill=header.get("fill", FILL_UNKNOWN),
        name=name or header.get("title", ""),
    )
    labels = [row.label for block in tab.blocks for row in block.rows]
    drums = find_drums(labels, kit)
    for row in (row for block in tab.blocks for row in block.rows if row.label not in drums):
        raise TabError(f"line {row.line}: unknown drum {row.label!r}; rows can be {', '.join(kit.symbols)}")
    two_toms = has_two_toms(labels)
    notices[_TWO_TOMS] += two_toms and sum(label in ("T", "t") for label in labels)
    blocks = [
        check_block(block.rows, song.time_signature, header.get("steps", 0), notices, two_toms)
        for block in join_double_spaced(tab.blocks, notices, two_toms)
    ]
    hits: dict[tuple[float, int], int] = {}  # (onset_beat, pitch) -> velocity
    for number, (b, i) in enumerate(play_order(blocks)):
        for row in blocks[b]:
            for onset, pitch, velocity in _bar_hits(row, row.bars[i], number, song, tab, kit, drums[row.label]):
                key = float(np.float32(onset)), pitch
                notices[_MEETINGS] += key in hits
                hits[key] = max(velocity, hits.get(key, 0))
    onsets, pitches = [onset for onset, _ in hits], [pitch for _, pitch in hits]
    notes = make_notes(onsets, [DURATION_BEAT] * len(hits), pitches, list(hits.values()))
    return dataclasses.replace(song, notes=notes, notices=_sum(notices))


def _sum(notices: collections.Counter[str]) -> tuple[Notice, ...]:
    return tuple(Notice(reason, count) for reason, count in notices.items() if count)


def _bar_hits(
    row: Row, bar: Bar, number: int, song: Song, tab: Tab, kit: Kit, drum: Drum
) -> Iterator[tuple[float, int, int]]:
    """The (onset_beat, pitch, velocity) of one bar of one row, played as the bar of that number."""
    cells = bar.cells
    cell_beat = song.beats_per_bar / len(cells)
    for i, mark in enumerate(cells):
        if mark in RESTS:
            continue
        stroke = read_mark(mark, drum, kit)
        if stroke is None:
            raise TabError(
                f"line {row.line}, column {bar.column + i}: unknown mark {mark!r} in the row {row.label}; use one of "
                f"{MARKS}, and - for a rest"
            )
        # One division of whole numbers, so that the same place has the same float32 at every resolution.
        onset = (number * len(cells) + i) * song.beats_per_bar / len(cells) + _delay_beat(i * cell_beat, tab.header)
        yield onset, stroke.pitch, stroke.velocity
        if stroke.is_flam:
            yield onset - GRACE_MS * song.tempo_bpm / 60_000, stroke.pitch, GHOST
        if stroke.is_double:
            yield onset + cell_beat / 2, stroke.pitch, stroke.velocity
        if stroke.notice:
            tab.notices[stroke.notice] += 1


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
