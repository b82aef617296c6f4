"""The pictures of augmentation: each change is there, and does something to the window that is shown."""

import matplotlib.image
import pytest

from drumjax import explore
from drumjax.augment import Strength
from drumjax.explore import SHOWN, read_config, show_augmentation
from drumjax.kits import ROLAND_TD11
from drumjax.settings import SettingsError
from drumjax.starter import starter_songs


def test_every_change_is_shown():
    assert set(SHOWN) == set(Strength._fields) - {"transpose"}


def test_the_picture_has_a_panel_per_change(tmp_path, monkeypatch):
    few = {name: SHOWN[name] for name in ("swing", "swap_hands", "drop_voice")}
    monkeypatch.setattr(explore, "SHOWN", few)
    song = next(song for song in starter_songs() if song.num_bars >= 4)
    show_augmentation([song], ROLAND_TD11, tmp_path / "a.png")
    picture = matplotlib.image.imread(tmp_path / "a.png")
    assert picture.shape[0] > 300
    assert picture.std() > 0.01


def test_a_config_is_read_or_explained(tmp_path):
    path = tmp_path / "config.py"
    path.write_text("from configs import default\n\ndef get_config():\n    return default.get_config()\n")
    assert read_config(str(path)).train.batch_size == 32
    for text in ("def get_config(", "x = 1", "import nowhere"):
        path.write_text(text)
        with pytest.raises(SettingsError, match=r"cannot read .*config.py"):
            read_config(str(path))
    with pytest.raises(SettingsError, match="FileNotFoundError"):
        read_config(str(tmp_path / "none.py"))
