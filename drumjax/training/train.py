"""Trains a model: settings, data, model, restore, loop. What `run_train.py` calls, and a notebook may."""

import contextlib
import dataclasses
import functools
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from drumjax.codecs.factory import make_codec
from drumjax.config.checks import require
from drumjax.config.load import load_config, override
from drumjax.config.settings import Settings, make_settings
from drumjax.config.spelling import spell_style
from drumjax.models.interface import Weights
from drumjax.runs.checkpoint import Checkpoints
from drumjax.runs.metrics import MetricsLog
from drumjax.runs.notebook_progress import NotebookProgress, in_notebook
from drumjax.runs.progress import Progress, TextProgress
from drumjax.runs.run import Run, make_metadata, make_model, with_known_defaults
from drumjax.runs.workdir import check_same_run, make_workdir, write_config
from drumjax.system.devices import choose_precision, find_devices, make_data_mesh, replicate, replicated
from drumjax.system.files import user_path
from drumjax.system.kept_programs import Kept, keep
from drumjax.system.lock import lock_folder
from drumjax.training.data import TrainingData, load_training_data
from drumjax.training.example import count_steps, make_window_shape
from drumjax.training.hyper import make_hyper
from drumjax.training.init_from import inherited_vocabulary
from drumjax.training.loop import Step, train_alone
from drumjax.training.start import find_start
from drumjax.training.state import TrainState, init_state
from drumjax.training.step import Recipe, make_recipe, make_train_call, place_corpus
from drumjax.training.trainer import Result, Sinks, Trainer
from drumjax.training.validation import Validator

logger = logging.getLogger(__name__)


def train(
    config: dict[str, Any] | str | Path,
    workdir: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    num_devices: int = 0,
) -> Result:
    """Trains as a config says, or resumes the run that is in `workdir`.

    Args:
      config: a nested dict (see configs/default.py), the path of a config file, or a name in configs/ such as "rock".
      workdir: where the run is kept; made if missing.
      overrides: values by dotted name, such as {"train.num_steps": 500}, in place of the config's.
      num_devices: how many devices share each batch; 0 takes all, of all processes.

    Raises:
      UserError: whatever cannot be run, in one clear line (SettingsError, DatasetError, RequestError, DeviceError,
        RunError, CheckpointError, LockError, TrainError). OSError: a file cannot be written.
    """
    config = load_config(config) if isinstance(config, str | Path) else json.loads(json.dumps(config))
    override(config, overrides or {})
    settings, workdir = make_settings(config), user_path(workdir)
    find_devices()
    check_same_run(workdir, config)
    mesh = make_data_mesh(num_devices)
    must = f"a multiple of the {mesh.size} devices"
    require(settings.train.batch_size % mesh.size == 0, "train.batch_size", settings.train.batch_size, must)
    data = load_training_data(settings)
    with contextlib.ExitStack() as stack:
        opened = open_run(stack, config, workdir, data, mesh, _make_progress, _read_step_ahead)
        step = make_step(opened.recipe, opened.run.settings, opened.data, mesh)
        return train_alone(opened.trainer, opened.state, step)


class Opened(NamedTuple):
    """A run that is ready to be trained. `data` is what it was given, but for the vocabulary of a run that goes on."""

    run: Run
    recipe: Recipe
    data: TrainingData
    trainer: Trainer
    state: TrainState


def open_run(
    stack: contextlib.ExitStack,
    config: dict[str, Any],
    workdir: Path,
    data: TrainingData,
    mesh: jax.sharding.Mesh,
    make_progress: Callable[[Path, int, Run, bool], Progress],
    foresee: Callable[[Recipe, Settings, TrainingData, jax.sharding.Mesh], None] | None = None,
) -> Opened:
    """Makes or opens the run of this config in `workdir`, until `stack` is left, and finds where it goes on. Its state
    is on every device of the mesh. `foresee` is called as soon as it is known how it will be trained. Raises what
    train() does, before anything is written if the settings are wrong."""
    settings = make_settings(config)
    make_hyper(settings, make_codec(settings.codec, data.vocabulary).fields)
    make_workdir(workdir)
    is_main = jax.process_index() == 0
    if is_main:
        stack.enter_context(lock_folder(workdir, "--workdir"))
    checkpoints = stack.enter_context(Checkpoints(workdir / "checkpoints"))
    data = _keep_vocabulary(data, checkpoints, settings.train.init_from)
    run, recipe = describe(settings, data)
    if foresee:
        foresee(recipe, run.settings, data, mesh)
    metadata = make_metadata(config, data.styles, data.vocabulary, data.description)
    fresh = functools.partial(init, recipe, settings.train.seed, mesh)
    start = find_start(shapes_of_state(recipe, mesh), fresh, run.settings, metadata, checkpoints, workdir)
    if is_main:
        write_config(workdir, config, data.description)
    log = stack.enter_context(MetricsLog(workdir, start.step, enabled=is_main))
    progress = stack.enter_context(make_progress(workdir, start.step, run, is_main))
    trainer = Trainer(
        run.settings.train,
        [field.name for field in run.codec.fields],
        start,
        Validator(run, data.validation),
        Sinks(workdir, checkpoints, log, progress, metadata),
    )
    return Opened(run, recipe, data, trainer, start.state)


