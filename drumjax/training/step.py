"""One jitted call trains K steps: windows, encoding, forward, backward and update, all on the device."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec

from drumjax.codecs.base import Codec, clock
from drumjax.data.corpus import Corpus, take_window
from drumjax.models.conditioning import hide, hide_history, measure
from drumjax.models.model import Model, Params
from drumjax.models.network import Noise
from drumjax.models.scoring import Example, score_tokens
from drumjax.music.kits import Kit
from drumjax.music.notes import Array, Window
from drumjax.system.devices import matmuls_in
from drumjax.training.augment import Strength, augment
from drumjax.training.hyper import Hyper
from drumjax.training.optimizer import clip, descend


class TrainState(NamedTuple):
    """Everything a run is: restore it and the run goes on bit for bit.

    step     int32, steps taken
    key      typed PRNG key of the run; each step uses fold_in(key, step)
    params   what is trained
    average  exponential moving average of params, what is evaluated and sampled
    stats    running statistics of batch norm, {} without it
    opt      optax state
    """

    step: Array
    key: Array
    params: Params
    average: Params
    stats: Params
    opt: optax.OptState

    def to_items(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The two items of a checkpoint: what sampling needs, and the rest."""
        params = {"params": self.average, **({"stats": self.stats} if self.stats else {})}
        return params, {"step": self.step, "key": self.key, "params": self.params, "opt": self.opt}

    @classmethod
    def from_items(cls, params: dict[str, Any], rest: dict[str, Any]) -> "TrainState":
        """The inverse of to_items."""
        stats = params.get("stats", {})
        return cls(rest["step"], rest["key"], rest["params"], params["params"], stats, rest["opt"])


class Metrics(NamedTuple):
    """Of each step: scalars, or [K] of a call."""

    loss: Array
    nll: Array  # [fields], nats per step of the sequence
    accuracy: Array  # [fields], share of variables whose likeliest value is right, with dropout
    grad_norm: Array


class WindowShape(NamedTuple):
    """Static sizes of a batch of windows: windows, beats, tokens, notes (padded) of each."""

    batch: int
    num_beats: int
    num_steps: int
    num_notes: int


class Augmentation(NamedTuple):
    """Whose drums are augmented (None: a pitched instrument), and the factor of hyper.augment at a step."""

    kit: Kit | None
    schedule: optax.Schedule

    def at(self, step: Array, most: Strength) -> Callable[[Array, Window], Window]:
        """How windows are changed at a step of a run whose strengths are `most`."""
        strength = jax.tree.map(lambda x: x * self.schedule(step), most)
        return functools.partial(augment, strength=strength, kit=self.kit)


def init_state(model: Model, tx: optax.GradientTransformation, key: Array) -> TrainState:
    """Fresh parameters, step 0."""
    key_init, key_run = jax.random.split(key)
    params, stats = model.init(key_init)
    average = jax.tree.map(jnp.copy, params)
    return TrainState(jnp.int32(0), key_run, params, average, stats, tx.init(params))


def take_example(
    corpus: Corpus,
    codec: Codec,
    shape: WindowShape,
    key: Array,
    hyper: Hyper,
    change: Callable[[Array, Window], Window] | None = None,
) -> Example:
    """One random example: its tokens [T, F], places and context. `change` (key, window) augments the window."""
    key_window, key_change, key_context, key_heard = jax.random.split(key, 4)
    window = take_window(corpus, key_window, shape.num_beats, shape.num_notes)
    if change is not None:
        window = change(key_change, window)
    tokens = codec.encode(window, shape.num_steps)
    # Places are where the music is, whether or not the model is told its tempo.
    place = codec.place(window.context, clock(codec, tokens[None], 0)[0, :-1])
    context = hide(key_context, measure(window).context, hyper.context_dropout, hyper.measured_dropout)
    heard = hide_history(key_heard, codec.fields, tokens, hyper.history_dropout)
    return Example(tokens, heard, place, context)


def _loss(
    model: Model,
    axis: str,
    params: Params,
    stats: Params,
    example: Example,
    noise: Noise | None,
    field_weights: Array,
) -> tuple[Array, tuple[Array, Array, Params]]:
    """This device's share of the loss, so that the sum over the devices is the loss of the batch; beside it (its share
    of each field's nats per step and of its accuracy [fields], new stats)."""
    carry = model.initial_carry(example.tokens.shape[0])
    scores, _, stats = score_tokens(model, params, stats, example, carry, noise, axis=axis)
    steps = jnp.maximum(jax.lax.psum(jnp.sum(scores[0].count), axis), 1)
    nll = jnp.stack([jnp.sum(score.nll) for score in scores]) / steps
    counts = jax.lax.psum(jnp.stack([jnp.sum(score.count) for score in scores]), axis)
    accuracy = jnp.stack([jnp.sum(score.correct) for score in scores]) / jnp.maximum(counts, 1)
    return jnp.dot(field_weights, nll), (nll, accuracy, stats)


