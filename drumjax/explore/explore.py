"""What is in a dataset: from a config, or a folder, to tables on the screen and a page."""

import dataclasses
from pathlib import Path
from typing import Any

from drumjax.config.built_in import built_in_config
from drumjax.config.load import load_config
from drumjax.config.settings import Settings, make_settings
from drumjax.data.datasets import DatasetError, load_dataset
from drumjax.explore.page import PAGE, examine, write_page
from drumjax.explore.pitches import count_pitches
from drumjax.report.page import PAGE_MARK
from drumjax.report.tables import write_text
from drumjax.system.devices import find_devices
from drumjax.system.files import check_own


def read_settings(config: str, directory: str = "", instrument: str | None = None) -> Settings:
    """The settings of a config, "" for the built-in ones, its data and instrument replaced where others are given.

    Raises SettingsError.
    """
    settings = make_settings(load_config(config) if config else built_in_config())
    changes: dict[str, Any] = {"dataset": "folder", "dir": directory} if directory else {}
    if instrument:
        changes["instrument"] = instrument
    data = dataclasses.replace(settings.data, **changes)
    codec = settings.codec
    if data.instrument not in ("drums", "all"):  # no drums, whatever the config is for
        codec = dataclasses.replace(codec, name="events", kit="")
    return dataclasses.replace(settings, data=data, codec=codec)


def explore(settings: Settings, out_dir: Path) -> None:
    """Prints all that is found, and writes the page. Raises DatasetError if there is nothing to look at,
    ForeignFileError if the page would take the place of a file of the user's, OSError."""
    find_devices()
    check_own(out_dir / PAGE, PAGE_MARK)
    dataset = load_dataset(settings.data)
    tables, kit = examine(dataset, settings)
    print(f"{dataset.source}\n\n{write_text(tables)}")
    if kit is not None and not count_pitches(dataset.songs)[kit.class_table() >= 0].any():
        raise DatasetError(f"{dataset.source}: no note is a drum of {kit.name}; see the table of pitches above")
    out_dir.mkdir(parents=True, exist_ok=True)
    print(write_page(dataset, tables, kit, out_dir))
