"""Whether every note of a file is there after it is worked on: in the file, read, and written again by each edit.

What differs is explained by a line: what the reader says of the file, hits that --add plays anew, hits that --vary
chose anew. A row whose numbers do not add up is an error of drumjax.
"""

import collections
import dataclasses
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drumjax.codecs.grid import GridCodec
from drumjax.data.midi_folder import SUFFIXES
from drumjax.midi.chunks import DRUM_CHANNEL, DamageError, count_starts
from drumjax.midi.reader import STRUCK_TWICE, MidiError, read_midi, write_midi
from drumjax.music.notes import Song
from drumjax.music.tab_text import TAB_SUFFIXES
from drumjax.runs.run import Run
from drumjax.sampling.blocks import sample_songs
from drumjax.sampling.plan import EditRequest, Plan, make_plan
from drumjax.system.errors import UserError

logger = logging.getLogger(__name__)

ADDED = "ride"
AMOUNT = 0.001  # of what is varied: next to nothing

Rows = collections.Counter[tuple[int, int, int]]  # (tick, pitch, velocity) of notes


def check_files(run: Run, folder: Path, num_files: int) -> list[dict[str, Any]]:
    """A row per file below the folder that is MIDI or a drum tab, in order of their paths."""
    suffixes = (*SUFFIXES, *TAB_SUFFIXES) if run.codec.kit else SUFFIXES
    paths = sorted(path for path in folder.rglob("*") if path.name.lower().endswith(suffixes))
    return [_check_file(run, path, str(path.relative_to(folder))) for path in paths[:num_files]]


def _check_file(run: Run, path: Path, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"file": name, "in file": "?", "read": "-", "unexplained": 0, "because": ""}
    lines: list[str] = []
    try:
        with _Lines(lines):
            for edit, request in _requests(run, path):
                plan = dataclasses.replace(make_plan(run, request), block_size=1)
                given = request.read(run, 0, None)
                assert given is not None
                assert plan.edit is not None
                row["read"], before = len(given.song.notes.pitch), len(lines)
                (sample,) = sample_songs(plan, 1)
                row[edit], missing, why = _compare(edit, given.song, sample.song, plan)
                row["unexplained"] += missing
                lines += why if len(lines) == before else []
                row["unexplained"] += _compare_read(row, path, given.song, run.settings.data.instrument)
    except (UserError, OSError) as error:
        lines.append(str(error))
    row["because"] = "; ".join(dict.fromkeys(line.replace(str(path), "").lstrip(": ") for line in lines))
    return row


def _compare_read(row: dict[str, Any], path: Path, given: Song, instrument: str) -> int:
    """How many of the notes in the file were not read without a reason; sets row["in file"]."""
    struck = _count_struck(path, instrument)
    if struck is None or row["in file"] == struck:
        return 0
    row["in file"] = struck
    said = sum(notice.count for notice in given.notices if notice.reason == STRUCK_TWICE)
    return abs(struck - len(given.notes.pitch) - said)


def _requests(run: Run, path: Path) -> Iterator[tuple[str, EditRequest]]:
    yield "humanize", EditRequest(humanize=path)
    if isinstance(run.codec, GridCodec):
        yield "add", EditRequest(add=(ADDED,), to=path)
        yield "vary", EditRequest(vary=path, amount=AMOUNT)
    else:
        yield "prompt", EditRequest(prompt=path)


def _compare(edit: str, given: Song, played: Song, plan: Plan) -> tuple[int, int, list[str]]:
    """How many notes are written, how many of the given ones are missing without a reason, and the reasons."""
    assert plan.edit is not None
    before, after = _as_written(given), _as_written(played)
    if edit == "humanize":  # moved, and as loud as the model has it
        old, new = (collections.Counter(pitch for _, pitch, _ in rows.elements()) for rows in (before, after))
        return after.total(), (old - new).total() + (new - old).total(), []
    missing, lines = before - after, []
    if edit == "add":
        assert plan.edit.kept is not None
        anew = len(given.notes.pitch) - len(plan.edit.kept.pitch)
        return after.total(), max(0, missing.total() - anew), [f"{anew} hits of {ADDED} are played anew"] * (anew > 0)
    if edit == "vary":  # all hits of a cell that is let go go together
        placement = plan.edit.placement
        assert placement is not None
        clamp, keep = plan.edit.rows([0], len(plan.edit.clamp), plan.edit.clamp.shape[1])
        assert plan.run.codec.kit is not None
        drum = placement.cell % plan.run.codec.kit.num_classes
        step = np.minimum(np.maximum(placement.cell, 0) // plan.run.codec.kit.num_classes, len(clamp[0]) - 1)
        let_go = int(((placement.cell >= 0) & ((keep[0, step] >> drum) & 1 == 0)).sum())
        lines = [f"{missing.total()} of {let_go} hits that were let go are not played again"] * bool(missing)
        return after.total(), max(0, missing.total() - let_go), lines
    return after.total(), missing.total(), []


def _as_written(song: Song) -> Rows:
    """The notes of a song as its file has them: written, and read again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.mid"
        write_midi(song, path)
        back = read_midi(path, instrument="all")
    ticks = (back.notes.onset_beat.astype(np.float64) - back.timeline.start_beat) * back.timeline.ticks_per_beat
    columns = np.rint(ticks).astype(int).tolist(), back.notes.pitch.tolist(), back.notes.velocity.tolist()
    return collections.Counter(zip(*columns, strict=True))


def _count_struck(path: Path, instrument: str) -> int | None:
    """Notes that begin in a MIDI file, on channel 10 or, if not drums are read, on any; None for a tab and for a choice
    of instruments."""
    if path.suffix.lower() in TAB_SUFFIXES or instrument not in ("drums", "all"):
        return None
    try:
        starts = count_starts(path)
    except DamageError as error:
        raise MidiError(path, *error.args) from None
    return starts.total() if instrument == "all" else starts[DRUM_CHANNEL]


class _Lines(logging.Handler):
    """Takes what drumjax says inside the block, in the place of the screen."""

    def __init__(self, lines: list[str]):
        super().__init__(logging.WARNING)
        self.lines, self.package = lines, logging.getLogger("drumjax")

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def __enter__(self) -> None:
        self.others, self.package.handlers = self.package.handlers, [self]

    def __exit__(self, *error: object) -> None:
        self.package.handlers = self.others


def summarize_rows(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All rows added up: files, those that were refused, and notes."""
    names = dict.fromkeys(name for row in rows for name in row if name not in ("file", "because"))
    total: dict[str, Any] = {"file": f"{len(rows)} files"}
    for name in names:
        total[name] = sum(row[name] for row in rows if isinstance(row.get(name), int))
    return total | {"because": f"{sum(row['read'] == '-' for row in rows)} refused"}
