"""What will be written: the song as it will be, and what of the source is lost on the way."""

import collections
import dataclasses
from collections.abc import Iterable

import numpy as np

from drumjax.convert.source import ConversionError, Source
from drumjax.convert.tab_grid import TabGrid, choose_grid, lay_on_grid
from drumjax.music.drum_maps import count_meeting, read_map
from drumjax.music.kits import GENERAL_MIDI, Kit
from drumjax.music.metre import write_metre
from drumjax.music.notes import FILL_UNKNOWN, Array, Notes, Song
from drumjax.music.sections import find_sections
from drumjax.music.tab import ACCENT, DURATION_BEAT, GHOST, NORMAL, write_tab
from drumjax.music.tab_text import MAX_BYTES

_STANDARD_KIT = b"\xc9\0"  # the program of drums that every file may name
_CELLS_PER_LINE = 48  # two bars are in a line if they are no longer


@dataclasses.dataclass(frozen=True, eq=False)
class Draft:
    """A song on its way to a file.

    song          as it is written
    text          the tab, "" for a MIDI file
    num_left_out  notes of the source that have no place in it
    num_merged    notes that are one with another
    remarks       what is lost, with counts
    hints         what was chosen
    """

    song: Song
    text: str
    num_left_out: int
    num_merged: int
    remarks: tuple[str, ...]
    hints: tuple[str, ...] = ()


def draft_tab(source: Source, steps_per_beat: int | None) -> Draft:
    """The song of a source as a tab. Raises ConversionError."""
    kit, known = source.kit, source.drum >= 0
    if not known.any():
        raise _no_drum(source)
    song = dataclasses.replace(source.song, notes=_select(source.song.notes, known))
    given = song.notes.pitch
    song = _with_pitches(song, kit.pitch_table()[source.drum[known]])
    grid = choose_grid(song, kit) if steps_per_beat is None else lay_on_grid(song, kit, steps_per_beat)
    text = _write_tab(song, kit, grid)
    remarks = [_describe_left_out(source), *_describe_timeline(song)]
    if not source.song.is_drums:
        remarks.append(f"{len(known) - source.num_drums} notes of other channels than 10 are taken for drums")
    if renamed := _describe_pitches(given, song.notes.pitch):
        remarks.append(f"pitches that are written as their row's: {renamed}")
    if grid.num_merged:
        by_drum = _count(kit.names[drum] for drum in source.drum[known][grid.is_merged].tolist())
        what = "hits are left out, which meet another of their drum in its cell; the loudest stays"
        remarks.append(f"{grid.num_merged} {what}: {by_drum}")
    if grid.moved_beat > 1e-3:
        remarks.append(f"timing is moved to the grid, by up to {write_ms(grid.moved_beat, song.tempo_bpm)}")
    if not np.isin(song.notes.velocity, (GHOST, NORMAL, ACCENT)).all():
        remarks.append("velocities become ghost, normal and accent")
    if (np.abs(song.notes.duration_beat - DURATION_BEAT) > 1e-3).any():
        remarks.append("lengths of notes are not written: a tab has none")
    hint = f"{grid.steps_per_beat} cells to the beat, {grid.why}"
    num_left_out = int((~known).sum())
    return Draft(song, text, num_left_out, grid.num_merged, tuple(filter(None, remarks)), (hint,))


def draft_midi(source: Source, out_kit: str) -> Draft:
    """The song of a source as a MIDI file, in the pitches of another instrument if one is named. Raises
    ConversionError or KitError."""
    song, remarks = source.song, []
    if out_kit:
        write = read_map(out_kit, source.kit.names).write
        if not (source.drum >= 0).any():
            raise _no_drum(source)
        new = np.asarray([write.get(name, -1) for name in source.kit.names], np.int32)[source.drum]
        pitch = np.where((source.drum >= 0) & (new >= 0), new, song.notes.pitch)
        if (source.drum < 0).any():
            unknown = _count(song.notes.pitch[source.drum < 0].tolist())
            remarks.append(f"pitches that are no drum of {source.kit_name} are kept as they are: {unknown}")
        if renamed := _describe_pitches(song.notes.pitch, pitch):
            remarks.append(f"pitches that are written as {out_kit} has them: {renamed}")
        song = _with_pitches(song, pitch)
        if not song.is_drums:
            remarks.append(f"{len(pitch) - source.num_drums} notes of other channels are written to channel 10")
            song = dataclasses.replace(song, is_drums=True, program=0)
    elif not song.is_drums:
        too = f", the {source.num_drums} of channel 10 too" if source.num_drums else ""
        remarks.append(
            f"all notes are written to channel 1 with General MIDI program {song.program + 1}, no controllers{too}"
        )
    if source.is_tab and (song.style or song.fill != FILL_UNKNOWN):
        remarks.append("style and fill are not written: a MIDI file has no place for them")
    num_merged = count_meeting(song)
    if num_merged:
        what = "notes are left out, which meet another of their pitch at the same time; the loudest stays"
        remarks.append(f"{num_merged} {what}")
    return Draft(song, "", 0, num_merged, tuple(remarks))


