"""One control: what is known of a thing that can be asked of a model when sampling."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from drumjax.system.errors import UserError

ALWAYS = object()


class ControlError(UserError):
    """Something that cannot be played; the message says what was asked and what can be."""


class Control(NamedTuple):
    """help     for the command line
    allows   whether a value can be played
    must     what a value must be, for the message
    about    "piece": what music is played; "draw": how its values are drawn
    neutral  the value that asks for nothing, which captions leave out; ALWAYS: there is none
    caption  what a caption says of a value, "" for nothing
    """

    help: str
    allows: Callable[[Any], bool]
    must: str
    about: Literal["piece", "draw"]
    neutral: Any
    caption: Callable[[Any], str]


@dataclasses.dataclass(frozen=True)
class Range:
    """A test of numbers, and what it asks for in words."""

    low: float
    high: float
    unit: str = ""

    def __call__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"in {self.low:g}..{self.high:g}{self.unit}"


def control(
    default: Any,
    help: str,
    allows: Callable[[Any], bool],
    caption: Callable[[Any], str],
    *,
    must: str = "",
    neutral: Any = ALWAYS,
    about: Literal["piece", "draw"] = "piece",
) -> Any:
    """A field of a dataclass that is a control, with this default and the other columns of its row."""
    row = Control(help, allows, must or str(allows), about, neutral, caption)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata={"control": row})
    return dataclasses.field(default=default, metadata={"control": row})
