"""drumjax as a run sets it up: settings from a config with some fields changed, codec, model, corpus, training call."""

import importlib
import json
from typing import Any

from benchmarks.songs import training_songs
from drumjax.codecs.factory import make_codec
from drumjax.config.settings import Settings, make_settings
from drumjax.data.corpus import Corpus, pack
from drumjax.system.devices import count_shares, make_data_mesh, use_cores
from drumjax.training.data import TrainingData
from drumjax.training.loop import Step
from drumjax.training.state import TrainState
from drumjax.training.train import describe, init, make_step


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


def make_training(settings: Settings, corpus: Corpus, styles: tuple[str, ...]) -> tuple[TrainState, Step]:
    """A fresh train state and the compiled training call, built as train() builds them."""
    use_cores(count_shares(settings.train.batch_size, settings.model.hidden_size))  # as run_train.py does
    data, mesh = TrainingData(corpus, [], styles, None, {"time_signatures": ["4/4"]}), make_data_mesh()
    run, recipe = describe(settings, data)
    return init(recipe, settings.train.seed, mesh), make_step(recipe, run.settings, data, mesh)
