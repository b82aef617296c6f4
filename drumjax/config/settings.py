"""The settings of a run: frozen dataclasses, made at the border from the nested dict that a config file gives.

A field that does not exist, or has the wrong type, dies here with its name. The same dict, as JSON, is stored in every
checkpoint, and is all that is needed to build the model again. A field with a default is younger than some runs: where
it is missing, the default is filled in, which is the value that reproduces them.
"""

import dataclasses
import difflib
import sys
import types
import typing
from typing import Any

from drumjax.config.augmentation import AugmentSettings
from drumjax.config.checks import SettingsError, require
from drumjax.config.codec import CodecSettings
from drumjax.config.data import DataSettings, SelectionSettings
from drumjax.config.model import ModelSettings
from drumjax.config.sampling import SampleSettings
from drumjax.config.training import TrainSettings
from drumjax.system.errors import UserError

# What older runs say, and what nothing depends on any more.
_FORGOTTEN = ("config.model.backend",)


@dataclasses.dataclass(frozen=True)
class Settings:
    """All settings of a run. Raises SettingsError where groups do not go together."""

    data: DataSettings
    validation: SelectionSettings
    codec: CodecSettings
    model: ModelSettings
    augment: AugmentSettings
    train: TrainSettings
    sample: SampleSettings

    def __post_init__(self):
        is_pitched = self.data.instrument not in ("drums", "all")
        must = f"'' where data.instrument is {self.data.instrument!r}"
        require(not (self.codec.kit and is_pitched), "codec.kit", self.codec.kit, must)
        must = "a drum kit where data.instrument is 'drums'"
        require(self.codec.kit or self.data.instrument != "drums", "codec.kit", self.codec.kit, must)


def make_settings(config: dict[str, Any]) -> Settings:
    """Settings from a nested dict (a config file's, or the one stored in a checkpoint). Raises SettingsError."""
    return _make(Settings, config, "config")


def write_settings(settings: Settings) -> dict[str, Any]:
    """The nested dict that make_settings makes the same settings of, as JSON knows it: every field, lists for
    tuples."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        return [plain(part) for part in value] if isinstance(value, tuple) else value

    return plain(dataclasses.asdict(settings))


def _make(cls: type, values: Any, path: str) -> Any:
    if not isinstance(values, dict):
        raise SettingsError(f"{path} is {values!r}; it must be a group of fields")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    values = {name: value for name, value in values.items() if f"{path}.{name}" not in _FORGOTTEN}
    for name in values:
        if name not in fields:
            close = difflib.get_close_matches(name, fields, 1)
            hint = f"; did you mean {path}.{close[0]}?" if close else ""
            raise SettingsError(f"{path}.{name} does not exist{hint}")
    missing = [name for name, field in fields.items() if name not in values and _is_required(field)]
    if missing:
        raise SettingsError(f"{path} lacks {', '.join(missing)}; start from configs/default.py")
    try:
        return cls(**{name: _convert(hints[name], value, f"{path}.{name}") for name, value in values.items()})
    except SettingsError:
        raise
    except UserError as error:  # of a control, whose name is not the whole path
        raise SettingsError(f"{path}.{error}") from error


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _convert(hint: Any, value: Any, path: str) -> Any:
    """The value as its type wants it: JSON knows no tuples, and an int will do for a float."""
    if dataclasses.is_dataclass(hint):
        return _make(typing.cast(type, hint), value, path)
    if isinstance(hint, types.UnionType):  # float | None
        return None if value is None else _convert(typing.get_args(hint)[0], value, path)
    if typing.get_origin(hint) is dict:
        item = typing.get_args(hint)[1]
        if isinstance(value, dict):
            return {str(name): _convert(item, part, f"{path}.{name}") for name, part in value.items()}
        raise SettingsError(f"{path} is {value!r}; it must be numbers by name, such as {{'hits': 1.0}}")
    if isinstance(hint, types.GenericAlias):
        item = typing.get_args(hint)[0]
        if isinstance(value, tuple | list):
            return tuple(_convert(item, part, path) for part in value)
        example = "1.0" if item is float else repr("a")
        raise SettingsError(f"{path} is {value!r}; it must be a tuple such as ({example},)")
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) <= sys.float_info.max:  # nor a whole number that no float can be
            raise SettingsError(f"{path} is {value!r}; it must be a finite number")
        return float(value)
    if type(value) is not hint:
        raise SettingsError(f"{path} is {value!r}; it must be of type {hint.__name__}")
    return value
