"""One jitted call trains K steps: windows, encoding, forward, backward and update, all on the device."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec

from drumjax.codecs.base import Codec
from drumjax.config.settings import Settings
from drumjax.data.corpus import Corpus
from drumjax.data.song_groups import split_songs
from drumjax.models.interface import Noise, Params, Weights
from drumjax.models.model import Model
from drumjax.models.scoring import Example, score_tokens
from drumjax.music.kits import Kit
from drumjax.music.notes import Array, Window
from drumjax.runs.leaves import put
from drumjax.system.devices import choose_precision
from drumjax.training.augment import Strengths, augment
from drumjax.training.example import WindowShape, take_example
from drumjax.training.hyper import Hyper
from drumjax.training.optimizer import clip, descend, make_tx
from drumjax.training.schedule import LearningRate, Strength
from drumjax.training.state import TrainState


class Augmentation(NamedTuple):
    """Whose drums are augmented (None: a pitched instrument), and the factor of hyper.augment at a step."""

    kit: Kit | None
    schedule: Strength

    def at(self, step: Array, most: Strengths) -> Callable[[Array, Window], Window]:
        """How windows are changed at a step of a run whose strengths are `most` at most."""
        strengths = jax.tree.map(lambda x: x * self.schedule(step), most)
        return functools.partial(augment, strengths=strengths, kit=self.kit)


class Recipe(NamedTuple):
    """All that is static of a training step, as plain data: equal recipes make the same program.

    optimizer         one of config.training.OPTIMIZERS
    schedule          the factor of hyper.learning_rate at a step
    shape             of a batch of windows
    noisy             False: it is compiled without dropout
    augmentation      None: it is compiled without
    matmul_precision  one of config.training.MATMUL_PRECISIONS, or of jax.default_matmul_precision, for the operands of
                      matrix products alone; what they add up to, the state and the update stay float32
    """

    model: Model
    codec: Codec
    optimizer: str
    schedule: LearningRate
    shape: WindowShape
    noisy: bool = True
    augmentation: Augmentation | None = None
    matmul_precision: str = "default"

    @property
    def tx(self) -> optax.GradientTransformation:
        """Directions of descent of unit scale."""
        return make_tx(self.optimizer)


class Metrics(NamedTuple):
    """Of each step: scalars, or [K] of a call."""

    loss: Array
    nll: Array  # [fields], nats per step of the sequence
    accuracy: Array  # [fields], share of variables whose likeliest value is right, with dropout
    grad_norm: Array


TrainCall = Callable[[TrainState, Corpus, Hyper, Array], tuple[TrainState, Metrics]]


def make_recipe(settings: Settings, model: Model, codec: Codec, shape: WindowShape) -> Recipe:
    """What the settings say of a training step. Nothing is compiled of what they leave out."""
    t, a = settings.train, settings.augment
    augmentation = Augmentation(settings.codec.make_kit(), Strength(a.schedule, t.num_steps)) if a.is_on else None
    return Recipe(
        model,
        codec,
        optimizer=t.optimizer,
        schedule=LearningRate(t.schedule, t.warmup_steps, t.num_steps),
        shape=shape,
        noisy=t.dropout > 0,
        augmentation=augmentation,
        matmul_precision=t.matmul_precision,
    )


@functools.lru_cache(maxsize=4)  # so that a run that goes on in the same process does not compile again
def make_train_call(recipe: Recipe, mesh: jax.sharding.Mesh, max_steps: int) -> TrainCall:
    """A compiled function (state, corpus, hyper, num_steps <= max_steps) -> (state, metrics [max_steps]).

    The number of steps is traced, so that one program serves whatever stretch lies before the next evaluation, and a
    run that stops and resumes anywhere repeats the same arithmetic. Metrics beyond num_steps are NaN.

    Every device of the mesh runs the same program on its share of the batch, and sums over the batch are added up
    between them: written out with shard_map, because left to itself the compiler repeats the recurrence of the whole
    batch on every device (two CPU devices took 1.15 times as long as one; with shard_map 0.8 times).
    """
    step = _make_step(recipe, mesh)

    whole = PartitionSpec()

    @functools.partial(jax.jit, donate_argnums=(0,))
    @functools.partial(
        jax.shard_map, mesh=mesh, in_specs=(whole, corpus_spec(recipe), whole, whole), out_specs=whole, check_vma=False
    )
    def train_call(state, corpus, hyper, num_steps):
        def body(i, loop):
            state, log = loop
            state, metrics = step(corpus, hyper, state)
            return state, jax.tree.map(lambda column, value: column.at[i].set(value), log, metrics)

        return jax.lax.fori_loop(0, num_steps, body, (state, _empty_metrics(recipe, max_steps)))

    return train_call


@functools.lru_cache(maxsize=4)
def make_population_call(recipe: Recipe, mesh: jax.sharding.Mesh, max_steps: int) -> TrainCall:
    """The training call of N runs of one recipe: state, hyper, num_steps and metrics begin with an axis [N] each.

    The mesh has two axes, `member` and `data`: a device has a share of the members, and of their batches where there
    are more devices than members. Each member takes as many steps as num_steps says of it, and then stays as it is.
    The members of a device are one more axis of every array, so that a layer's step is one batched matrix product for
    all of them.
    """
    step = _make_step(recipe, mesh)
    members = PartitionSpec("member")

    @functools.partial(jax.jit, donate_argnums=(0,))
    @functools.partial(
        jax.shard_map, mesh=mesh, in_specs=(members, corpus_spec(recipe), members, members), out_specs=members,
        check_vma=False,
    )  # fmt: skip
    def train_call(states, corpus, hypers, num_steps):
        def body(i, loop):
            states, logs = loop
            is_on = i < num_steps

            def keep(new, old):
                return jnp.where(is_on.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

            stepped, metrics = jax.vmap(step, in_axes=(None, 0, 0))(corpus, hypers, states)
            logs = jax.tree.map(lambda column, value: column.at[:, i].set(keep(value, column[:, i])), logs, metrics)
            return jax.tree.map(keep, stepped, states), logs

        empty = jax.tree.map(
            lambda column: jnp.broadcast_to(column, (len(num_steps), *column.shape)), _empty_metrics(recipe, max_steps)
        )
        return jax.lax.fori_loop(0, jnp.max(num_steps), body, (states, empty))

    return train_call


def corpus_spec(recipe: Recipe) -> PartitionSpec:
    """Where the corpus is: whole on every device, or the groups of a device's share of the batch."""
    return PartitionSpec("data") if recipe.shape.is_split else PartitionSpec()


