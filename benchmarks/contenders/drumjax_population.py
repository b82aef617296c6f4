"""drumjax trains several runs: together in one program, and one after another in theirs."""

import time
from typing import Any

import jax
import numpy as np

from benchmarks.contender import Contender, Figures, Repeat
from benchmarks.contenders.drumjax_run import make_corpus, make_training, read_settings
from benchmarks.contenders.jax_threads import threads
from drumjax.system.devices import make_data_mesh, make_population_mesh, use_cores
from drumjax.training.data import TrainingData
from drumjax.training.hyper import make_hyper
from drumjax.training.step import make_population_call, place_corpus
from drumjax.training.train import describe, init


def alone(config: str, changes: dict[str, Any], dataset: str, members: int) -> Contender:
    """A call of each run after that of the one before; seconds per step of all."""
    settings = read_settings(config, changes)
    steps = settings.train.steps_per_call

    def make() -> Repeat:
        corpus = make_corpus(settings, dataset)
        states, calls = map(list, zip(*(make_training(settings, *corpus) for _ in range(members)), strict=True))

        def repeat() -> Figures:
            start = time.perf_counter()
            for i in range(members):
                states[i], metrics = calls[i](states[i], steps)
                jax.block_until_ready((states[i], metrics))
            return {"seconds": (time.perf_counter() - start) / steps}

        return repeat

    return Contender({"": make}, threads)


def together(config: str, changes: dict[str, Any], dataset: str, members: int) -> Contender:
    """A call of all runs at once; seconds per step of all."""
    settings = read_settings(config, changes)
    steps = settings.train.steps_per_call

    def make() -> Repeat:
        use_cores(members)
        corpus, styles = make_corpus(settings, dataset)
        data = TrainingData(corpus, [], styles, None, {"time_signatures": ["4/4"]})
        run, recipe = describe(settings, data)
        mesh = make_population_mesh(members, settings.train.batch_size)
        sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("member"))
        fresh = [init(recipe, seed, make_data_mesh(1)) for seed in range(members)]
        hyper = [make_hyper(run.settings, recipe.codec.fields)] * members
        states, hypers = (
            jax.device_put(jax.tree.map(lambda *leaves: jax.numpy.stack(leaves), *trees), sharding)
            for trees in (fresh, hyper)
        )
        placed = place_corpus(corpus, recipe, mesh)
        call = make_population_call(recipe, mesh, steps)

        def repeat() -> Figures:
            nonlocal states
            start = time.perf_counter()
            states, metrics = call(states, placed, hypers, np.full(members, steps, np.int32))
            jax.block_until_ready((states, metrics))
            return {"seconds": (time.perf_counter() - start) / steps}

        return repeat

    return Contender({"": make}, threads)
