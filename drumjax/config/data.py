"""Which songs a run learns from, and which it is validated by."""

import dataclasses

from drumjax.config.checks import SettingsError, require, require_choice
from drumjax.midi.instruments import parse_instrument
from drumjax.music.notes import FILL_NO, FILL_YES

DATASETS = ("groove", "folder", "starter")
# What of beats and fills is kept, as the value of Song.fill that it has to have.
FILLS = {"all": None, "beat": FILL_NO, "fill": FILL_YES}


@dataclasses.dataclass(frozen=True)
class SelectionSettings:
    """Which of the dataset's songs, beyond their split; see data.selection.select.

    styles           primary styles to keep, () for all
    fill             "beat" or "fill" keeps only these, "all" both
    time_signatures  such as ("4/4", "6/8"), () for all
    drummers         such as ("drummer1",), () for all
    """

    styles: tuple[str, ...] = ()
    fill: str = "all"
    time_signatures: tuple[str, ...] = ()
    drummers: tuple[str, ...] = ()

    def __post_init__(self):
        require_choice("validation.fill", self.fill, FILLS)


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """What to load. Raises SettingsError at once for a value that can't be.

    dataset              "groove", "folder" or "starter"
    dir                  where it is, a folder's also below $DRUMJAX_DATA; "" lets groove look for itself
    fallback             groove: use the starter grooves if the dataset can't be downloaded
    styles, fill, time_signatures, drummers  which of its songs, as in SelectionSettings
    instrument           "drums": channel 10; "all": every note of a file; or as instruments.parse_instrument
    sustain              notes sound on while the sustain pedal is down
    validation_fraction  folder: the share of files held out, in (0, 1)
    seed                 starter: which variations
    """

    dataset: str = "groove"
    dir: str = ""
    fallback: bool = True
    styles: tuple[str, ...] = ()
    fill: str = "all"
    time_signatures: tuple[str, ...] = ()
    drummers: tuple[str, ...] = ()
    instrument: str = "drums"
    sustain: bool = False
    validation_fraction: float = 0.1
    seed: int = 0

    def __post_init__(self):
        require_choice("data.dataset", self.dataset, DATASETS)
        require_choice("data.fill", self.fill, FILLS)
        for name in ("styles", "time_signatures", "drummers"):
            value = getattr(self, name)  # a bare string would be taken letter by letter
            is_tuple = isinstance(value, tuple) and all(isinstance(part, str) for part in value)
            require(is_tuple, f"data.{name}", value, "a tuple of strings such as ('a',)")
        share = self.validation_fraction
        require(0.0 < share < 1.0, "data.validation_fraction", share, "between 0 and 1")
        try:
            parse_instrument(self.instrument)
        except ValueError as error:
            raise SettingsError(f"config.data: {error}") from error
