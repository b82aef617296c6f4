"""drumjax: LSTMs that learn to play drums, in JAX.

    import drumjax

    model = drumjax.load("runs/rock")
    songs = model.sample(4, bars=8, bpm=96, style="funk", fill=4)
    drumjax.show(songs[0])
    drumjax.write_midi(songs[0], "groove.mid")

The names below are imported when they are first used, so that `import drumjax` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives.
_PUBLIC = {
    "load": "drumjax.api",
    "TrainedModel": "drumjax.api",
    "show": "drumjax.api",
    "load_dataset": "drumjax.api",
    "train": "drumjax.training.train",
    "load_config": "drumjax.config.load",
    "find_devices": "drumjax.system.devices",
    "read_midi": "drumjax.midi.reader",
    "write_midi": "drumjax.midi.reader",
    "read_tab": "drumjax.music.tab",
    "read_tab_file": "drumjax.music.tab",
    "write_tab": "drumjax.music.tab",
    "Song": "drumjax.music.notes",
    "UserError": "drumjax.system.errors",
}
__all__ = ["__version__", *sorted(_PUBLIC)]

if TYPE_CHECKING:  # what __getattr__ gives, for type checkers and editors
    from drumjax.api import TrainedModel as TrainedModel
    from drumjax.api import load as load
    from drumjax.api import load_dataset as load_dataset
    from drumjax.api import show as show
    from drumjax.config.load import load_config as load_config
    from drumjax.midi.reader import read_midi as read_midi
    from drumjax.midi.reader import write_midi as write_midi
    from drumjax.music.notes import Song as Song
    from drumjax.music.tab import read_tab as read_tab
    from drumjax.music.tab import read_tab_file as read_tab_file
    from drumjax.music.tab import write_tab as write_tab
    from drumjax.system.devices import find_devices as find_devices
    from drumjax.system.errors import UserError as UserError
    from drumjax.training.train import train as train


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'drumjax' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
