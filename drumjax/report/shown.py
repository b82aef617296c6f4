"""Songs to see and hear in a notebook cell."""

import html
from collections.abc import Sequence

import numpy as np

from drumjax.music.kits import Kit
from drumjax.music.notes import Song
from drumjax.report.page import Page
from drumjax.report.piece import Piece

# Pixels in a notebook cell: above the pieces; of a piece without its notes; of a row of those; and of all, at most.
_BAR_HEIGHT, _PIECE_HEIGHT, _DRUM_HEIGHT, _PITCH_HEIGHT, _MAX_HEIGHT = 60, 150, 20, 8, 1600


class Shown:
    """Songs to see and hear in a notebook cell: pictures with a play button, in a frame of their own."""

    def __init__(self, songs: Sequence[Song], kit: Kit | None):
        page = Page("drumjax", "", kit)
        height = _BAR_HEIGHT
        for i, song in enumerate(songs):
            page.add_piece(Piece(song, song.name or f"number {i}", max(1, song.num_bars), song.style))
            height += _PIECE_HEIGHT + _count_rows(song, kit) * (_DRUM_HEIGHT if kit else _PITCH_HEIGHT)
        # The page makes its frame as high as it is, where it may; this is for where it may not.
        self.page, self.height = page.write(), min(height, _MAX_HEIGHT)

    def _repr_html_(self) -> str:
        # A frame: its styles and scripts do not meet those of the notebook, nor those of other cells.
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" width="100%" height="{self.height}" '
            'style="border:0" title="drumjax"></iframe>'
        )


def _count_rows(song: Song, kit: Kit | None) -> int:
    """Rows of its picture, about."""
    if kit:
        return kit.num_classes
    return int(np.ptp(song.notes.pitch)) + 1 if len(song.notes.pitch) else 12
