"""Which pitches there are, and what a kit makes of them."""

from collections.abc import Sequence

import numpy as np

from drumjax.music.kits import KITS, Kit
from drumjax.music.notes import Song
from drumjax.music.pitch_names import percussion_name, pitch_name
from drumjax.report.tables import Table

UNMAPPED = "NO DRUM"


def count_pitches(songs: Sequence[Song]) -> np.ndarray:
    """[128] notes of each MIDI pitch."""
    return sum((np.bincount(song.notes.pitch, minlength=128) for song in songs), np.zeros(128, int))


def unmapped_share(counts: np.ndarray, kit: Kit) -> float:
    """Share of the notes that are no drum of the kit."""
    return float(counts[kit.class_table() < 0].sum() / max(counts.sum(), 1))


def best_kit(counts: np.ndarray) -> Kit:
    """The full kit that knows most of the notes; of equals the one listed first."""
    full = [kit for kit in KITS.values() if kit.num_classes > 1]
    return min(full, key=lambda kit: unmapped_share(counts, kit))


def map_drums(songs: Sequence[Song], kit: Kit) -> Table:
    """A row per pitch: how often, what it is called, and which drum the kit takes it for."""
    counts, table = count_pitches(songs), kit.class_table()
    rows = [["pitch", "notes", "share", "General MIDI", f"drum of {kit.name}"]]
    for pitch in np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]:
        drum = kit.names[table[pitch]] if table[pitch] >= 0 else UNMAPPED
        rows.append([str(pitch), str(counts[pitch]), f"{100 * counts[pitch] / counts.sum():.2f}%",
                     percussion_name(int(pitch)) or "-", drum])  # fmt: skip
    lost = unmapped_share(counts, kit)
    return Table(
        "Pitches and drums", f"{100 * lost:.2f}% of the notes are no drum of this kit and are not learned.", rows
    )


def range_of_notes(songs: Sequence[Song]) -> Table:
    """For pitched instruments: range, the commonest pitches, and how many sound at once."""
    counts = count_pitches(songs)
    used = np.flatnonzero(counts)
    top = np.argsort(-counts)[:8]
    onsets = [np.unique(np.round(song.notes.onset_beat * 24)).size for song in songs]
    lengths = np.concatenate([song.notes.duration_beat for song in songs])
    rows = [
        ["", ""],
        ["different pitches", str(len(used))],
        ["range", f"{pitch_name(int(used[0]))} to {pitch_name(int(used[-1]))} (MIDI {used[0]} to {used[-1]})"],
        ["commonest", ", ".join(pitch_name(int(pitch)) for pitch in top if counts[pitch])],
        ["notes that begin together, mean", f"{counts.sum() / max(sum(onsets), 1):.2f}"],
        ["length in beats, 5% / median / 95%", " / ".join(f"{q:.2f}" for q in np.quantile(lengths, (0.05, 0.5, 0.95)))],
    ]
    return Table("Pitches", "", rows)
