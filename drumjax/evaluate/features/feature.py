"""A figure of what is played, whatever it is measured of."""

from collections.abc import Callable
from typing import NamedTuple


class Feature(NamedTuple):
    """A figure: its name, its unit, what it is, and how it is measured of one piece."""

    name: str
    unit: str
    meaning: str
    measure: Callable[..., float]
