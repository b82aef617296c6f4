"""What there is: songs, hours, bars, notes; by style, drummer and metre; and what was left out, and why."""

import collections
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from drumjax.data.datasets import Dataset
from drumjax.music.notes import FILL_NO, FILL_YES, Song
from drumjax.report.tables import Table

Names = TypeVar("Names", bound=Collection[str])

# Rows of a table by style, drummer or metre, the largest first; the others are added up.
MAX_ROWS = 24
# Names of files given for each reason that they were left out.
MAX_NAMES = 12


def count_splits(songs: Sequence[Song]) -> Table:
    """A row per split."""
    splits = [split for split in ("train", "validation", "test", "") if any(song.split == split for song in songs)]
    rows = [["split", "songs", "beats", "fills", "hours", "bars", "notes", "drummers", "styles"]]
    for split in [*splits, "all"]:
        some = [song for song in songs if split in ("all", song.split)]
        rows.append([
            split or "none", str(len(some)), str(sum(song.fill == FILL_NO for song in some)),
            str(sum(song.fill == FILL_YES for song in some)), f"{sum(map(hours_of, some)):.2f}",
            str(sum(song.num_bars for song in some)), str(sum(len(song.notes.pitch) for song in some)),
            str(len({song.drummer for song in some} - {""})), str(len({song.style for song in some} - {""})),
        ])  # fmt: skip
    return Table("What there is", "", rows)


def count_by(songs: Sequence[Song], title: str, name_of: Callable[[Song], str]) -> Table:
    """A row per name, the one with the most bars first: songs in training and held out, bars, hours, median tempo."""
    groups: dict[str, list[Song]] = collections.defaultdict(list)
    for song in songs:
        groups[name_of(song) or "unknown"].append(song)
    order = sorted(groups, key=lambda name: -sum(song.num_bars for song in groups[name]))
    if len(order) > MAX_ROWS:
        rest = [song for name in order[MAX_ROWS - 1 :] for song in groups[name]]
        label = f"{len(order) - MAX_ROWS + 1} others"
        order, groups[label] = [*order[: MAX_ROWS - 1], label], rest
    rows = [["", "songs", "train", "held out", "bars", "hours", "median bpm"]]
    for name in order:
        some = groups[name]
        train = sum(song.split == "train" for song in some)
        bpm = sorted(song.tempo_bpm for song in some)[len(some) // 2]
        rows.append([name, str(len(some)), str(train), str(len(some) - train), str(sum(s.num_bars for s in some)),
                     f"{sum(map(hours_of, some)):.2f}", f"{bpm:.0f}"])  # fmt: skip
    return Table(title, "", rows)


def cross_styles(songs: Sequence[Song]) -> Table:
    """Bars of each style by drummer."""
    drummers = sorted({song.drummer for song in songs} - {""})[:MAX_ROWS]
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for song in songs:
        counts[song.style, song.drummer] += song.num_bars
    rows = [["bars", *drummers]]
    for style in sorted({song.style for song in songs}):
        rows.append([style or "unknown", *(str(counts[style, drummer] or "") for drummer in drummers)])
    return Table(
        "Styles by drummer", "Bars. A style that one drummer plays alone is that drummer's way of playing it.", rows
    )


def list_skipped(dataset: Dataset) -> Table:
    """Files that gave no song, by reason."""
    rows = [["reason", "files", "such as"]]
    for reason, names in _by_number(dataset.skipped):
        rows.append([reason, str(len(names)), _some(names)])
    return Table("What was left out", "Files that cannot be used, and why.", rows)


def list_notices(dataset: Dataset) -> Table:
    """What did not come through as its file has it, by reason: in how many files, and how often in all."""
    rows = [["reason", "files", "in all", "such as"]]
    for reason, counts in _by_number(dataset.notices):
        rows.append([reason, str(len(counts)), str(sum(counts.values())), _some(counts)])
    return Table("What was read otherwise than it is written", "Files that were used all the same.", rows)


def _by_number(names: Mapping[str, Names]) -> list[tuple[str, Names]]:
    """The reasons, with their names: that of the most files first."""
    return sorted(names.items(), key=lambda item: (-len(item[1]), item[0]))


def _some(names: Iterable[str]) -> str:
    first = list(itertools.islice(names, MAX_NAMES + 1))
    return ", ".join(first[:MAX_NAMES]) + (", ..." if len(first) > MAX_NAMES else "")


def hours_of(song: Song) -> float:
    return song.num_bars * song.beats_per_bar / song.tempo_bpm / 60
