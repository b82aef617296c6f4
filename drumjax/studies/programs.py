"""The programs of a run as JAX has traced them, of shapes alone: nothing is computed, and no device need be there."""

from typing import Any

import jax
import numpy as np

from drumjax.models.interface import Weights
from drumjax.models.song_scoring import BATCH_SONGS, CHUNK_STEPS, make_chunk_scorer
from drumjax.music.notes import Context
from drumjax.runs.run import Run
from drumjax.sampling.piece import Piece, settle
from drumjax.sampling.plan import choose_block_size, make_plan
from drumjax.sampling.request import make_request
from drumjax.sampling.sampler import make_sampler, needs
from drumjax.system.devices import make_data_mesh
from drumjax.training.data import TrainingData
from drumjax.training.example import take_example
from drumjax.training.hyper import make_hyper
from drumjax.training.state import init_state
from drumjax.training.step import Recipe, make_train_call

_SEED = jax.ShapeDtypeStruct((2,), np.uint32)
_STEP = jax.ShapeDtypeStruct((), np.int32)


def corpus_rows(data: TrainingData) -> frozenset[int]:
    """The lengths of the corpus's columns of notes and of beats."""
    corpus = data.corpus
    return frozenset(len(column) for column in (corpus.notes.pitch, corpus.beat_song, corpus.beat_note))


def shapes_of(tree: Any) -> Any:
    """The arrays of a tree as their shapes and types."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def trace_training(recipe: Recipe, run: Run, data: TrainingData, num_devices: int = 1) -> jax.stages.Traced:
    """The call that trains train.steps_per_call steps."""
    call: Any = make_train_call(recipe, make_data_mesh(num_devices), run.settings.train.steps_per_call)
    state = jax.eval_shape(lambda seed: init_state(recipe.model, recipe.tx, jax.random.wrap_key_data(seed)), _SEED)
    hyper = shapes_of(make_hyper(run.settings, recipe.codec.fields))
    return call.trace(state, shapes_of(data.corpus), hyper, _STEP)


def trace_examples(recipe: Recipe, run: Run, data: TrainingData) -> jax.stages.Traced:
    """A batch of windows of the corpus, augmented and encoded: what a training step begins with."""

    def take(corpus, hyper, seed, step):
        change = recipe.augmentation.at(step, hyper.augment) if recipe.augmentation else None
        keys = jax.random.split(jax.random.wrap_key_data(seed), recipe.shape.batch)
        codec, shape = recipe.codec, recipe.shape
        return jax.vmap(lambda key: take_example(corpus, key, codec=codec, shape=shape, hyper=hyper, change=change))(
            keys
        )

    hyper = shapes_of(make_hyper(run.settings, recipe.codec.fields))
    return jax.jit(take).trace(shapes_of(data.corpus), hyper, _SEED, _STEP)


def trace_sampler(run: Run) -> jax.stages.Traced:
    """What plays a block of pieces as the config asks for them, on a GPU or TPU."""
    plan = make_plan(run)
    number = range(choose_block_size(run.codec, plan.controls, None, "gpu"))
    request = make_request(plan.run, settle([Piece(plan.controls)] * len(number), number), number)
    sampler: Any = make_sampler(run.model, run.codec, **needs(request, ()))
    key = jax.eval_shape(jax.random.wrap_key_data, _SEED)
    return sampler.trace(_weights_of(run), key, shapes_of(request))


def trace_scorer(run: Run) -> jax.stages.Traced:
    """What scores a chunk of each of a batch of songs."""
    num_variables = sum(field.count for field in run.codec.fields)
    tokens = jax.ShapeDtypeStruct((BATCH_SONGS, CHUNK_STEPS, num_variables), np.int32)
    first = jax.ShapeDtypeStruct((BATCH_SONGS, num_variables), np.int32)
    tick = jax.ShapeDtypeStruct((BATCH_SONGS,), np.int32)
    carry = jax.eval_shape(lambda: run.model.initial_carry(BATCH_SONGS))
    context = jax.tree.map(lambda value: jax.ShapeDtypeStruct((BATCH_SONGS,), value.dtype), Context())
    scorer: Any = make_chunk_scorer(run.model, run.codec)
    return scorer.trace(_weights_of(run), tokens, first, tick, carry, context)


def _weights_of(run: Run) -> Weights:
    """The shapes of the run's weights, which need not be there."""
    return jax.eval_shape(lambda seed: run.model.init(jax.random.wrap_key_data(seed)), _SEED)
