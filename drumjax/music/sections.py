"""Metres of a file: where its bars begin, and songs cut where its metre changes or where nobody plays.

A time signature begins a bar. A file that changes its metre is made of sections; a short first one before another (one
beat of 1/4, then 4/4) is a pickup, which belongs to the bar before.
"""

import bisect
import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from drumjax.music.metre import Metre, beats_per_bar, write_metre
from drumjax.music.notes import EARLY_BEAT, NO_TIMELINE, Array, Notes, Notice, Song

# A silence longer than this is no rest; who learns from a song would learn to be silent.
MAX_SILENT_BARS = 4  # and as many beats, where bars are shorter than one


class Section(NamedTuple):
    """Beats [start, end) in one metre. A bar begins at `bar_line`, which is the start but for a pickup."""

    start: float
    end: float
    metre: Metre
    bar_line: float


def find_sections(changes: Sequence[tuple[float, Metre]], last_onset: float) -> list[Section]:
    """The sections of a file whose last note begins at beat last_onset, at least one, from its changes (beat, metre) in
    order of time. Before the first it is in 4/4; the last section has no end."""
    starts: dict[float, Metre] = {0.0: (4, 4)}
    starts.update(changes)  # of several at one beat the last one counts
    beats = [beat for beat in starts if beat <= last_onset]
    sections: list[Section] = []
    for beat, until in zip(beats, [*beats[1:], math.inf], strict=True):
        new = Section(beat, until, starts[beat], beat)
        old = sections[-1] if sections else None
        if old and old.metre == new.metre and _is_whole((beat - old.bar_line) / beats_per_bar(new.metre)):
            sections[-1] = old._replace(end=until)
        elif old and len(sections) == 1 and old.end - old.start < beats_per_bar(new.metre) - 1e-6:
            sections[-1] = new._replace(start=old.start)
        else:
            sections.append(new)
    return sections


def main_section(sections: Sequence[Section], first: float, last: float) -> Section:
    """The longest section of the metre that most beats between the first and the last note have."""

    def beats(section: Section) -> float:
        return max(0.0, min(section.end, last + 1e-3) - max(section.start, first))

    total: dict[Metre, float] = {}
    for section in sections:
        total[section.metre] = total.get(section.metre, 0.0) + beats(section)
    metre = max(total, key=lambda metre: total[metre])
    return max((section for section in sections if section.metre == metre), key=beats)


def first_bar_line(section: Section, first: float) -> float:
    """The bar line of the section at which its song has to begin, so that none of its notes is before it: a note that
    anticipates a bar belongs to that."""
    bar = beats_per_bar(section.metre)
    return section.bar_line - max(0, math.ceil((section.bar_line - first - EARLY_BEAT) / bar)) * bar


def cut_song(song: Song, sections: Sequence[Section] = ()) -> list[Song]:
    """The song in parts to learn from: one for each section with notes, in its own metre, and cut again where more than
    MAX_SILENT_BARS bars are silent. Silent bars before the first note of a part are left out, and counted in the
    notices of the first part.

    sections are those of the song, in beats from its bar 0; () is one section in its metre.
    """
    onset = song.notes.onset_beat
    sections = sections or [Section(-math.inf, math.inf, song.time_signature, 0.0)]
    parts: list[Song] = []
    silent = 0
    edges = np.asarray([(section.start, section.end) for section in sections]) - EARLY_BEAT
    spans = np.searchsorted(onset, edges.astype(onset.dtype))
    for section, span in zip(sections, spans.tolist(), strict=True):
        inside = np.arange(*span)
        bar = beats_per_bar(section.metre)
        number = np.floor((onset[inside] + EARLY_BEAT - section.bar_line) / bar).astype(int)
        gaps = np.flatnonzero(np.diff(number) > max(MAX_SILENT_BARS, MAX_SILENT_BARS / bar) + 1) + 1
        for some, bars in zip(np.split(inside, gaps), np.split(number, gaps), strict=True):
            if len(some):
                parts.append(_take(song, some, section, section.bar_line + bars[0] * bar))
        silent += int((np.diff(number)[gaps - 1] - 1).sum()) + (max(0, int(number[0])) if len(number) else 0)
    notices = song.notices
    if len(sections) > 1:
        notices += (Notice("changes of metre, at which the song is cut", len(sections) - 1),)
    if silent:
        notices += (Notice("silent bars left out", silent),)
    return [
        dataclasses.replace(part, name=name_part(song.name, i, len(parts)), notices=() if i else notices)
        for i, part in enumerate(parts)
    ]


def name_part(name: str, index: int, count: int) -> str:
    """The name of one of the `count` songs that a file of that name gives."""
    return f"{name} (part {index + 1})" if count > 1 else name


def _take(song: Song, index: np.ndarray, section: Section, start: float) -> Song:
    """Some notes of a song as one in a section's metre, from the bar line at `start` on."""
    notes = Notes(*(column[index] for column in song.notes))
    moved = notes._replace(onset_beat=(notes.onset_beat.astype(np.float64) - start).astype(np.float32))
    tempo = typical_tempo(song.timeline.tempos, notes.onset_beat, song.tempo_bpm)
    return dataclasses.replace(song, notes=moved, time_signature=section.metre, tempo_bpm=tempo, timeline=NO_TIMELINE)


def typical_tempo(tempos: Sequence[tuple[float, float]], onset_beat: Array, otherwise: float) -> float:
    """The median tempo of the beats in which notes [N] begin, of tempos (beat, bpm) in order of time; of each beat that
    at its first note."""
    onset = np.asarray(onset_beat, np.float64) + 1e-4
    if not len(tempos) or not len(onset):
        return otherwise
    # Only those near: a song may be cut into thousands of parts, each with few of its thousands of tempos.
    early = bisect.bisect(tempos, (float(onset.min()), math.inf)) - 1
    tempos = tempos[max(early, 0) : bisect.bisect(tempos, (float(onset.max()), math.inf)) or 1]
    _, first = np.unique(np.floor(onset), return_index=True)
    index = np.searchsorted([beat for beat, _ in tempos], onset[first], side="right") - 1
    bpm = np.sort(np.asarray([tempo for _, tempo in tempos])[np.maximum(index, 0)])
    return float(bpm[(len(bpm) - 1) // 2])  # one that is there, not the middle of two


def describe_sections(sections: Sequence[Section], metre: Metre) -> Notice | None:
    """What to say of music that is taken in one metre; None if it has one section."""
    others = sorted({write_metre(section.metre) for section in sections if section.metre != metre})
    if len(sections) < 2:
        return None
    where = f"to {', '.join(others)}" if others else "of the bar lines"
    return Notice(f"changes of metre ({where}); most of it is in {write_metre(metre)}", len(sections) - 1)


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-3
