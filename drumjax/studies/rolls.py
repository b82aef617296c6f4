"""How rolls are humanized: `python -m drumjax.studies.rolls --workdir runs/rock`.

Stretches of held-out performances with rolls on the snare are written down, as triplets of 16ths and 32nds and all hits
equally loud, and humanized as `run_sample.py --humanize` does. Their rolls stand beside the drummers', and beside those
of the training split.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from drumjax.data.datasets import load_dataset
from drumjax.data.selection import select
from drumjax.music.grid_view import STEPS_PER_BEAT
from drumjax.music.kits import Kit, find_drum
from drumjax.music.notes import NO_TIMELINE, Notes, Song
from drumjax.music.tab_writer import nearest_steps
from drumjax.runs.run import Run
from drumjax.sampling.blocks import sample_songs
from drumjax.sampling.edits import need_kit
from drumjax.sampling.plan import EditRequest, make_plan
from drumjax.studies.command import Amount, StudyError, ask, make_table
from drumjax.studies.humanization import check_grid

STRETCHES = Amount("stretches", 24, "how many stretches, those with the most strokes first")
NUM_BARS = 4  # of a stretch
# Strokes of a roll are so far apart, in beats and in milliseconds: less than a 16th, more than a flam.
APART_BEATS, APART_MS = 0.19, 45.0
LEAST = 4  # strokes of a roll
WRITTEN = (6, 8)  # parts of a beat that a written stroke lies on: triplets of 16ths, 32nds
VELOCITY = 100
PERFORMANCES = 4  # of each stretch


def answer(run: Run, stretches: int) -> list[dict[str, Any]]:
    """A row for the training split, for the drummers, for what was written, and for each spread it was humanized with.
    Raises StudyError where there is no roll."""
    check_grid(run)
    kit = need_kit(run.codec)
    songs = load_dataset(run.settings.data).songs
    held_out, train = (select(songs, split=split, time_signatures=("4/4",)) for split in ("validation", "train"))
    played = find_stretches(held_out, kit, stretches)
    if not played:
        raise StudyError("no held-out performance has a roll on the snare")
    written = [write_down(song) for song in played]
    usual = run.settings.sample.when_humanizing().spread
    rows = [("others, of the training split", train), ("the drummers", played), ("as it is written", written)]
    rows += [(f"the model, spread {spread:g}", humanize(run, written, spread)) for spread in (usual, 1.0)]
    return [{"player": name, **describe_rolls(some, kit)} for name, some in rows]


def find_stretches(songs: Sequence[Song], kit: Kit, most: int) -> list[Song]:
    """The stretches of NUM_BARS bars with the most strokes in rolls, at most so many."""
    found = [(sum(map(len, find_rolls(stretch, kit))), stretch) for song in songs for stretch in cut_stretches(song)]
    found = [(strokes, stretch) for strokes, stretch in found if strokes]
    return [stretch for _, stretch in sorted(found, key=lambda pair: -pair[0])[:most]]


def cut_stretches(song: Song) -> list[Song]:
    """Side by side, each from beat 0."""
    beats = NUM_BARS * song.beats_per_bar
    onset = np.asarray(song.notes.onset_beat)
    stretches = []
    for first in range(int(song.num_bars // NUM_BARS)):
        here = (onset >= first * beats) & (onset < (first + 1) * beats)
        if here.any():
            notes = Notes(*(np.asarray(column)[here] for column in song.notes))
            stretches.append(_with(song, notes._replace(onset_beat=notes.onset_beat - np.float32(first * beats))))
    return stretches


def find_strokes(song: Song, kit: Kit) -> np.ndarray:
    """The indices of the notes on the snare, in time."""
    mine = np.flatnonzero(kit.class_table()[song.notes.pitch] == find_drum(kit, "snare"))
    return mine[np.argsort(song.notes.onset_beat[mine], kind="stable")]


def find_rolls(song: Song, kit: Kit) -> list[np.ndarray]:
    """The indices of the notes of each roll on the snare, in time."""
    strokes = find_strokes(song, kit)
    gap = np.diff(np.asarray(song.notes.onset_beat, np.float64)[strokes])
    near = (gap < APART_BEATS) & (gap * 60_000 / song.tempo_bpm > APART_MS)
    parts = np.split(strokes, np.flatnonzero(~near) + 1)
    return [part for part in parts if len(part) >= LEAST]


def second_strokes(song: Song, kit: Kit) -> np.ndarray:
    """Of two strokes in the same 16th, no flam, how loud the second is: the logarithm of its share of the first."""
    strokes = find_strokes(song, kit)
    onset = np.asarray(song.notes.onset_beat, np.float64)[strokes]
    meet = np.diff(nearest_steps(onset, STEPS_PER_BEAT)) == 0
    is_flam = np.diff(onset) * 60_000 / song.tempo_bpm <= APART_MS
    return np.diff(np.log(np.asarray(song.notes.velocity, np.float64)[strokes]))[meet & ~is_flam]


def write_down(song: Song) -> Song:
    """All hits equally loud, on the nearest place that is written; of hits of a pitch that meet there one is left."""
    onset = np.asarray(song.notes.onset_beat, np.float64)
    places = np.stack([np.rint(onset * parts) / parts for parts in WRITTEN])
    place = np.take_along_axis(places, np.argmin(np.abs(places - onset), axis=0)[None], axis=0)[0]
    notes = song.notes._replace(onset_beat=place.astype(np.float32), velocity=np.full(len(onset), VELOCITY, np.int32))
    _, first = np.unique(np.stack([place, np.asarray(notes.pitch)]), axis=1, return_index=True)
    return _with(song, Notes(*(np.asarray(column)[first] for column in notes)))


def humanize(run: Run, songs: Sequence[Song], spread: float) -> list[Song]:
    """PERFORMANCES of each, told its style."""
    played = []
    for song in songs:
        style = song.style if song.style in run.styles else None
        plan = make_plan(run, EditRequest(humanize=song), spread=spread, style=style)
        played += [sample.song for sample in sample_songs(plan, PERFORMANCES)]
    return played


def describe_rolls(songs: Sequence[Song], kit: Kit) -> dict[str, float]:
    """Of all rolls: strokes in a roll, the change of velocity from stroke to stroke and the share of changes of at most
    1, and how far the distances of strokes stray from their mean (standard deviation within a roll). Of all strokes:
    how loud the second of two in a 16th is beside the first (logarithm: mean, standard deviation)."""
    rolls = [(song, roll) for song in songs for roll in find_rolls(song, kit)]
    if not rolls:
        return {"rolls": 0}
    velocities = [np.asarray(song.notes.velocity, np.float64)[roll] for song, roll in rolls]
    louder = np.concatenate([np.diff(velocity) for velocity in velocities])
    second = np.concatenate([second_strokes(song, kit) for song in songs])
    gaps = [
        np.diff(np.asarray(song.notes.onset_beat, np.float64)[roll]) * 60_000 / song.tempo_bpm for song, roll in rolls
    ]
    return {
        "rolls": len(rolls),
        "strokes": float(np.mean([len(roll) for _, roll in rolls])),
        "velocity": float(np.mean(np.concatenate(velocities))),
        "change of velocity": float(np.mean(np.abs(louder))),
        "of at most 1": float(np.mean(np.abs(louder) <= 1)),
        "spacing, ms": float(np.std(np.concatenate([gap - gap.mean() for gap in gaps]))),
        "second of a 16th": float(np.mean(second)) if len(second) else float("nan"),
        "its spread": float(np.std(second)) if len(second) else float("nan"),
    }


def _with(song: Song, notes: Notes) -> Song:
    """The song with other notes, and no timeline of a file."""
    return dataclasses.replace(song, notes=notes, timeline=NO_TIMELINE)


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.studies.rolls", __doc__, STRETCHES, answer, make_table))
