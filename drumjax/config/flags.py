"""Configs and controls as flags of a command line."""

import re
import typing
from collections.abc import Sequence
from typing import Any

from absl import flags

from drumjax.config.checks import SettingsError
from drumjax.config.controls import CONTROLS, Controls
from drumjax.config.load import check_name, find_config, known_configs, load_config

_DEFINE: dict[Any, Any] = {
    int: flags.DEFINE_integer, float: flags.DEFINE_float, float | None: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
}  # fmt: skip


def define_controls(values: flags.FlagValues, about: str) -> None:
    """A flag for each control of that kind ("piece" or "draw"), which is None where it is not given."""
    hints = typing.get_type_hints(Controls)
    for name, control in CONTROLS.items():
        if control.about == about:
            _DEFINE.get(hints[name], flags.DEFINE_string)(name, None, control.help, flag_values=values)


def define_cluster(values: flags.FlagValues, distributed: str) -> None:
    """--distributed, which means this, and how long its processes wait for each other."""
    flags.DEFINE_boolean("distributed", False, distributed, flag_values=values)
    flags.DEFINE_integer(
        "heartbeat_timeout", 1800, "With --distributed: how many seconds another process may be silent.",
        lower_bound=1, flag_values=values,
    )  # fmt: skip
    flags.DEFINE_integer(
        "initialization_timeout", 1800, "With --distributed: within how many seconds all have to start.",
        lower_bound=1, flag_values=values,
    )  # fmt: skip


def given_controls(values: flags.FlagValues) -> dict[str, Any]:
    """The controls that were given, by name."""
    return {name: values[name].value for name in CONTROLS if values[name].value is not None}


def resolve_config(argv: Sequence[str]) -> tuple[list[str], dict[str, float]]:
    """The arguments with --config as a path, and without the settings that ml_collections cannot set: numbers by name
    that the config does not hold yet, such as config.train.history_dropout.offset, which come second, by dotted name.

    Raises SettingsError for a config that is missing or cannot be read, and for a setting that does not exist.
    """
    args = _join_values(argv)
    names = [arg.partition("=")[2] for arg in args if re.match(r"--?config=", arg)]
    if not names or not names[-1]:
        raise SettingsError(f"--config is missing; give a path, or one of: {', '.join(known_configs())}")
    path = find_config(names[-1])
    config = load_config(path)
    kept, by_name = [], {}
    for arg in args:
        match = re.match(r"--?(?:no)?config\.([^=]+)=?(.*)", arg, re.S)
        if match and check_name(config, match[1]):
            try:
                by_name[match[1]] = float(match[2])
            except ValueError:
                raise SettingsError(f"config.{match[1]} is {match[2]!r}; it must be a number") from None
        else:
            kept.append(f"--config={path}" if re.match(r"--?config=", arg) else arg)
    return kept, by_name


def named_settings(argv: Sequence[str]) -> list[str]:
    """The dotted names of the settings that the arguments set."""
    matches = [re.match(r"--?(?:no)?config\.([^=]+)", arg) for arg in argv]
    return [match[1] for match in matches if match]


def _join_values(argv: Sequence[str]) -> list[str]:
    """`--config x` and `--config.a.b x` as one argument each."""
    args: list[str] = []
    for arg in argv:
        if args and re.fullmatch(r"--?config(\.[^=]+)?", args[-1]) and not arg.startswith("--"):
            args[-1] += f"={arg}"
        else:
            args.append(arg)
    return args
