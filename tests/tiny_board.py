"""A tiny model of nine drums, and songs to judge it by: what the tests of evaluation and of studies share."""

import dataclasses
import functools

from tiny import make_bare_model, make_song
from tiny import make_run as make_tiny_run

from drumjax.codecs.grid import GridCodec
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import FILL_NO
from drumjax.runs.run import Run

CODEC = GridCodec(ROLAND_TD11, velocity_bins=4, offset_bins=4, lookback_bars=1)
SONGS = [
    dataclasses.replace(
        make_song(seed, 16, style=("rock", "jazz")[seed % 2], drummer=f"drummer{seed % 2}", name=f"{split}{seed}"),
        split=split, fill=FILL_NO,
    )
    for split in ("train", "validation")
    for seed in range(4 * (split == "validation"), 4 + 4 * (split == "validation"))
]  # fmt: skip
HELD_OUT = [song for song in SONGS if song.split == "validation"]


@functools.cache
def make_run() -> Run:
    return make_tiny_run(make_bare_model(CODEC), CODEC)
