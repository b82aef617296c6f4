"""Whether what is held out is in training: the same performance, or the same bar."""

import hashlib
from collections.abc import Sequence

import numpy as np

from drumjax.evaluate.memorization import TrainingBars
from drumjax.music.grid_view import excerpt_of
from drumjax.music.kits import Kit
from drumjax.music.notes import Song
from drumjax.report.tables import Table


def find_duplicates(songs: Sequence[Song]) -> list[list[Song]]:
    """Groups of songs that have the same notes, to the velocity."""
    groups: dict[str, list[Song]] = {}
    for song in songs:
        columns = np.round(song.notes.onset_beat * 480), song.notes.pitch, song.notes.velocity
        digest = hashlib.sha256(b"".join(np.asarray(column, np.int32).tobytes() for column in columns)).hexdigest()
        groups.setdefault(digest, []).append(song)
    return [group for group in groups.values() if len(group) > 1]


def check_leakage(songs: Sequence[Song], kit: Kit | None) -> Table:
    """Same performances in several splits; with a kit also bars in 4/4 that are held out and in training, verbatim."""
    duplicates = find_duplicates(songs)
    across = [group for group in duplicates if len({song.split for song in group}) > 1]
    rows = [
        ["", ""],
        ["performances that are there twice", str(sum(len(group) - 1 for group in duplicates))],
        ["of these in two splits", str(len(across))],
    ]
    rows += [["", f"{group[0].name} is {group[1].name}"] for group in across[:5]]
    train, held_out = (
        [song for song in songs if (song.split == "train") == wanted and song.time_signature == (4, 4)]
        for wanted in (True, False)
    )
    held_out = [song for song in held_out if song.split]
    if kit and train and held_out:
        known = TrainingBars([excerpt_of(song, kit).hits for song in train])
        memory = known.compare([excerpt_of(song, kit).hits for song in held_out])
        rows += [
            ["held-out bars that are in training too", f"{100 * memory.copied:.1f}%"],
            ["longest held-out stretch that is in training too", f"{memory.longest:.1f} bars"],
        ]
    note = "People repeat each other: some bars are always shared. A whole performance should not be."
    return Table("Leakage between splits", note, rows)
