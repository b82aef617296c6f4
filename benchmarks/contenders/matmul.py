"""The machine's peak: one large float32 matrix product, by XLA and by PyTorch; on a GPU in TensorFloat-32."""

import time

import numpy as np

from benchmarks.contender import Contender, Figures, Repeat

TIMES = 4


def xla(size: int) -> Contender:
    """Seconds per product [size, size]."""
    import jax

    from benchmarks.contenders.jax_threads import threads

    def make() -> Repeat:
        a = jax.device_put(np.random.default_rng(0).random((size, size), np.float32))
        product = jax.jit(lambda a, b: a @ b)
        return lambda: _time(lambda: product(a, a).block_until_ready())

    return Contender({"": make}, threads)


def torch(threads_wanted: int, size: int, device: str = "cpu") -> Contender:
    """Seconds per product [size, size]."""
    import torch as library

    from benchmarks.contenders.torch_lstm import TORCH_DEVICE, set_threads, used, wait

    set_threads(threads_wanted)

    def make() -> Repeat:
        a = library.rand(size, size, device=TORCH_DEVICE[device])

        def run() -> None:
            a @ a
            wait(device)

        return lambda: _time(run)

    return Contender({"": make}, used(device))


def _time(run) -> Figures:
    start = time.perf_counter()
    for _ in range(TIMES):
        run()
    return {"seconds": (time.perf_counter() - start) / TIMES}