def _update(
    tx: optax.GradientTransformation,
    schedule: optax.Schedule,
    hyper: Hyper,
    state: TrainState,
    grads: Params,
    norm: Array,
) -> TrainState:
    """The state one step later; grads are those of the whole batch, norm their global norm."""
    updates, opt = tx.update(clip(grads, norm, hyper.clip_norm), state.opt, state.params)
    rate = hyper.learning_rate * schedule(state.step)
    params = descend(state.params, updates, rate, hyper.weight_decay)
    # Early on the average follows closely, so that it never remembers the random start.
    decay = jnp.minimum(hyper.average_decay, (1.0 + state.step) / (10.0 + state.step))
    average = jax.tree.map(lambda a, p: a + (1 - decay) * (p - a), state.average, params)
    return state._replace(step=state.step + 1, params=params, average=average, opt=opt)


def make_train_call(
    model: Model,
    codec: Codec,
    tx: optax.GradientTransformation,
    schedule: optax.Schedule,
    shape: WindowShape,
    mesh: jax.sharding.Mesh,
    max_steps: int,
    *,
    noisy: bool = True,
    augmentation: Augmentation | None = None,
    matmul_precision: str = "default",
) -> Callable[[TrainState, Corpus, Hyper, Array], tuple[TrainState, Metrics]]:
    """A compiled function (state, corpus, hyper, num_steps <= max_steps) -> (state, metrics [max_steps]).

    The number of steps is traced, so that one program serves whatever stretch lies before the next evaluation, and a
    run that stops and resumes anywhere repeats the same arithmetic. Metrics beyond num_steps are NaN.

    A run without dropout is compiled without it if it is not `noisy`, and one without augmentation without that.
    matmul_precision is that of jax.default_matmul_precision, for the operands of matrix products alone; what they add
    up to stays float32.

    Every device of the mesh runs the same program on its share of the batch, and sums over the batch are added up
    between them: written out with shard_map, because left to itself the compiler repeats the recurrence of the whole
    batch on every device (two CPU devices took 1.15 times as long as one; with shard_map 0.8 times).
    """
    axis = mesh.axis_names[0]
    share = shape.batch // mesh.size

    def step(corpus, hyper, state):
        # Keys are per example, so what is learned does not depend on how many devices share the batch.
        key_data, key_dropout = jax.random.split(jax.random.fold_in(state.key, state.step))
        mine = jax.lax.axis_index(axis) * share + jnp.arange(share)
        keys = jax.random.split(key_data, shape.batch)[mine]
        keys_dropout = jax.random.split(key_dropout, shape.batch)[mine]
        change = augmentation.at(state.step, hyper.augment) if augmentation else None
        take = functools.partial(take_example, corpus, codec, shape, hyper=hyper, change=change)
        example = jax.vmap(take)(keys)
        noise = Noise(keys_dropout, hyper.dropout) if noisy else None
        grad_fn = jax.value_and_grad(_loss, argnums=2, has_aux=True)
        found = grad_fn(model, axis, state.params, state.stats, example, noise, hyper.field_weights)
        (loss, (nll, accuracy, stats)), grads = found
        loss, nll, accuracy, grads = jax.lax.psum((loss, nll, accuracy, grads), axis)
        norm = optax.global_norm(grads)
        state = _update(tx, schedule, hyper, state._replace(stats=stats), grads, norm)
        return state, Metrics(loss, nll, accuracy, norm)

    @functools.partial(jax.jit, donate_argnums=(0,))
    @functools.partial(jax.shard_map, mesh=mesh, in_specs=PartitionSpec(), out_specs=PartitionSpec(), check_vma=False)
    def train_call(state, corpus, hyper, num_steps):
        fields = (len(model.fields),)
        empty = Metrics(*(jnp.full((max_steps, *s), jnp.nan) for s in ((), fields, fields, ())))

        def body(i, loop):
            state, log = loop
            with matmuls_in(matmul_precision):
                state, metrics = step(corpus, hyper, state)
            return state, jax.tree.map(lambda column, value: column.at[i].set(value), log, metrics)

        return jax.lax.fori_loop(0, num_steps, body, (state, empty))

    return train_call
