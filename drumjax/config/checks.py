"""What every group of settings checks its values with."""

from collections.abc import Iterable, Sequence
from typing import Any

from drumjax.system.errors import UserError


class SettingsError(UserError):
    """A config that cannot be run; the message names the field, its value and what it may be."""


def require(condition: object, name: str, value: Any, must: str) -> None:
    """Raises SettingsError unless the condition holds: config.<name> is <value>; it must be <must>."""
    if not condition:
        raise SettingsError(f"config.{name} is {value!r}; it must be {must}")


def require_each(settings: Any, group: str, names: Sequence[str], low: float, high: float = float("inf")) -> None:
    """Raises SettingsError for the first of these fields of a group that is not in low..high."""
    for name in names:
        value = getattr(settings, name)
        must = f"at least {low:g}" if high == float("inf") else f"in {low:g}..{high:g}"
        require(low <= value <= high, f"{group}.{name}", value, must)


def require_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raises SettingsError naming the choices if the value is none of them."""
    choices = list(choices)
    require(value in choices, name, value, f"one of {', '.join(repr(choice) for choice in choices)}")
