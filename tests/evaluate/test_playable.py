"""A bar that a band could play to, point by point; and how various some pieces are."""

import numpy as np
import pytest

from drumjax.evaluate.features.playable import has_needed_drums, judge, playable, steady_bars
from drumjax.music.grid_view import Excerpt
from drumjax.music.kits import ROLAND_TD11

DRUMS = {name: i for i, name in enumerate(ROLAND_TD11.names)}
EIGHTHS = range(0, 16, 2)
BEAT = {"kick": (0, 8), "snare": (4, 12), "closed hi-hat": EIGHTHS}


def make_bar(velocity=90, quiet=(), **changes):
    """[16, drums] velocities; `changes` by drum (spaces as underscores) in place of those of a plain beat."""
    bar = np.zeros((16, len(DRUMS)))
    names = {name.replace(" ", "_").replace("-", "_"): name for name in DRUMS}
    for name, steps in (BEAT | {names[key]: steps for key, steps in changes.items()}).items():
        bar[list(steps), DRUMS[name]] = 35 if name in quiet else velocity
    return bar


def excerpt_of(*bars):
    velocity = np.stack(bars)
    return Excerpt(velocity > 0, velocity, np.zeros_like(velocity), 120.0)


@pytest.mark.parametrize(
    ("changes", "steady"),
    [
        ({}, True),
        ({"snare": (8,)}, True),  # half-time
        ({"snare": (4,)}, False),
        ({"snare": (4, 8, 12)}, True),
        ({"quiet": ("snare",)}, False),
        ({"snare": (4, 6, 12, 14)}, True),
        ({"snare": (2, 4, 6, 12, 14)}, False),
        ({"closed_hi_hat": (0, 4, 8, 12)}, True),
        ({"closed_hi_hat": (0, 4, 8)}, False),  # three beats, but three times in all
        ({"closed_hi_hat": (2, 6, 10)}, True),  # off-beats
        ({"closed_hi_hat": (), "ride": EIGHTHS}, True),
        ({"closed_hi_hat": (0, 8), "open_hi_hat": (4,), "ride": (12,)}, True),
        ({"closed_hi_hat": ()}, False),
        ({"kick": ()}, False),
        ({"low_tom": (14,)}, True),
        ({"low_tom": (14,), "mid_tom": (15,)}, False),
        ({"crash": (0,)}, True),
        ({"crash": (8,)}, False),
    ],
)
def test_a_bar(changes, steady):
    assert steady_bars(excerpt_of(make_bar(**changes)), ROLAND_TD11).tolist() == [steady]


def test_three_of_four_bars_are_enough():
    good, bad = make_bar(), make_bar(kick=())
    assert playable(excerpt_of(good, good, good, bad), ROLAND_TD11)
    assert not playable(excerpt_of(good, good, bad, bad), ROLAND_TD11)


def test_how_various_pieces_are():
    a, b, c = make_bar(), make_bar(kick=(0, 6)), make_bar(kick=(0, 10))
    found = judge([excerpt_of(a, b), excerpt_of(a, a), excerpt_of(c, b)], ROLAND_TD11)
    assert found.playable == 1
    assert found.distinct == pytest.approx((1 + 0.5 + 1) / 3)
    assert found.first == pytest.approx(2 / 3)
    assert found.among_all == pytest.approx(3 / 6)
    assert found.pieces == 3


def test_it_needs_its_drums():
    assert has_needed_drums(ROLAND_TD11)
