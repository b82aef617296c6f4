"""What explore finds, as tables and as a page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drumjax.config.settings import Settings
from drumjax.data.datasets import Dataset
from drumjax.explore.advice import advise, make_table
from drumjax.explore.augmentation_pictures import draw_augmentation
from drumjax.explore.grid_loss import compare_grids, offsets_ms
from drumjax.explore.inventory import count_by, count_splits, cross_styles, list_notices, list_skipped
from drumjax.explore.leakage import check_leakage
from drumjax.explore.pitches import UNMAPPED, map_drums, range_of_notes
from drumjax.music.kits import Kit
from drumjax.music.metre import write_metre
from drumjax.music.notes import Song
from drumjax.report.page import PAGE_MARK, Page
from drumjax.report.piece import Piece
from drumjax.report.tables import Table
from drumjax.system.files import replace_own

# Of the examples on the page.
EXAMPLE_BARS, NUM_EXAMPLES = 8, 4
PAGE = "index.html"


def examine(dataset: Dataset, settings: Settings) -> tuple[list[Table], Kit | None]:
    """Everything as tables; and the kit that the songs are looked at with, None if they are no drums."""
    songs = dataset.songs
    is_drums = settings.data.instrument == "drums" or all(song.is_drums for song in songs)
    kit = settings.codec.make_kit() if is_drums else None
    tables = [count_splits(songs)]
    if dataset.skipped:
        tables.append(list_skipped(dataset))
    if dataset.notices:
        tables.append(list_notices(dataset))
    tables.append(count_by(songs, "Time signatures", lambda song: write_metre(song.time_signature)))
    if any(song.style for song in songs):
        tables.append(count_by(songs, "Styles", lambda song: song.style))
    if any(song.drummer for song in songs):
        tables += [count_by(songs, "Drummers", lambda song: song.drummer), cross_styles(songs)]
    if not kit:
        tables.append(range_of_notes(songs))
    if read_as := settings.codec.make_kit():  # with instrument=all a run takes these notes for drums, whatever they are
        tables.append(map_drums(songs, read_as))
    tables += [compare_grids(songs, kit), _describe_velocity(songs), check_leakage(songs, kit)]
    tables.append(make_table(advise(songs, settings, kit)))
    return tables, kit


def _describe_velocity(songs: Sequence[Song]) -> Table:
    velocity = np.concatenate([song.notes.velocity for song in songs])
    quantiles = " / ".join(f"{q:.0f}" for q in np.quantile(velocity, (0.05, 0.25, 0.5, 0.75, 0.95)))
    rows = [
        ["", ""],
        ["mean", f"{velocity.mean():.1f}"],
        ["5% / 25% / median / 75% / 95%", quantiles],
        ["as loud as can be (127)", f"{100 * np.mean(velocity == 127):.1f}%"],
        ["different values", str(len(np.unique(velocity)))],
    ]
    return Table("Velocity", "", rows)


def write_page(dataset: Dataset, tables: Sequence[Table], kit: Kit | None, out_dir: Path) -> Path:
    """out_dir/index.html. Raises OSError, or ForeignFileError for one that is no page of ours."""
    from drumjax.report.plots import draw_histogram  # imports matplotlib

    songs = dataset.songs
    page = Page("What is in the data", dataset.source, kit)
    for table in tables:
        page.begin(table.title, table.note)
        page.add_table(table.rows, bad=(UNMAPPED,))
    page.begin("Distributions")
    tempo = np.repeat([song.tempo_bpm for song in songs], [song.num_bars for song in songs])
    page.add_picture(draw_histogram(tempo, "tempo, bpm, by bar"), "Tempo, by bar.")
    offset = offsets_ms(songs, 4)
    late = draw_histogram(np.clip(offset, -90, 90), "ms late against the nearest 16th", marks=[offset.mean()])
    page.add_picture(late, "Timing: how late notes are; the line is the mean.")
    velocity = np.concatenate([song.notes.velocity for song in songs])
    page.add_picture(draw_histogram(velocity, "velocity", np.arange(0.5, 128.5)), "Velocity.")
    if kit:
        page.begin("Augmentation", "Two bars before (hollow) and after each change of config.augment, exaggerated.")
        page.add_picture(draw_augmentation(list(songs), kit), "What each augmentation does.")
    page.begin("Examples", "The beginnings of a few songs, as they are read.")
    long = [song for song in songs if song.num_bars >= EXAMPLE_BARS] or list(songs)
    for song in long[:: max(1, len(long) // NUM_EXAMPLES)][:NUM_EXAMPLES]:
        facts = " · ".join(filter(None, [song.style, song.drummer, song.split]))
        page.add_piece(Piece(song, song.name, min(EXAMPLE_BARS, song.num_bars), facts))
    path = out_dir / PAGE
    replace_own(path, page.write().encode(), PAGE_MARK)
    return path
