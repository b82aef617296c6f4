"""The controls as flags of a command line."""

import dataclasses
import typing
from typing import Any

from drumjax.config.controls import CONTROLS, Controls


def define_controls(flags: Any) -> None:
    """A flag of absl.flags for each control, which is None where it is not given."""
    hints = typing.get_type_hints(Controls)
    for name, control in CONTROLS.items():
        kinds = {int: flags.DEFINE_integer, float: flags.DEFINE_float, float | None: flags.DEFINE_float}
        kinds.get(hints[name], flags.DEFINE_string)(name, None, control.help)


def given_controls(flags: Any) -> dict[str, Any]:
    """The controls that were given, by name."""
    values = {field.name: flags.FLAGS[field.name].value for field in dataclasses.fields(Controls)}
    return {name: value for name, value in values.items() if value is not None}
