"""No run of n values twice, and nothing else forbidden."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drumjax.sampling.no_repeat import forbid_repeats


def forbidden(heard, length, size=5, room=12):
    """The values that must not come next."""
    rows = np.zeros((room, 1), np.int32)
    rows[: len(heard), 0] = heard
    guard = jax.jit(forbid_repeats)
    logits = guard(jnp.zeros((1, size)), jnp.asarray(rows), jnp.int32(len(heard)), jnp.int32(length))
    return set(np.flatnonzero(np.isinf(np.asarray(logits)[0])).tolist())


def by_definition(heard, length, size=5):
    runs = {tuple(heard[i : i + length]) for i in range(len(heard) - length + 1)}
    return {value for value in range(size) if tuple([*heard, value][-length:]) in runs and len(heard) >= length}


@pytest.mark.parametrize("length", [2, 3, 4])
@pytest.mark.parametrize(
    "heard", [[], [1], [1, 2], [1, 2, 1], [1, 2, 1, 2], [0, 0, 0], [1, 2, 3, 1, 2], [1, 2, 3, 1, 2, 4, 1, 2], [3] * 11]
)
def test_it_is_the_definition(heard, length):
    assert forbidden(heard, length) == by_definition(heard, length)


def test_a_length_of_0_forbids_nothing():
    assert forbidden([1, 2, 1, 2, 1], 0) == set()
