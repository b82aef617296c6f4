"""Keras 3 on the backend that KERAS_BACKEND names: training in its best mode, and sampling by `predict` per step."""

import functools
import time

import keras
import numpy as np

from benchmarks.contender import Contender, Figures, Repeat

NUM_CHORDS = 512
CONTEXT = 64  # chords that each prediction sees, when sampling
PREDICTIONS = 4  # of the steps of a sample are timed; the others would take as long


def make_model(hidden: int, *, every_step: bool) -> keras.Model:
    layers = [
        keras.layers.Embedding(NUM_CHORDS, hidden),
        keras.layers.LSTM(hidden, return_sequences=True),
        keras.layers.LSTM(hidden, return_sequences=every_step),
        keras.layers.Dense(NUM_CHORDS),
    ]
    return keras.Sequential(layers)


def set_threads(threads_wanted: int) -> None:
    keras.utils.set_random_seed(0)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads_wanted)
        tf.config.threading.set_inter_op_parallelism_threads(threads_wanted)


def threads() -> str:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return str(tf.config.threading.get_intra_op_parallelism_threads())
    from benchmarks.contenders.jax_threads import threads as jax_threads

    return jax_threads()


def jit_choices() -> tuple[bool, ...]:
    """Without jit_compile the JAX backend runs operation by operation, which is never the better one."""
    return (True, False) if keras.backend.backend() == "tensorflow" else (True,)


def train(threads_wanted: int, hidden: int, batch: int, length: int, steps: int) -> Contender:
    """Steps of training on random chords; seconds per step."""
    set_threads(threads_wanted)
    chords = np.random.default_rng(0).integers(0, NUM_CHORDS, (steps * batch, length + 1), np.int32)
    inputs, targets = chords[:, :-1].copy(), chords[:, 1:].copy()

    def make(jit: bool, fit: bool) -> Repeat:
        model = make_model(hidden, every_step=True)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=jit)

        def repeat() -> Figures:
            start = time.perf_counter()
            if fit:
                model.fit(inputs, targets, batch_size=batch, shuffle=False, verbose=0)
            else:
                for i in range(0, len(inputs), batch):
                    model.train_on_batch(inputs[i : i + batch], targets[i : i + batch])
            return {"seconds": (time.perf_counter() - start) / steps}

        return repeat

    return Contender(
        {
            f"{'fit' if fit else 'train_on_batch'}, jit_compile={jit}": functools.partial(make, jit, fit)
            for jit in jit_choices()
            for fit in (True, False)
        },
        threads,
    )


def sample(threads_wanted: int, hidden: int, batch: int, length: int) -> Contender:
    """`predict` on the last 64 chords for every new one; seconds per batch of samples, from a few of the steps."""
    set_threads(threads_wanted)

    def make(jit: bool) -> Repeat:
        model = make_model(hidden, every_step=False)
        model.compile(jit_compile=jit)
        rng = np.random.default_rng(0)
        chords = rng.integers(0, NUM_CHORDS, (batch, CONTEXT), np.int32)

        def repeat() -> Figures:
            nonlocal chords
            start = time.perf_counter()
            for _ in range(PREDICTIONS):
                logits = model.predict(chords, verbose=0)
                chosen = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
                chords = np.concatenate([chords[:, 1:], chosen[:, None].astype(np.int32)], axis=1)
            taken = time.perf_counter() - start
            return {"seconds": taken / PREDICTIONS * length, "steps_timed": PREDICTIONS, "steps_counted": length}

        return repeat

    return Contender({f"jit_compile={jit}": functools.partial(make, jit) for jit in jit_choices()}, threads)
