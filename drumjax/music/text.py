"""Music as text on a terminal: drums as a tab, other instruments as a piano roll of letters."""

import math

import numpy as np

from drumjax.music.kits import Kit
from drumjax.music.notes import Song
from drumjax.music.pitch_names import pitch_name
from drumjax.music.tab import write_tab

STEPS_PER_BEAT = 4


def write_roll(song: Song, beats_per_line: int = 16) -> str:
    """A row per pitch that sounds, the highest first, a column per 16th: `o` where a note begins (`O` if loud), `=`
    while it sounds."""
    notes = song.notes
    if not len(notes.pitch):
        return "(silence)\n"
    begin = np.floor(notes.onset_beat * STEPS_PER_BEAT + 0.5).astype(int)
    end = np.maximum(begin + 1, np.floor((notes.onset_beat + notes.duration_beat) * STEPS_PER_BEAT + 0.5).astype(int))
    steps_per_bar = max(1, round(song.beats_per_bar * STEPS_PER_BEAT))
    bars_per_line = max(1, round(beats_per_line / song.beats_per_bar))
    num_bars = max(1, math.ceil((begin.max() + 1) / steps_per_bar))
    grid = np.full((128, num_bars * steps_per_bar), "-")
    for first, last, pitch in zip(begin, end, notes.pitch, strict=True):
        grid[pitch, first + 1 : last] = "="
    for first, pitch, velocity in zip(begin, notes.pitch, notes.velocity, strict=True):
        grid[pitch, first] = "O" if velocity >= 90 else "o"
    blocks = []
    for start in range(0, num_bars, bars_per_line):
        bars = range(start, min(start + bars_per_line, num_bars))
        part = grid[:, bars[0] * steps_per_bar : (bars[-1] + 1) * steps_per_bar]
        used = np.flatnonzero((part != "-").any(axis=1))[::-1]
        rows = []
        for pitch in used if len(used) else [int(notes.pitch[0])]:
            cells = ["".join(part[pitch, i * steps_per_bar : (i + 1) * steps_per_bar]) for i in range(len(bars))]
            rows.append(f"{pitch_name(int(pitch)):>3}|{'|'.join(cells)}|")
        blocks.append("\n".join(rows))
    return "\n\n".join(blocks) + "\n"


def write_text(
    song: Song,
    kit: Kit | None,
    steps_per_beat: int = STEPS_PER_BEAT,
    *,
    header: bool = True,
    fill_every: int = 0,
    swing: float = 0.0,
    remark: str = "",
) -> str:
    """The song for people to read: a tab of the kit's drums, or a roll where there is no kit. See write_tab."""
    if kit:
        return write_tab(song, kit, steps_per_beat, header=header, fill_every=fill_every, swing=swing, remark=remark)
    lines = [line for line in (song.name, remark) if line and header]
    return "".join(f"{line}\n" for line in lines) + write_roll(song)
