"""The grooves and fills of the starter corpus as they are written in `starter_grooves/*.tab`."""

import dataclasses
import functools
import importlib.resources
import re
from typing import NamedTuple

from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.music.tab import read_tab


class Hit(NamedTuple):
    beat: float  # from the start of the bar
    pitch: int
    velocity: int


Bar = tuple[Hit, ...]


class Groove(NamedTuple):
    """A groove or fill as written.

    name      <file>/<title>, spaces in the title replaced by hyphens
    song      what the tab says, unplayed
    bars      its hits, bar by bar
    grid      where the cells of a bar are, in beats, swung if the groove is
    triplet   True if the cells divide a beat by three
    text      the tab, and `swing` its swing header, if any
    """

    name: str
    song: Song
    bars: tuple[Bar, ...]
    grid: tuple[float, ...]
    triplet: bool
    text: str
    swing: str


@functools.cache
def read_grooves() -> tuple[Groove, ...]:
    """The grooves, by file and then in the order written. Raises TabError for one that cannot be read."""
    return tuple(groove for groove in _read_all() if not groove.name.startswith("fills/"))


@functools.cache
def read_fills() -> tuple[Groove, ...]:
    """The fills, one bar each. Raises TabError for one that cannot be read."""
    return tuple(groove for groove in _read_all() if groove.name.startswith("fills/"))


@functools.cache
def _read_all() -> tuple[Groove, ...]:
    folder = importlib.resources.files("drumjax.data").joinpath("starter_grooves")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".tab")), key=lambda file: file.name)
    grooves = []
    for file in files:
        for text in re.split(r"(?m)^(?=title:)", file.read_text("utf-8"))[1:]:
            grooves.append(_read_groove(text, file.name.removesuffix(".tab")))
    return tuple(grooves)


def _read_groove(text: str, file: str) -> Groove:
    title = text.partition("\n")[0].partition(":")[2].strip()
    name = f"{file}/{title.replace(' ', '-')}"
    song = _in_kit(read_tab(text, name=name))
    swing = "".join(re.findall(r"(?m)^swing.*\n", text))
    cells = len(re.findall(r"(?m)^\w+\|([^|]+)\|", text)[0])
    # A bar with a hit in every cell has the grid's swung positions as its onsets.
    numerator, denominator = song.time_signature
    full = read_tab(f"time: {numerator}/{denominator}\n{swing}HH|{'x' * cells}|")
    return Groove(
        name=name,
        song=song,
        bars=_bars(song),
        grid=tuple(full.notes.onset_beat.tolist()),
        triplet=cells / song.beats_per_bar % 3 == 0,
        text=text,
        swing=swing,
    )


def _in_kit(song: Song) -> Song:
    """The song in the pitches that the kit writes, from its first beat on: the corpus knows no pedal hi-hat, say, and
    no grace note before a bar."""
    drums = ROLAND_TD11.pitch_table()[ROLAND_TD11.class_table()[song.notes.pitch]]
    loudest: dict[tuple[float, int], int] = {}
    for onset, pitch, velocity in zip(song.notes.onset_beat.tolist(), drums.tolist(), song.notes.velocity, strict=True):
        if onset >= 0:
            loudest[onset, pitch] = max(int(velocity), loudest.get((onset, pitch), 0))
    onsets, pitches = [onset for onset, _ in loudest], [pitch for _, pitch in loudest]
    notes = make_notes(onsets, [0.25] * len(loudest), pitches, list(loudest.values()))
    return dataclasses.replace(song, notes=notes)


def _bars(song: Song) -> tuple[Bar, ...]:
    bars: list[list[Hit]] = [[] for _ in range(song.num_bars)]
    columns = (song.notes.onset_beat, song.notes.pitch, song.notes.velocity)
    for onset, pitch, velocity in zip(*(column.tolist() for column in columns), strict=True):
        bar = int((onset + 1e-4) // song.beats_per_bar)
        bars[bar].append(Hit(onset - bar * song.beats_per_bar, pitch, velocity))
    return tuple(map(tuple, bars))


@functools.cache
def fills_for(time_signature: tuple[int, int], triplet: bool, style: str, swing: str) -> tuple[Bar, ...]:
    """Fills of this metre and feel, swung like the groove; of its style, else of a common one, else of any."""
    fits = [fill for fill in read_fills() if (fill.song.time_signature, fill.triplet) == (time_signature, triplet)]
    for styles in ((style,), ("rock", "funk", "soul")):
        if chosen := [fill for fill in fits if fill.song.style in styles]:
            fits = chosen
            break
    return tuple(_bars(_in_kit(read_tab(swing + fill.text, name=fill.name)))[0] for fill in fits)