def is_merged(notes: Notes) -> np.ndarray:
    """[N] bool: the notes of a MIDI file that are not the loudest, then longest, of their onset and pitch."""
    order = np.lexsort((-notes.duration_beat, -notes.velocity, notes.pitch, notes.onset_beat))
    merged = np.zeros(len(order), bool)
    merged[order[1:]] = (np.diff(notes.onset_beat[order]) == 0) & (np.diff(notes.pitch[order]) == 0)
    return merged


def write_ms(beats: float, tempo_bpm: float) -> str:
    ms = beats * 60_000 / tempo_bpm
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def _write_tab(song: Song, kit: Kit, grid: TabGrid) -> str:
    """Raises ConversionError for a tab that is too long, or bars that are no whole number of cells."""
    cells = (float(song.notes.onset_beat[-1]) + 1) * grid.steps_per_beat
    if cells > MAX_BYTES:
        raise ConversionError(
            f"{song.name}: a tab of {cells:.0f} cells is too long to be read; give less --steps_per_beat"
        )
    bars_per_line = 2 if 2 * song.beats_per_bar * grid.steps_per_beat <= _CELLS_PER_LINE else 1
    try:
        text = write_tab(song, kit, grid.steps_per_beat, bars_per_line)
    except ValueError as error:
        raise ConversionError(f"{song.name}: {error}") from None
    if len(text) > MAX_BYTES:
        raise ConversionError(f"{song.name}: a tab of {len(text)} characters is too long to be read")
    return text


def _no_drum(source: Source) -> ConversionError:
    pitch = source.song.notes.pitch
    what = f"{source.song.name} has no hit on a drum of {source.kit_name}, only pitches {_count(pitch.tolist())}"
    return ConversionError(what + (_hint_at_kit(pitch) or "; another map can be named by --kit"))


def _describe_left_out(source: Source) -> str:
    """The pitches that have no row; "" if there are none."""
    unknown = source.song.notes.pitch[source.drum < 0]
    if not len(unknown):
        return ""
    what = f"notes are left out, of pitches that are no drum of {source.kit_name}"
    return f"{len(unknown)} {what}: {_count(unknown.tolist())}{_hint_at_kit(unknown)}"


def _hint_at_kit(unknown: Array) -> str:
    """How many of these pitches [N], which are no drum, General MIDI knows; "" if none."""
    known_there = int((GENERAL_MIDI.class_table()[unknown] >= 0).sum())
    return f"; --kit {GENERAL_MIDI.name} knows {known_there} of them" if known_there else ""


def _describe_timeline(song: Song) -> list[str]:
    """What only the timeline of a song says, so that a tab does not."""
    timeline, start = song.timeline, song.timeline.start_beat
    lines = []
    if timeline.tempos:
        changes = len(timeline.tempos) - 1
        lines.append(f"{changes} changes of tempo are left out: the tab is at {song.tempo_bpm:.4g} bpm")
    metres = [(beat - start, metre) for beat, metre in timeline.metres]
    sections = find_sections(metres, float(song.notes.onset_beat[-1]) - start) if metres else []
    if len(sections) > 1:
        metre = write_metre(song.time_signature)
        lines.append(f"{len(sections) - 1} changes of metre are left out: all bars of the tab are {metre}")
    if start > 0:
        lines.append(f"the pickup is written after {start:g} beats of rest, which fill its bar")
    if start < 0:
        lines.append(f"{-start:g} silent beats before the first bar are left out")
    messages = [message for _, message in timeline.messages if message != _STANDARD_KIT]
    if song.is_drums and messages:
        what = "(hi-hat pedal, chokes, programs) are left out: a tab has hits only"
        lines.append(f"{len(messages)} messages {what}")
    return lines


def _describe_pitches(old: Array, new: Array) -> str:
    """Such as `22 as 42 (35), 40 as 38 (2)`; "" if all pitches stay."""
    return _count(f"{a} as {b}" for a, b in sorted(zip(old.tolist(), new.tolist(), strict=True)) if a != b)


def _count(things: Iterable[int | str]) -> str:
    """Such as `54 (3), 56 (1)`, by number or name."""
    counts = sorted(collections.Counter(things).items(), key=lambda item: _place(str(item[0])))
    return ", ".join(f"{thing} ({count})" for thing, count in counts)


def _place(name: str) -> tuple[int, str]:
    return int(name.split()[0]) if name[0].isdigit() else 0, name


def _select(notes: Notes, chosen: np.ndarray) -> Notes:
    return Notes(*(column[chosen] for column in notes))


def _with_pitches(song: Song, pitch: np.ndarray) -> Song:
    """Other pitches, the notes in the order that they had."""
    return dataclasses.replace(song, notes=song.notes._replace(pitch=np.asarray(pitch, np.int32)))