def _make_progress(workdir: Path, first_step: int, run: Run, enabled: bool) -> Progress:
    num_steps = run.settings.train.num_steps
    if enabled and in_notebook():
        return NotebookProgress(workdir, first_step, num_steps, run.codec.kit)
    return TextProgress(first_step, num_steps, enabled)


def _keep_vocabulary(data: TrainingData, checkpoints: Checkpoints, source: str) -> TrainingData:
    """A run that goes on, or starts from another, keeps the meaning of its tokens."""
    if data.vocabulary is None:
        return data
    return dataclasses.replace(data, vocabulary=inherited_vocabulary(checkpoints, source) or data.vocabulary)


def describe(settings: Settings, data: TrainingData) -> tuple[Run, Recipe]:
    """The run, without weights yet, and its training step: the codec, the window's shape and the model, made once."""
    codec = make_codec(settings.codec, data.vocabulary)
    shape = make_window_shape(settings, codec, data.corpus)
    settings = count_steps(settings, shape, data.corpus)
    for name, names in (("style", data.styles), ("player", data.players)):
        value = getattr(settings.sample, name)
        if spell_style(value, names) not in names:  # a folder or a fallback dataset may lack it
            known = ", ".join(filter(None, names)) or "none"
            logger.warning("config.sample.%s is %r, which no training song has (there are: %s); it is left open",
                           name, value, known)  # fmt: skip
    asked, time_signatures = settings.sample.time_signature, tuple(data.description["time_signatures"])
    settings = with_known_defaults(settings, data.styles, data.players, time_signatures)
    if settings.sample.time_signature != asked:
        logger.warning("config.sample.time_signature is %s, which no training song has; it plays %s unless told "
                       "otherwise", asked, settings.sample.time_signature)  # fmt: skip
    model = make_model(settings, codec, len(data.styles), len(data.players))
    run = Run(settings, codec, model, Weights({}, {}), data.styles, players=data.players)
    return run, make_recipe(settings, model, codec, shape)


def init(recipe: Recipe, seed: int, mesh: jax.sharding.Mesh) -> TrainState:
    """A fresh state on every device of the mesh."""
    return _make_init(recipe, mesh)(_key_data(seed))


def shapes_of_state(recipe: Recipe, mesh: jax.sharding.Mesh) -> TrainState:
    """What init() makes, as jax.ShapeDtypeStructs: nothing is computed."""
    shapes: TrainState = _shapes(_make_init(recipe, mesh).eval_shape(_key_data(0)), mesh)
    return shapes


def _shapes(tree: Any, mesh: jax.sharding.Mesh) -> Any:
    """Of arrays that are, or will be, whole on every device of the mesh."""
    whole = replicated(mesh)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole), tree)


def _key_data(seed: int) -> np.ndarray:
    """Of a key, as numpy: several processes share no other input."""
    return np.asarray(jax.random.key_data(jax.random.key(seed)))


@functools.lru_cache(maxsize=4)
def _make_init(recipe: Recipe, mesh: jax.sharding.Mesh) -> Any:
    def init(key_data):
        return init_state(recipe.model, recipe.tx, jax.random.wrap_key_data(key_data))

    return jax.jit(init, out_shardings=replicated(mesh))


def make_step(recipe: Recipe, settings: Settings, data: TrainingData, mesh: jax.sharding.Mesh) -> Step:
    """The compiled training call, with the corpus and the run's numbers on every device."""
    if choose_precision(recipe.matmul_precision, mesh.devices.flat[0]) in ("bfloat16", "BF16_BF16_F32"):
        logger.info(
            "matrix products take bfloat16 and add up in float32 (config.train.matmul_precision=%s)",
            recipe.matmul_precision,
        )
    call = _find_step(recipe, settings, mesh)
    corpus = place_corpus(data.corpus, recipe, mesh)
    hyper = replicate(make_hyper(settings, recipe.codec.fields), mesh)
    return lambda state, num_steps: call(state, corpus, hyper, np.asarray(num_steps, np.int32))


def _read_step_ahead(recipe: Recipe, settings: Settings, data: TrainingData, mesh: jax.sharding.Mesh) -> None:
    """Begins to read the compiled training call, if it is kept, while the run is opened."""
    hyper = make_hyper(settings, recipe.codec.fields)
    if recipe.shape.is_split:  # its shapes are only known once it is
        return
    shapes = _shapes(shapes_of_state(recipe, mesh), mesh), _shapes(data.corpus, mesh), _shapes(hyper, mesh)
    _find_step(recipe, settings, mesh).read_ahead(*shapes, np.asarray(0, np.int32))


def _find_step(recipe: Recipe, settings: Settings, mesh: jax.sharding.Mesh) -> Kept:
    num_steps = settings.train.steps_per_call
    return keep(make_train_call(recipe, mesh, num_steps), recipe, num_steps, mesh=mesh, donate_argnums=(0,))
