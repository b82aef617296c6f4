"""Parameters drawn together are those that flax draws one by one."""

import jax
import numpy as np
import pytest
from flax import nnx
from tiny import make_model

from drumjax.models.initial import Keys, dense, draw_all, embedding, glorot_uniform, lecun_normal, normal, orthogonal

KEY = jax.random.key(7)


def draw(leaf):
    return np.asarray(jax.jit(lambda key: draw_all(leaf, key))(KEY))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (normal(0.05), jax.nn.initializers.normal(0.05)),
        (lecun_normal, jax.nn.initializers.lecun_normal()),
        (glorot_uniform, jax.nn.initializers.glorot_uniform()),
    ],
)
@pytest.mark.parametrize("shape", [(3, 5), (40, 7), (1, 64)])
def test_values_are_those_of_the_library(ours, theirs, shape):
    others = [ours(0, (2, 2)), ours(9, (50, 60))]  # drawn in the same loop
    drawn = jax.jit(lambda key: draw_all([*others, ours(4, shape)], key))(KEY)[-1]
    np.testing.assert_allclose(drawn, theirs(jax.random.fold_in(KEY, 4), shape), atol=1e-6)


def test_matrices_of_a_draw_stand_beside_one_another():
    drawn = draw(orthogonal((2, 5), 6))
    assert drawn.shape == (6, 12)
    for half, number in zip(np.split(drawn, 2, axis=1), (2, 5), strict=True):
        expected = jax.nn.initializers.orthogonal()(jax.random.fold_in(KEY, number), (6, 6))
        np.testing.assert_allclose(half, expected, atol=1e-5)


def test_layers_are_those_of_flax():
    keys, rngs = Keys(), nnx.Rngs(KEY)
    ours = [dense(4, 3, keys), embedding(5, 3, keys, normal(0.05)), dense(3, 2, keys, normal(0.1))]
    init = jax.nn.initializers.normal
    theirs = [
        nnx.Linear(4, 3, rngs=rngs),
        nnx.Embed(5, 3, embedding_init=init(0.05), rngs=rngs),
        nnx.Linear(3, 2, kernel_init=init(0.1), rngs=rngs),
    ]
    for mine, other in zip(ours, theirs, strict=True):
        drawn = draw_all(nnx.to_pure_dict(nnx.state(mine)), KEY)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), drawn, nnx.to_pure_dict(nnx.state(other))
        )
    x = np.ones((2, 5), np.int32)
    nnx.update(ours[1], draw_all(nnx.state(ours[1]), KEY))
    np.testing.assert_allclose(ours[1](x), theirs[1](x), atol=1e-6)


def test_another_key_gives_other_weights_and_populations_are_drawn_at_once():
    model = make_model()
    keys = jax.random.split(KEY, 3)
    together = jax.jit(jax.vmap(model.init))(keys)
    for i, key in enumerate(keys):
        alone = jax.jit(model.init)(key)
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, atol=1e-6), together, alone)
    first, second = (np.asarray(together.params["lstm_0"]["w_x"][i]) for i in (0, 1))
    assert np.abs(first - second).max() > 0.01
