"""The songs that the rows work on: the Groove MIDI Dataset where $DRUMJAX_DATA has it, else the starter grooves."""

import os
from pathlib import Path

from drumjax.config.data import DataSettings
from drumjax.data.datasets import load_dataset
from drumjax.music.notes import Song


def dataset_name() -> str:
    """ "groove" or "starter". Nothing is downloaded for a benchmark."""
    folder = os.environ.get("DRUMJAX_DATA", "")
    return "groove" if folder and (Path(folder) / "groove" / "info.csv").is_file() else "starter"


def training_songs(dataset: str) -> list[Song]:
    """The training split. Imports no JAX, so a PyTorch contender may call it."""
    return [song for song in load_dataset(DataSettings(dataset=dataset)).songs if song.split == "train"]
