"""What JAX computes with."""

import jax

from benchmarks.contender import num_cores


def threads() -> str:
    """The threads of its pool, one per core that the process may use, and the devices that share them; or the GPU."""
    if jax.default_backend() == "gpu":
        return jax.devices()[0].device_kind
    num = jax.device_count()
    return f"{num_cores()}, {num} device{'s' if num > 1 else ''}"
