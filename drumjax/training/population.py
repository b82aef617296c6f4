"""Several runs trained together: those that differ in numbers only, in one compiled program.

Each is kept in a folder of its own, like any other run, can be resumed alone, and has the losses that it would have
alone, to rounding.
"""

import contextlib
import dataclasses
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from drumjax.config.checks import SettingsError
from drumjax.config.load import load_config, override
from drumjax.config.settings import Settings, make_settings, write_settings
from drumjax.runs.leaves import describe as describe_leaf
from drumjax.runs.leaves import from_host, put, to_host
from drumjax.runs.progress import GroupProgress, Progress
from drumjax.runs.run import Run
from drumjax.runs.workdir import check_same_run
from drumjax.system.devices import DeviceError, find_devices, make_data_mesh, make_population_mesh
from drumjax.system.kept_programs import keep
from drumjax.training.data import TrainingData, load_training_data
from drumjax.training.hyper import make_hyper, without_numbers
from drumjax.training.loop import train_together
from drumjax.training.state import TrainState
from drumjax.training.step import Metrics, make_population_call, place_corpus
from drumjax.training.train import Opened, open_run
from drumjax.training.trainer import Result, TrainError

logger = logging.getLogger(__name__)

Outcomes = dict[str, Result | TrainError]


@dataclasses.dataclass(frozen=True)
class Member:
    """One run of a population: its name, its folder, and its whole config."""

    name: str
    workdir: Path
    config: dict[str, Any]

    @property
    def settings(self) -> Settings:
        return make_settings(self.config)


def make_members(
    config: dict[str, Any] | str | Path, out_dir: Path, overrides: Mapping[str, Mapping[str, Any]]
) -> list[Member]:
    """A run in out_dir/<name> for each name of `overrides`, which are values by dotted name in place of the config's.

    Raises UserError where the settings of one are wrong, or its folder holds another run.
    """
    base = json.dumps(load_config(config) if isinstance(config, str | Path) else config)
    members = []
    for name, changes in overrides.items():
        member = Member(name, out_dir / name, json.loads(base))
        override(member.config, changes)
        try:
            make_settings(member.config)
        except SettingsError as error:
            raise SettingsError(f"{name}: {error}") from error
        check_same_run(member.workdir, member.config)
        members.append(member)
    return members


def group_members(members: Sequence[Member], at_once: int = 0) -> list[list[Member]]:
    """Those whose compiled step is the same, at_once of them at most (0: all)."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        shared = write_settings(without_numbers(member.settings))
        del shared["sample"]  # what is played at evaluations is each one's own
        groups.setdefault(json.dumps(shared), []).append(member)
    return [
        group[first : first + (at_once or len(group))]
        for group in groups.values()
        for first in range(0, len(group), at_once or len(group))
    ]


def train_population(members: Sequence[Member], *, num_devices: int = 0, at_once: int = 0) -> Iterator[Outcomes]:
    """Trains all members, or resumes them; yields the outcomes by name as each group of them ends.

    Args:
      members: in any order; those whose compiled step is the same are trained together.
      num_devices: how many devices share the members, and their batches where there are more; 0 takes all.
      at_once: how many are trained together at most, for they share the memory of the devices; 0 sets no limit.

    A member whose loss is not finite is left behind, as its TrainError says, and the others go on. Ends after a group
    that was stopped by a signal. Raises what train() does otherwise.
    """
    find_devices()
    if jax.process_count() > 1:
        raise DeviceError("a population is trained by one process, on all of its devices")
    if num_devices > len(jax.local_devices()):
        raise DeviceError(f"num_devices is {num_devices}; there are {len(jax.local_devices())}")
    groups = group_members(members, at_once)
    for number, group in enumerate(groups):
        if len(groups) > 1:
            logger.info("group %d of %d: %d runs", number + 1, len(groups), len(group))
        outcomes = _train_group(group, num_devices)
        yield outcomes
        if any(isinstance(outcome, Result) and outcome.stopped_by.startswith("SIG") for outcome in outcomes.values()):
            return


def _train_group(members: Sequence[Member], num_devices: int) -> Outcomes:
    data = load_training_data(members[0].settings)
    progress = GroupProgress()
    with contextlib.ExitStack() as stack:
        opened = [_open(stack, member, data, progress) for member in members]
        states = _States(opened, num_devices, progress)
        outcomes = train_together([each.trainer for each in opened], states)
        progress.tell()
    for member, outcome in zip(members, outcomes, strict=True):
        if isinstance(outcome, TrainError):
            logger.warning("%s: %s", member.name, outcome)
    return {member.name: outcome for member, outcome in zip(members, outcomes, strict=True)}


def _open(stack: contextlib.ExitStack, member: Member, data: TrainingData, group: GroupProgress) -> Opened:
    def make_progress(workdir: Path, first_step: int, run: Run, enabled: bool) -> Progress:
        return group.member(member.name, run.settings.train.num_steps)

    return open_run(stack, member.config, member.workdir, data, make_data_mesh(1), make_progress)


class _States:
    """The states of a group, each leaf [N, ...] of all members; see loop.States."""

    def __init__(self, opened: Sequence[Opened], num_devices: int, progress: GroupProgress):
        first = opened[0]
        if not all(each.recipe == first.recipe for each in opened):
            raise AssertionError("the runs of a group have different compiled steps")
        t = first.run.settings.train
        mesh = make_population_mesh(len(opened), t.batch_size, num_devices)
        members = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("member"))
        hypers = [make_hyper(each.run.settings, each.recipe.codec.fields) for each in opened]
        self._hypers = jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *hypers), members)
        self._corpus = place_corpus(first.data.corpus, first.recipe, mesh)
        self._states = _stack([each.state for each in opened], members)
        call = make_population_call(first.recipe, mesh, t.steps_per_call)
        self._call = keep(call, first.recipe, t.steps_per_call, mesh=mesh, donate_argnums=(0,))
        self._progress = progress
        self._on_host: TrainState | None = None

    def advance(self, num_steps: Sequence[int]) -> Sequence[Metrics]:
        self._progress.tell()
        self._on_host = None
        counts = np.asarray(num_steps, np.int32)
        self._states, metrics = self._call(self._states, self._corpus, self._hypers, counts)
        return [jax.tree.map(lambda column, i=i: _Row(column, i), metrics) for i in range(len(num_steps))]

    def of(self, number: int) -> TrainState:
        """From the host, where all of them are brought at once: each is evaluated and saved at the same steps."""
        kinds = jax.tree.map(lambda leaf: describe_leaf(leaf), self._states)
        if self._on_host is None:
            self._on_host = jax.tree.map(lambda leaf: to_host("state", leaf), self._states)
        return jax.tree.map(lambda kind, leaf: jax.device_put(from_host(kind, leaf[number])), kinds, self._on_host)


class _Row:
    """One member's row of an array that is still being computed."""

    def __init__(self, column: jax.Array, number: int):
        self._column, self._number = column, number

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self._column)[self._number]


def _stack(states: Sequence[TrainState], sharding: jax.sharding.Sharding) -> TrainState:
    """One tree of all states, on the devices of the sharding, by way of the host."""

    def stack(*leaves: Any) -> Any:
        kind = describe_leaf(leaves[0])
        stacked = np.stack([to_host("state", leaf) for leaf in leaves])
        return put(from_host(kind, stacked), sharding)

    return jax.tree.map(stack, *states)
