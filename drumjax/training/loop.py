"""The loop around the compiled training call: one run alone, or several together."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax

from drumjax.system.cluster import agree
from drumjax.system.stop_signals import catch_stop_signals
from drumjax.training.state import TrainState
from drumjax.training.step import Metrics
from drumjax.training.trainer import Result, Trainer, TrainError

# (state, number of steps) -> (state, metrics of as many steps or more, those beyond them NaN).
Step = Callable[[TrainState, int], tuple[TrainState, Metrics]]


class States(Protocol):
    """The train states of one or several runs, each with its number."""

    def advance(self, num_steps: Sequence[int]) -> Sequence[Metrics]:
        """Starts so many steps of each, and returns their metrics without waiting for them."""
        ...

    def of(self, number: int) -> TrainState: ...


class Single:
    """The state of a run that is trained alone."""

    def __init__(self, state: TrainState, step: Step):
        self.state, self.call = state, step

    def advance(self, num_steps: Sequence[int]) -> Sequence[Metrics]:
        self.state, metrics = self.call(self.state, num_steps[0])
        return [metrics]

    def of(self, number: int) -> TrainState:
        return self.state


def train_alone(trainer: Trainer, state: TrainState, step: Step) -> Result:
    """Trains a run to its last step, or until it is asked to stop. Raises TrainError."""
    (outcome,) = train_together([trainer], Single(state, step))
    if isinstance(outcome, TrainError):
        raise outcome
    return outcome


def train_together(trainers: Sequence[Trainer], states: States) -> list[Result | TrainError]:
    """Trains each run to its last step, or until they are asked to stop; one that cannot go on is left behind.

    Those that are behind the others, as a kill between two saves may leave them, first catch up.
    """
    failed: dict[int, TrainError] = {}
    stopped_by = ""

    def attempt(number: int, what: Callable[..., Any], *args: Any) -> Any:
        try:
            return what(*args)
        except TrainError as error:
            failed[number] = error

    def going() -> list[int]:
        return [i for i, trainer in enumerate(trainers) if i not in failed and not trainer.is_over]

    with catch_stop_signals() as stop:
        while (left := going()) and not (stopped_by := _agree(stop(), trainers[left[0]])):
            first = min(trainers[i].step for i in left)
            now = [i for i in left if trainers[i].step == first]
            count = min(trainers[i].due() for i in now)
            metrics = states.advance([count if i in now else 0 for i in range(len(trainers))])
            for i in now:
                attempt(i, trainers[i].advance, count, metrics[i])
                if i not in failed:
                    attempt(i, trainers[i].keep_up, functools.partial(states.of, i))
        outcomes: list[Any] = []
        for i, trainer in enumerate(trainers):
            result = None if i in failed else attempt(i, trainer.finish, functools.partial(states.of, i), stopped_by)
            outcomes.append(failed.get(i, result))
    return outcomes


def _agree(asked: str, trainer: Trainer) -> str:
    """ "" to go on. Several processes decide together, at steps where the host waits for the device anyway."""
    if jax.process_count() > 1:
        return agree(asked) if trainer.step % trainer.settings.log_every_steps == 0 else ""
    return asked
