"""drumjax trains: its real training call on a corpus, built as a run builds it.

So its time holds what the peers' does not: windows cut at random, encoded to chords, places and contexts made, the
gradient's norm and the weight average (at decay 0). A handicap that we give ourselves.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.contender import Contender, Figures, Repeat
from benchmarks.contenders.drumjax_run import make_corpus, make_training, read_settings
from benchmarks.contenders.jax_threads import threads
from drumjax.codecs.factory import make_codec
from drumjax.runs.run import make_model
from drumjax.training.example import make_window_shape, take_example
from drumjax.training.hyper import make_hyper
from drumjax.training.step import make_recipe


def train(
    config: str, changes: dict[str, Any], dataset: str, calls: int, num_songs: int = 0, copies: int = 1
) -> Contender:
    """Calls of the training function; seconds per step, and the share of a call in which the host is busy with it."""
    settings = read_settings(config, changes)
    steps = settings.train.steps_per_call

    def make() -> Repeat:
        state, step = make_training(settings, *make_corpus(settings, dataset, num_songs, copies))

        def repeat() -> Figures:
            nonlocal state
            dispatch = 0.0
            start = time.perf_counter()
            for _ in range(calls):
                before = time.thread_time()
                state, metrics = step(state, steps)
                dispatch += time.thread_time() - before
            jax.block_until_ready((state, metrics))
            seconds = time.perf_counter() - start
            return {"seconds": seconds / (calls * steps), "host_share": dispatch / seconds}

        return repeat

    return Contender({"": make}, threads)


def take_windows(config: str, changes: dict[str, Any], dataset: str, batches: int) -> Contender:
    """Only the windows and tokens of a training step, as train_step takes them; seconds per batch."""
    settings = read_settings(config, changes)
    t = settings.train

    def make() -> Repeat:
        codec = make_codec(settings.codec)
        songs, _ = make_corpus(settings, dataset)
        shape = make_window_shape(settings, codec, songs)
        corpus = jax.device_put(songs)
        hyper = make_hyper(settings, codec.fields)
        augmentation = make_recipe(settings, make_model(settings, codec, 1), codec, shape).augmentation

        @jax.jit
        def take(corpus, hyper, key):
            change = augmentation.at(jnp.int32(0), hyper.augment) if augmentation else None
            keys = jax.random.split(key, t.batch_size)
            return jax.vmap(
                lambda key: take_example(corpus, key, codec=codec, shape=shape, hyper=hyper, change=change)
            )(keys)

        keys = jax.random.split(jax.random.key(0), batches)

        def repeat() -> Figures:
            start = time.perf_counter()
            for key in keys:
                tokens = take(corpus, hyper, key)
            jax.block_until_ready(tokens)
            return {"seconds": (time.perf_counter() - start) / batches}

        return repeat

    return Contender({"": make}, threads)
