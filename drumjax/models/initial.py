"""What parameters begin as: said as the module is made, and drawn all together once there is a key.

XLA takes a third of a second to compile each place where random numbers are made, and an initializer is one per
parameter. Here all parameters of a kind are drawn in one loop: rock.py's weights are there after 4 s instead of 14. And
what a module is made of is known without a key, so that nothing is traced to find out.

The values are, but for rounding, those of the same initializers with the keys of `nnx.Rngs(key)`.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from drumjax.music.notes import Array

Initializer = Callable[..., Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Draw:
    """A parameter that is not drawn yet.

    draw     (key, shape, dtype) -> values
    shape    of each part
    numbers  of the keys of its parts, which stand beside one another along the last axis
    scale    what the values are multiplied with
    each     whether a value depends on its place and the key only, and on neither size nor shape
    """

    draw: Initializer
    shape: tuple[int, ...]
    numbers: tuple[int, ...]
    scale: float = 1.0
    each: bool = False

    dtype = jnp.float32


class Keys:
    """Stands for nnx.Rngs where a module is made without a key: numbers the keys that it asks for."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def params(self) -> int:
        return next(self._numbers)


def _each(draw: Initializer, scale: Callable[[tuple[int, ...]], float] = lambda shape: 1.0) -> Initializer:
    """An initializer of values that are drawn one by one, and scaled by what the shape says."""
    return lambda number, shape, dtype=None: Draw(draw, shape, (number,), scale(shape), each=True)


def normal(stddev: float) -> Initializer:
    return _each(jax.nn.initializers.normal(stddev))


# As nnx.Linear has it; 0.88 is the standard deviation of what is left of a normal distribution within two of its own.
lecun_normal = _each(
    jax.nn.initializers.truncated_normal(1.0), lambda shape: 1 / (math.sqrt(shape[0]) * 0.87962566103423978)
)
_ORTHOGONAL = jax.nn.initializers.orthogonal()
glorot_uniform = _each(
    lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -1), lambda shape: math.sqrt(6 / sum(shape))
)


def orthogonal(numbers: tuple[int, ...], size: int) -> Draw:
    """Orthogonal matrices of a size, one beside another."""
    return Draw(_ORTHOGONAL, (size, size), numbers)


def zeros(_: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    return np.zeros(shape, dtype)


def dense(size_in: int, size_out: int, keys: Any, kernel: Initializer = lecun_normal, bias: Initializer = zeros) -> Any:
    """An nnx.Linear."""
    return nnx.Linear(size_in, size_out, kernel_init=kernel, bias_init=bias, rngs=keys)


def embedding(num_rows: int, size: int, keys: Any, table: Initializer) -> Any:
    """An nnx.Embed."""
    return nnx.Embed(num_rows, size, dtype=jnp.float32, embedding_init=table, rngs=keys)


def draw_all(tree: Any, key: Array) -> Any:
    """The tree with arrays in the place of each Draw, and of constants."""
    leaves, structure = jax.tree.flatten(tree)
    groups: dict[Any, list[tuple[Draw, int]]] = {}
    for leaf in leaves:
        if isinstance(leaf, Draw):
            group = groups.setdefault((leaf.draw, None if leaf.each else leaf.shape), [])
            group += [(leaf, number) for number in leaf.numbers]
    parts: dict[int, Array] = {}
    for (draw, shape), members in groups.items():
        # Those drawn one by one have the same values at the same places, however many follow them.
        most = (max(math.prod(member.shape) for member, _ in members),) if shape is None else shape
        keys = jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.asarray([number for _, number in members]))
        rows = jax.lax.map(functools.partial(draw, shape=most, dtype=jnp.float32), keys).reshape(len(members), -1)
        for row, (member, number) in enumerate(members):
            parts[number] = rows[row, : math.prod(member.shape)].reshape(member.shape) * member.scale

    def settle(leaf: Any) -> Array:
        if not isinstance(leaf, Draw):
            return jnp.asarray(leaf)
        found = [parts[number] for number in leaf.numbers]
        return jnp.concatenate(found, axis=-1) if found[1:] else found[0]

    return jax.tree.unflatten(structure, map(settle, leaves))
