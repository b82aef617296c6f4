"""How values are chosen, as it is asked for on a command line."""

import dataclasses
from collections.abc import Sequence

from drumjax.codecs.base import Field
from drumjax.config.settings import SampleSettings, read_numbers
from drumjax.sampling.request import Controls, RequestError


def humanize_defaults(defaults: SampleSettings) -> SampleSettings:
    """What is played unless asked otherwise, where the notes are given and only how they are played is chosen: nearer
    to what is usual, and nothing exaggerated."""
    return dataclasses.replace(defaults, spread=defaults.humanize_spread, guidance=1.0)


def make_controls(
    defaults: SampleSettings,
    fields: Sequence[Field],
    *,
    temperature: str | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    guidance: float | None = None,
    no_repeat: int | None = None,
    spread: float | None = None,
) -> Controls:
    """Controls from flags; None is as the run's settings say. temperature is a number, or `hits=0.9,velocity=1`.

    Raises RequestError.
    """
    temperatures = {field.name: 1.0 for field in fields}
    for text in filter(None, (defaults.temperature, temperature)):
        temperatures |= _read_temperatures(text, list(temperatures))
    if spread is not None and not any(field.is_expression for field in fields):
        raise RequestError("this model knows no velocity and timing, which --spread is about")
    try:
        return Controls(
            tuple(temperatures.values()),
            defaults.top_k if top_k is None else top_k,
            defaults.top_p if top_p is None else top_p,
            defaults.guidance if guidance is None else guidance,
            defaults.no_repeat if no_repeat is None else no_repeat,
            defaults.spread if spread is None else spread,
        )
    except ValueError as error:
        raise RequestError(str(error)) from None


def _read_temperatures(text: str, names: Sequence[str]) -> dict[str, float]:
    """The fields that `0.9` or `hits=0.9,velocity=1` speaks of, and their temperatures. Raises RequestError."""
    found: dict[str, float] = {}
    for name, value in read_numbers(text):
        if value is None:
            raise RequestError(f"temperature is {text!r}; give 0.9, or hits=0.9,velocity=1")
        if name and name not in names:
            raise RequestError(f"temperature of {name!r}: the fields are {', '.join(names)}")
        found |= {name: value} if name else dict.fromkeys(names, value)
    return found
