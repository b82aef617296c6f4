"""Looking back by time: on a grid and where a step is a note, in one go, in pieces, and step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drumjax.codecs.base import ABSENT, Place
from drumjax.models.lookback import empty_history, recall

# When each note begins: chords at 0, 4 and 8, a single note at 6, and so on.
TICKS = np.asarray([0, 0, 0, 4, 4, 6, 8, 8, 8, 8, 12, 16, 16])
SIZE = 32


def make_place(ticks, distances):
    tick = jnp.asarray(ticks, jnp.int32)[None]
    lookback = jnp.broadcast_to(jnp.asarray(distances, jnp.int32), (*tick.shape, len(distances)))
    return Place(tick, tick, tick, tick, lookback)


def run(ticks, distances, sizes, memory=SIZE):
    """Which notes are found [T, L], -1 for none, in pieces of these sizes; note i is told by the token i."""
    tokens = np.arange(len(ticks))[None, :, None]
    previous = np.concatenate([np.full_like(tokens[:, :1], ABSENT), tokens[:, :-1]], axis=1).astype(np.int32)
    history, parts, begin = empty_history(1, memory, 1), [], 0
    look = jax.jit(recall)
    for size in sizes:
        part = slice(begin, begin + size)
        found, history = look(history, previous[:, part], make_place(ticks[part], distances))
        parts.append(np.asarray(found)[0, ..., 0])
        begin += size
    assert begin == len(ticks)
    return np.concatenate(parts)


def expected(ticks, distance):
    """By its definition, one step at a time."""
    found = []
    for i, now in enumerate(ticks):
        rank = sum(ticks[:i] == now)
        first = next((j for j in range(i) if ticks[j] >= now - distance), None)
        is_heard = now - distance >= ticks[0] and first is not None and first + rank < i
        found.append(first + rank if is_heard else -1)
    return found


@pytest.mark.parametrize("distance", [1, 2, 4, 6, 8])
def test_it_finds_what_was_so_long_ago(distance):
    assert run(TICKS, [distance], [len(TICKS)])[:, 0].tolist() == expected(TICKS, distance)


def test_of_a_chord_each_note_looks_back_to_the_one_of_its_rank():
    found = run(TICKS, [4, 8], [len(TICKS)])
    assert found[6:10].tolist() == [[3, 0], [4, 1], [5, 2], [-1 if expected(TICKS, 4)[9] < 0 else 6, 3]]
    assert found[0].tolist() == [-1, -1]  # before the beginning nothing was


@pytest.mark.parametrize("sizes", [[1] * 13, [5, 8], [1, 1, 6, 1, 4], [12, 1]])
def test_pieces_are_the_whole(sizes):
    np.testing.assert_array_equal(run(TICKS, [1, 4, 8], sizes), run(TICKS, [1, 4, 8], [len(TICKS)]))


@pytest.mark.parametrize("sizes", [[40], [1] * 40, [30, 10]])
def test_on_a_grid_it_is_so_many_steps_ago(sizes):
    found = run(np.arange(40), [1, 5, 16], sizes, memory=17)
    for column, distance in enumerate((1, 5, 16)):
        assert found[:, column].tolist() == [-1] * distance + list(range(40 - distance))


@pytest.mark.parametrize("sizes", [[13], [1] * 13])
def test_what_is_forgotten_is_absent(sizes):
    """A memory of three notes: what is further back is not mistaken for them."""
    found = run(TICKS, [4], sizes, memory=3)[:, 0]
    whole = np.asarray(expected(TICKS, 4))
    oldest = np.maximum(np.arange(len(TICKS)) - 3, 0)
    is_near = (whole >= 0) & (whole >= oldest) & ((TICKS[oldest] < TICKS - 4) | (np.arange(len(TICKS)) < 3))
    assert set(found[~is_near]) <= {-1}
    np.testing.assert_array_equal(found[is_near], whole[is_near])
    assert (found >= 0).any()
