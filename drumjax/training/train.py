"""Trains a model: settings, data, model, restore, loop. What `run_train.py` calls, and a notebook may."""

import contextlib
from pathlib import Path
from typing import Any

import jax

from drumjax.codecs.factory import make_codec
from drumjax.config.settings import Settings, SettingsError, history_odds, make_settings
from drumjax.runs.checkpoint import Checkpoints
from drumjax.runs.metrics import MetricsLog, Progress
from drumjax.runs.run import make_metadata, make_model
from drumjax.runs.workdir import check_same_run, make_workdir, write_config
from drumjax.system.devices import make_data_mesh
from drumjax.system.lock import lock_workdir
from drumjax.training.data import load_training_data
from drumjax.training.init_from import inherited_vocabulary
from drumjax.training.loop import Result, TrainLoop
from drumjax.training.recipe import count_steps, make_window_shape


def train(config: dict[str, Any], workdir: str | Path, *, num_devices: int = 0) -> Result:
    """Trains as `config` (a nested dict, see configs/default.py) says, or resumes the run that is in `workdir`.

    num_devices is how many devices share each batch; 0 takes all, of all processes. Whatever cannot be run raises an
    error of one clear line: SettingsError, DatasetError, RequestError (what to play at evaluations), DeviceError,
    RunError, CheckpointError, LockError, TrainError or OSError.
    """
    settings, workdir = make_settings(config), Path(workdir)
    is_main = jax.process_index() == 0
    check_same_run(workdir, config)
    mesh = make_data_mesh(num_devices)
    _check_divisible(settings, mesh.size)
    data = load_training_data(settings)
    codec = make_codec(settings.codec, data.vocabulary)
    _check_field_weights(settings, len(codec.fields))
    history_odds(settings.train, codec.fields)  # before anything is written
    make_workdir(workdir)
    with contextlib.ExitStack() as stack:
        if is_main:
            stack.enter_context(lock_workdir(workdir))
        checkpoints = stack.enter_context(Checkpoints(workdir / "checkpoints"))
        vocabulary = data.vocabulary
        if vocabulary:  # a run that goes on, or starts from another, keeps the meaning of its tokens
            vocabulary = inherited_vocabulary(checkpoints, settings.train.init_from) or vocabulary
            codec = make_codec(settings.codec, vocabulary)
        settings = count_steps(settings, make_window_shape(settings, codec, data.corpus), data.corpus)
        model = make_model(settings, codec, len(data.styles))
        metadata = make_metadata(config, data.styles, vocabulary, data.description)
        loop = TrainLoop(settings, metadata, workdir, checkpoints)
        loop.build(model, codec, data, mesh)
        loop.restore()
        if is_main:
            write_config(workdir, config, data.description)
        loop.log = stack.enter_context(MetricsLog(workdir, loop.step, enabled=is_main))
        loop.progress = stack.enter_context(Progress(loop.step, settings.train.num_steps, enabled=is_main))
        return loop.run()


def _check_divisible(settings: Settings, num_devices: int) -> None:
    if settings.train.batch_size % num_devices:
        size = settings.train.batch_size
        raise SettingsError(f"config.train.batch_size is {size}; it must be a multiple of the {num_devices} devices")


def _check_field_weights(settings: Settings, num_fields: int) -> None:
    if len(settings.train.field_weights) < num_fields:
        raise SettingsError(
            f"config.train.field_weights is {settings.train.field_weights}; the codec has {num_fields} fields"
        )