def place_corpus(corpus: Corpus, recipe: Recipe, mesh: jax.sharding.Mesh) -> Corpus:
    """The corpus of numpy arrays, the same in each process, as the recipe's training call takes it."""
    if recipe.shape.is_split:
        corpus = split_songs(corpus, recipe.shape.batch)
    sharding = jax.sharding.NamedSharding(mesh, corpus_spec(recipe))
    return jax.tree.map(lambda column: put(column, sharding), corpus)


def _empty_metrics(recipe: Recipe, max_steps: int) -> Metrics:
    fields = (len(recipe.model.fields),)
    return Metrics(*(jnp.full((max_steps, *shape), jnp.nan) for shape in ((), fields, fields, ())))


def _make_step(
    recipe: Recipe, mesh: jax.sharding.Mesh
) -> Callable[[Corpus, Hyper, TrainState], tuple[TrainState, Metrics]]:
    """One step of one run, as each device of the mesh takes it."""
    precision = choose_precision(recipe.matmul_precision, mesh.devices.flat[0])
    share = recipe.shape.batch // mesh.shape["data"]

    def step(corpus: Corpus, hyper: Hyper, state: TrainState) -> tuple[TrainState, Metrics]:
        with jax.default_matmul_precision(precision):
            return _step(recipe, "data", share, corpus, hyper, state)

    return step


def _step(
    recipe: Recipe, axis: str, share: int, corpus: Corpus, hyper: Hyper, state: TrainState
) -> tuple[TrainState, Metrics]:
    """One step, as each device of the mapped axis takes it with its `share` of the batch."""
    # Keys are per example, so what is learned does not depend on how many devices share the batch.
    key_data, key_dropout = jax.random.split(jax.random.fold_in(state.key, state.step))
    mine = jax.lax.axis_index(axis) * share + jnp.arange(share)
    keys = jax.random.split(key_data, recipe.shape.batch)[mine]
    keys_dropout = jax.random.split(key_dropout, recipe.shape.batch)[mine]
    change = recipe.augmentation.at(state.step, hyper.augment) if recipe.augmentation else None
    take = functools.partial(take_example, codec=recipe.codec, shape=recipe.shape, hyper=hyper, change=change)
    example = jax.vmap(take, in_axes=(0 if recipe.shape.is_split else None, 0))(corpus, keys)
    noise = Noise(keys_dropout, hyper.dropout) if recipe.noisy else None

    def loss_of(params: Params) -> tuple[Array, tuple[Array, Array, Params]]:
        return _loss(recipe.model, axis, Weights(params, state.stats), example, noise, hyper.field_weights)

    (loss, (nll, accuracy, stats)), grads = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    loss, nll, accuracy, grads = jax.lax.psum((loss, nll, accuracy, grads), axis)
    norm = optax.global_norm(grads)
    state = _update(recipe, hyper, state._replace(stats=stats), grads, norm)
    return state, Metrics(loss, nll, accuracy, norm)


def _loss(
    model: Model, axis: str, weights: Weights, example: Example, noise: Noise | None, field_weights: Array
) -> tuple[Array, tuple[Array, Array, Params]]:
    """This device's share of the loss, so that the sum over the devices is the loss of the batch; beside it (its share
    of each field's nats per step and of its accuracy [fields], new stats)."""
    carry, first = model.initial_carry(len(example.tokens)), None
    if example.memory is not None:
        carry, first = model.remember(weights, example.memory)
    scores, _, stats = score_tokens(model, weights, example, carry, noise, axis=axis, first=first)
    steps = jnp.maximum(jax.lax.psum(jnp.sum(scores[0].count), axis), 1)
    nll = jnp.stack([jnp.sum(score.nll) for score in scores]) / steps
    counts = jax.lax.psum(jnp.stack([jnp.sum(score.count) for score in scores]), axis)
    accuracy = jnp.stack([jnp.sum(score.correct) for score in scores]) / jnp.maximum(counts, 1)
    # Not a dot product: of that a TPU or GPU rounds the operands, as of every other.
    return jnp.sum(field_weights * nll), (nll, accuracy, stats)


def _update(recipe: Recipe, hyper: Hyper, state: TrainState, grads: Params, norm: Array) -> TrainState:
    """The state one step later; grads are those of the whole batch, norm their global norm."""
    updates, opt = recipe.tx.update(clip(grads, norm, hyper.clip_norm), state.opt, state.params)
    rate = hyper.learning_rate * recipe.schedule(state.step)
    params = descend(state.params, updates, rate, hyper.weight_decay)
    # Early on the average follows closely, so that it never remembers the random start.
    decay = jnp.minimum(hyper.average_decay, (1.0 + state.step) / (10.0 + state.step))
    average = jax.tree.map(lambda a, p: a + (1 - decay) * (p - a), state.average, params)
    return state._replace(step=state.step + 1, params=params, average=average, opt=opt)
