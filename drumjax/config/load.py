"""Config files: Python with one function, get_config(), which returns an ml_collections.ConfigDict."""

import difflib
import functools
import json
import operator
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drumjax.config.built_in import built_in_config
from drumjax.config.checks import SettingsError
from drumjax.system.files import user_path
from drumjax.system.strict_json import JsonError, read_json

# Where configs lie that are named without a path: here, in a checkout or where the package is installed.
_FOLDERS = (Path("configs"), Path(__file__).resolve().parents[2] / "configs")


def find_config(name: str) -> Path:
    """The config file of that path, or of that name ("rock") in configs/. Raises SettingsError naming those there
    are."""
    path = user_path(name)
    if path.is_file():
        return path
    tried = [folder / f"{path.name.removesuffix('.py')}.py" for folder in _FOLDERS]
    if path.parent in (Path("."), Path("configs")):
        for found in tried:
            if found.is_file():
                return found
    raise SettingsError(f"no config {name!r}; give the path of a file, or one of: {', '.join(known_configs())}")


def known_configs() -> list[str]:
    """The names that find_config knows."""
    return sorted({file.stem for folder in _FOLDERS for file in folder.glob("*.py")} - {"__init__"})


def load_config(name: str | Path, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The nested dict of settings of a config file, which is executed.

    Args:
      name: a path, or a name in configs/ such as "rock"; "default" is known without that folder, too.
      overrides: values by dotted name, such as {"train.num_steps": 500}.

    Raises:
      SettingsError: there is no such file, it cannot be executed, or an override names no field.
    """
    if str(name) == "default" and "default" not in known_configs():
        config = built_in_config()
    else:
        config = _run(find_config(str(name)))
    override(config, overrides or {})
    return config


def _run(path: Path) -> dict[str, Any]:
    """What the get_config() of a file returns. Raises SettingsError."""
    found = sys.path
    sys.path = [*found, str(path.resolve().parent.parent)]  # configs start from others: `from configs import default`
    try:
        config: dict[str, Any] = json.loads(runpy.run_path(str(path))["get_config"]().to_json())
        return config
    except Exception as error:  # it is code, and may raise whatever it likes
        raise SettingsError(f"cannot read the config {path}: {type(error).__name__}: {error}") from error
    finally:
        sys.path = found


def override(config: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Sets values by dotted name. Raises SettingsError for a name that is not there."""
    for name, value in overrides.items():
        check_name(config, name)
        group, _, last = name.rpartition(".")
        get_setting(config, group)[last] = value


def read_overrides(path: str | Path) -> dict[str, Any]:
    """Values by dotted name of a JSON file, which has groups of fields as configs have, or dotted names.

    Raises SettingsError for a file that is missing, or not that.
    """
    try:
        values = read_json(user_path(path))
    except (OSError, JsonError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"--config_overrides: cannot read {path}: {why}") from error
    if not isinstance(values, dict):
        raise SettingsError(f'--config_overrides: {path} must be an object such as {{"train": {{"num_steps": 500}}}}')
    overrides: dict[str, Any] = {}
    for group, fields in values.items():
        if "." in group:
            overrides[group] = fields
        elif isinstance(fields, dict):
            overrides |= {f"{group}.{name}": value for name, value in fields.items()}
        else:
            raise SettingsError(f"--config_overrides: {path}: {group!r} is neither a group nor a dotted name")
    return overrides


def get_setting(config: Mapping[str, Any], name: str) -> Any:
    """The value of that dotted name, which is there."""
    return functools.reduce(operator.getitem, name.split("."), config)


def check_name(config: Mapping[str, Any], name: str) -> bool:
    """Whether a dotted name is new to the config, as those of numbers by name can be (train.history_dropout.offset).

    Raises SettingsError, with what may be meant, for a name that can be no setting.
    """
    *groups, last = name.split(".")
    node: Any = config
    for part in groups:
        node = node.get(part) if isinstance(node, Mapping) else None
    if isinstance(node, Mapping) and (last in node or len(groups) > 1):
        return last not in node
    close = _suggest(config, name)
    raise SettingsError(f"no such setting: config.{name}" + (f"; did you mean config.{close}?" if close else ""))


def _suggest(config: Mapping[str, Any], name: str) -> str:
    """The setting that is most like a name which is none: by its spelling, its initials, or a part of it."""
    *groups, last = name.split(".")
    known = [f"{group}.{field}" for group, fields in config.items() for field in fields]
    own = [path for path in known if path.split(".")[0] in groups]
    for paths in (own, known):
        fields = {path.partition(".")[2]: path for path in paths}
        initials = {"".join(word[0] for word in field.split("_")): field for field in fields if "_" in field}
        found = [
            *difflib.get_close_matches(last, fields, 1),
            *([initials[last]] if last in initials else []),
            *(field for field in fields if last in field.split("_")),
        ]
        if found:
            return fields[found[0]]
    return next(iter(difflib.get_close_matches(name, [*known, *config], 1)), "")
