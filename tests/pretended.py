"""Training with its compiled parts pretended in numpy: train() with all its files, loops and checks in milliseconds.

Pretended are the fresh state, the train call, the scores of the validation songs and the notes of the preview;
everything else is the real thing. What it learns depends on every step, so a step lost or repeated shows.
"""

import functools
from collections.abc import Callable, Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drumjax.models.interface import Weights
from drumjax.models.model import Model
from drumjax.models.scoring import Score
from drumjax.music.notes import Song, make_notes
from drumjax.training import train as train_module
from drumjax.training import validation
from drumjax.training.state import TrainState
from drumjax.training.step import Metrics

# Metrics of a train call have at least as many rows; those of steps not taken are not a number.
MAX_STEPS = 8


def fresh_state(num_styles: int = 1, seed: int = 0) -> TrainState:
    """Of one weight, and the table of styles, which changes when another run is started from."""

    def params():
        names = {"style": {"embedding": jnp.ones((num_styles, 2))}, "player": {"embedding": jnp.ones((1, 2))}}
        return {"w": jnp.float32([1 + seed, 2]), "context": names}

    return TrainState(jnp.int32(0), jax.random.key(seed), params(), params(), {}, {"w": params()["w"]})


def train_steps(state: TrainState, num_steps: int, num_fields: int = 1) -> tuple[TrainState, Metrics]:
    """As many steps, each a function of the state before it."""
    w, first = np.asarray(state.opt["w"]), int(state.step)
    columns = Metrics(*(np.full((MAX_STEPS, *rest), np.nan, np.float32) for rest in [(), *[(num_fields,)] * 2, ()]))
    for i in range(num_steps):
        w = np.float32(0.9) * w + np.float32([first + i, 1])
        columns.loss[i], columns.grad_norm[i] = 2 + 1 / (1 + w[0]), w[1]
        columns.nll[i] = columns.loss[i] - np.arange(num_fields)
        columns.accuracy[i] = (first + i) / 100 + np.arange(num_fields)
    step, opt = jnp.int32(first + num_steps), {"w": jnp.asarray(w)}
    if "w" not in state.params:  # of a model, which learns nothing
        return state._replace(step=step, opt=opt), columns
    params = {**state.params, "w": jnp.asarray(w * 3)}
    average = {**state.average, "w": jnp.asarray(w / 2)}
    return state._replace(step=step, params=params, average=average, opt=opt), columns


class Pretended:
    """Takes the place of what is compiled.

    weights  of a model, with which it starts and ends; None: those of fresh_state, which learn
    losses  of the validation songs at each evaluation; None: whatever the weights give
    before  what happens before each train call: (state) -> nothing
    after   what happens after each train call: (step, metrics) -> metrics
    """

    weights: Callable[[Model], Weights] | None = None
    losses: Iterator[float] | None = None
    before: Callable[[TrainState], None] | None = None
    after: Callable[[int, Metrics], Metrics] | None = None

    def install(self, patch: pytest.MonkeyPatch) -> "Pretended":
        def init(recipe, seed, mesh):
            state = fresh_state(recipe.model.shape.num_styles, seed)
            if self.weights is None:
                return state
            params, stats = self.weights(recipe.model)
            return state._replace(params=params, average=params, stats=stats)

        def make_step(recipe, settings, data, mesh):
            return lambda state, num_steps: self._train(state, num_steps, len(recipe.codec.fields))

        patch.setattr(train_module, "init", init)
        patch.setattr(train_module, "shapes_of_state", lambda recipe, mesh: init(recipe, 0, mesh))
        patch.setattr(train_module, "make_step", make_step)
        self.install_validation(patch)
        return self

    def install_validation(self, patch: pytest.MonkeyPatch) -> None:
        """The evaluation alone; the training is real."""
        patch.setattr(validation, "make_song_scorer", self._make_scorer)
        patch.setattr(validation, "play", lambda run, key, pieces: [Song(make_notes([0], [1], [36], [99]))])

    def will_score(self, losses: Iterable[float]) -> None:
        self.losses = iter(losses)

    def _train(self, state: TrainState, num_steps: int, num_fields: int) -> tuple[TrainState, Metrics]:
        if self.before:
            self.before(state)
        state, metrics = train_steps(state, num_steps, num_fields)
        return state, self.after(int(state.step), metrics) if self.after else metrics

    def _make_scorer(self, model, codec):
        return functools.partial(self._score, len(codec.fields))

    def _score(self, num_fields: int, weights, batches) -> tuple[Score, ...]:
        """All of the loss in the first field; a step, a variable and a right one for each field."""
        loss = next(self.losses) if self.losses is not None else 1 / jax.tree.leaves(weights.params)[0].mean()
        return tuple(Score(*np.float32([[nll], [1], [1], [1], [1]])) for nll in [loss] + [0.0] * (num_fields - 1))
