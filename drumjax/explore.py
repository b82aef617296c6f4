"""Looks at a dataset: `python -m drumjax.explore --config configs/rock.py [--out_dir report]`.

So far: what each augmentation does to one window of it, as a picture.
"""

import argparse
import json
import runpy
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.augment import Strength, augment
from drumjax.console import run_or_explain, set_up_logging
from drumjax.corpus import max_notes, pack, window_at
from drumjax.datasets import load_dataset, select
from drumjax.evaluation.ablation import STRENGTHS
from drumjax.files import write_atomically
from drumjax.kits import Kit, get_kit
from drumjax.notes import Notes, Song, Window
from drumjax.settings import Settings, SettingsError, make_settings

WINDOW_BEATS = 8
# Odds are shown at work, and small numbers a little larger than one would train with, so that they can be seen.
SHOWN = {name: 1.0 if value < 1 and name not in ("tempo", "gain", "curve", "swing") else 2.0 * value
         for name, value in STRENGTHS.items()}  # fmt: skip


def read_config(path: str) -> Settings:
    """The settings of a config file, which is executed. Raises SettingsError."""
    try:
        get_config: Any = runpy.run_path(path)["get_config"]
        return make_settings(json.loads(get_config().to_json()))
    except (OSError, KeyError, SyntaxError, ImportError) as error:
        raise SettingsError(f"--config: cannot read {path}: {type(error).__name__}: {error}") from error


def show_augmentation(songs: list[Song], kit: Kit, path: Path, seed: int = 0) -> None:
    """Draws what each change of augment.Strength makes of two bars of the busiest song."""
    song = max(songs, key=lambda song: len(set(song.notes.pitch.tolist())) * len(song.notes.pitch) / song.num_bars)
    corpus = pack([song])
    start = np.int32(min(2 * song.beats_per_bar, max(0, song.num_bars * song.beats_per_bar - WINDOW_BEATS)))
    window = window_at(jax.device_put(corpus), jnp.int32(0), start, WINDOW_BEATS, max_notes(corpus, WINDOW_BEATS))
    after, tempos = {}, {}
    for name, value in SHOWN.items():
        strength = Strength(**{name: jnp.float32(value)})
        changed = _first_change(window, strength, kit, seed)
        after[f"{name} {value:g}"] = Notes(*map(np.asarray, changed.notes))
        tempos[f"{name} {value:g}"] = float(changed.context.tempo_bpm)
    from drumjax.gallery.plots import draw_changes  # matplotlib takes a second to import

    write_atomically(path, draw_changes(Notes(*map(np.asarray, window.notes)), after, tempos, kit, WINDOW_BEATS))


def _first_change(window: Window, strength: Strength, kit: Kit, seed: int) -> Window:
    """The first of some random changes that does something: another bar may be the same one."""
    change = jax.jit(lambda key: augment(key, window, strength, kit))
    for key in jax.random.split(jax.random.key(seed), 20):
        changed = change(key)
        if any(not np.allclose(a, b, atol=1e-3) for a, b in zip(changed.notes, window.notes, strict=True)):
            break
    return changed


def explore(config: str, out_dir: Path) -> None:
    settings = read_config(config)
    dataset = load_dataset(settings.data)
    songs = select(dataset.songs, split="train")
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / "augmentation.png"
    show_augmentation(songs, get_kit(settings.codec.kit), path)
    print(path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m drumjax.explore", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--config", default="configs/rock.py", help="whose data")
    parser.add_argument("--out_dir", type=Path, default=Path("report"), help="where the pictures go")
    args = parser.parse_args()
    set_up_logging()
    return run_or_explain(lambda: explore(args.config, args.out_dir))


if __name__ == "__main__":
    raise SystemExit(main())
