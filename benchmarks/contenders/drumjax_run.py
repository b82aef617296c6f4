"""drumjax as a run sets it up: settings from a config with some fields changed, codec, model, corpus, training call."""

import importlib
import json
from pathlib import Path
from typing import Any

from benchmarks.songs import training_songs
from drumjax.codecs.factory import make_codec
from drumjax.config.settings import Settings, make_settings
from drumjax.data.corpus import Corpus, pack
from drumjax.runs.run import make_model
from drumjax.system.devices import make_data_mesh, use_cores
from drumjax.training.data import TrainingData
from drumjax.training.loop import TrainLoop


def read_settings(config: str, changes: dict[str, Any]) -> Settings:
    """The settings of configs/<config>.py, with `group.field` changed."""
    values = importlib.import_module(f"configs.{config}").get_config()
    values.update_from_flattened_dict(changes)
    return make_settings(json.loads(values.to_json()))


def make_corpus(
    settings: Settings, dataset: str, num_songs: int = 0, copies: int = 1
) -> tuple[Corpus, tuple[str, ...]]:
    """`copies` of the first `num_songs` training songs (0: all), and their styles."""
    codec = make_codec(settings.codec)
    songs = [song for song in training_songs(dataset) if codec.accepts(song.beats_per_bar)]
    styles = ("", *sorted({song.style for song in songs} - {""}))
    return pack((songs[:num_songs] if num_songs else songs) * copies, styles), styles


def make_loop(settings: Settings, corpus: Corpus, styles: tuple[str, ...]) -> TrainLoop:
    """A TrainLoop, built as train() builds it."""
    use_cores(settings.train.batch_size)  # as run_train.py does
    codec = make_codec(settings.codec)
    model = make_model(settings, codec, len(styles))
    nowhere: Any = None  # nothing is saved
    loop = TrainLoop(settings, {}, Path(), nowhere)
    loop.build(model, codec, TrainingData(corpus, [], styles, None, {}), make_data_mesh())
    return loop
