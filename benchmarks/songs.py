"""The songs that the rows work on: the Groove MIDI Dataset where $DRUMJAX_DATA has it, else the starter grooves."""

from drumjax.config.data import DataSettings
from drumjax.data.datasets import load_dataset
from drumjax.data.groove_midi import shared_folder
from drumjax.music.notes import Song


def dataset_name() -> str:
    """ "groove" or "starter". Nothing is downloaded for a benchmark."""
    folder = shared_folder()
    return "groove" if folder and (folder / "groove" / "info.csv").is_file() else "starter"


def training_songs(dataset: str) -> list[Song]:
    """The training split. Imports no JAX, so a PyTorch contender may call it."""
    return [song for song in load_dataset(DataSettings(dataset=dataset)).songs if song.split == "train"]
