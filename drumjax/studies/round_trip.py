"""What is left of music that becomes tokens and notes again: `python -m drumjax.studies.round_trip --workdir W`.

Every song of the run's dataset whose bars fit its steps is encoded and decoded. Notes are lost where the codec has no
token for them: a grid keeps the loudest of the hits that fall on one step, and events those of one tick; pitches may be
none of the kit or of the vocabulary. The errors of the others are from what they were, the nearest note of the same
drum or pitch: onset and duration in beats, velocity in MIDI.

With --files FOLDER every file below it is humanized, added to, varied and written instead: see kept_notes.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from drumjax.codecs.base import Codec
from drumjax.codecs.events import EventCodec
from drumjax.data.datasets import load_dataset
from drumjax.models.song_scoring import encode_songs
from drumjax.music.notes import Notes, Song
from drumjax.runs.run import Run
from drumjax.studies.command import Amount, StudyError, ask, make_table
from drumjax.studies.kept_notes import check_files, summarize_rows

NUM_SONGS = Amount("num_songs", 1_000_000, "at most so many songs, or files")
FILES = "check instead that every note of every file in this folder is there after it is worked on"


class Errors(NamedTuple):
    """Of the notes [n] that came back: how far they are from what they were, and how many there were before."""

    onset_beat: np.ndarray
    duration_beat: np.ndarray
    velocity: np.ndarray
    num_notes: int


def errors_of(song: Song, back: Notes, codec: Codec) -> Errors:
    """`back` is what decoding the song's tokens gave."""
    kind = codec.kit.class_table() if codec.kit else np.arange(128)
    was, now = song.notes, Notes(*(column[back.mask] for column in back))
    nearest = np.zeros(len(now.pitch), int)
    for value in np.unique(kind[now.pitch]):
        old, new = np.flatnonzero(kind[was.pitch] == value), np.flatnonzero(kind[now.pitch] == value)
        onset = was.onset_beat[old]  # sorted, as notes of songs are
        after = np.clip(np.searchsorted(onset, now.onset_beat[new]), 1, max(1, len(old) - 1))
        left, right = after - 1, np.minimum(after, len(old) - 1)
        is_left = now.onset_beat[new] - onset[left] <= onset[right] - now.onset_beat[new]
        nearest[new] = old[np.where(is_left, left, right)]
    return Errors(
        np.abs(now.onset_beat - was.onset_beat[nearest]),
        np.abs(now.duration_beat - was.duration_beat[nearest]),
        np.abs(now.velocity - was.velocity[nearest]),
        num_notes=len(was.pitch),
    )


def take_round_trip(songs: Sequence[Song], codec: Codec) -> list[Errors]:
    """In the order of the songs. Raises ValueError for a song whose bars the codec does not accept."""
    decode = jax.jit(jax.vmap(codec.decode))
    found: dict[int, Errors] = {}
    for batch in encode_songs(songs, codec, ("",)):
        notes = jax.tree.map(np.asarray, decode(batch.tokens, batch.context))
        for row, index in enumerate(batch.songs):
            back = jax.tree.map(lambda column, row=row: column[row], notes)
            found[int(index)] = errors_of(songs[index], back, codec)
    return [found[index] for index in range(len(songs))]


def answer(run: Run, num_songs: int, files: Path | None) -> list[dict[str, Any]]:
    """The rows of compare or, for a folder of files, those of kept_notes.check_files and their sum."""
    if not files:
        return compare(run, num_songs)
    rows = check_files(run, files, num_songs)
    return [*rows, summarize_rows(rows)]


def compare(run: Run, num_songs: int) -> list[dict[str, Any]]:
    """A row per split. Raises StudyError for a codec without time, or if no song fits its steps."""
    codec = run.codec
    if isinstance(codec, EventCodec) and not codec.timed:
        raise StudyError("this codec does not encode when notes are (codec.timed=False): there is nothing to compare")
    songs = load_dataset(run.settings.data).songs[:num_songs]
    rows: list[dict[str, Any]] = []
    for split in sorted({song.split for song in songs}):
        mine = [song for song in songs if song.split == split]
        some = [song for song in mine if codec.accepts(song.beats_per_bar)]
        if some:
            found = summarize(take_round_trip(some, codec), codec)
            rows.append({"split": split, "songs": str(len(some)), "left out": str(len(mine) - len(some)), **found})
    if not rows:
        raise StudyError("no song has bars that fit the steps of this model")
    return rows


def summarize(errors: Sequence[Errors], codec: Codec) -> dict[str, Any]:
    """How many notes there are and what share is lost; errors of the others in beats and in MIDI velocity, as far as
    the codec encodes them."""
    total = sum(error.num_notes for error in errors)
    onset, duration, velocity = (np.concatenate(column) for column in list(zip(*errors, strict=True))[:3])
    encoded = {field.name for field in codec.fields}
    return {
        "notes": str(total),
        "lost, %": 100 * (1 - len(onset) / max(total, 1)),
        "onset, mean": _mean(onset),
        "onset, most": float(onset.max(initial=0)),
        **({"duration, mean": _mean(duration)} if "duration" in encoded else {}),
        **({"velocity, mean": _mean(velocity)} if "velocity" in encoded else {}),
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.studies.round_trip", __doc__, NUM_SONGS, answer, make_table, files=FILES))
