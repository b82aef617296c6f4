"""The settings of a run: frozen dataclasses, made at the border from the nested dict that a config file gives.

A field that does not exist, or has the wrong type, dies here with its name. The same dict, as JSON, is stored in every
checkpoint, and is all that is needed to build the model again.
"""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Sequence
from typing import Any

from drumjax.codecs.base import Field
from drumjax.codecs.factory import CodecSettings
from drumjax.data.datasets import DataSettings
from drumjax.models.network import ModelSettings
from drumjax.system.devices import MATMUL_PRECISIONS
from drumjax.training.optimizer import OPTIMIZERS
from drumjax.training.schedule import AUGMENTATIONS, LEARNING_RATES

# By field of augment.Strength: beyond, music would no longer be recognized (odds end at 1 anyway).
AUGMENT_LIMITS = {
    "tempo": 2.0, "double_time": 1.0, "rotate_bars": 1.0, "rotate_beats": 1.0, "swing": 2.0, "push_ms": 200.0,
    "jitter_ms": 200.0, "gain": 2.0, "curve": 2.0, "velocity_jitter": 64.0, "drop_ghosts": 1.0, "drop_voice": 1.0,
    "swap_hands": 1.0, "transpose": 48.0,
}  # fmt: skip


class SettingsError(ValueError):
    """A config that cannot be run; the message names the field, its value and what it may be."""


def _require(condition: object, name: str, value: Any, must: str) -> None:
    if not condition:
        raise SettingsError(f"config.{name} is {value!r}; it must be {must}")


@dataclasses.dataclass(frozen=True)
class SelectionSettings:
    """Which of the dataset's songs, beyond their split; see datasets.select."""

    styles: tuple[str, ...]
    fill: str
    time_signatures: tuple[str, ...]
    drummers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How to train; see configs/default.py for what each is."""

    seed: int
    init_from: str
    num_steps: int
    num_epochs: float
    batch_size: int
    window_beats: int
    window_notes: int
    optimizer: str
    schedule: str
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    clip_norm: float
    dropout: float
    context_dropout: float
    measured_dropout: float
    history_dropout: str
    average_decay: float
    field_weights: tuple[float, ...]
    matmul_precision: str
    steps_per_call: int
    log_every_steps: int
    eval_every_steps: int
    eval_every_epochs: float
    patience_evals: int

    def __post_init__(self):
        for name in (
            "num_steps", "batch_size", "window_beats", "steps_per_call", "log_every_steps", "eval_every_steps"
        ):  # fmt: skip
            _require(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), "at least 1")
        for name in ("window_notes", "warmup_steps", "patience_evals", "weight_decay", "clip_norm", "num_epochs",
                     "eval_every_epochs"):  # fmt: skip
            _require(getattr(self, name) >= 0, f"train.{name}", getattr(self, name), "at least 0")
        for name in ("dropout", "context_dropout", "average_decay"):
            _require(0 <= getattr(self, name) < 1, f"train.{name}", getattr(self, name), "in [0, 1)")
        _require(0 <= self.measured_dropout <= 1, "train.measured_dropout", self.measured_dropout, "in 0..1")
        _require(self.learning_rate > 0, "train.learning_rate", self.learning_rate, "above 0")
        _require(self.optimizer in OPTIMIZERS, "train.optimizer", self.optimizer, f"one of {', '.join(OPTIMIZERS)}")
        precisions = ", ".join(MATMUL_PRECISIONS)
        known = self.matmul_precision in MATMUL_PRECISIONS
        _require(known, "train.matmul_precision", self.matmul_precision, f"one of {precisions}")
        schedules = ", ".join(LEARNING_RATES)
        _require(self.schedule in LEARNING_RATES, "train.schedule", self.schedule, f"one of {schedules}")


@dataclasses.dataclass(frozen=True)
class AugmentSettings:
    """How far augmentation goes; see augment.Strength, whose fields these are. All 0: none is compiled."""

    schedule: str
    tempo: float
    double_time: float
    rotate_bars: float
    rotate_beats: float
    swing: float
    push_ms: float
    jitter_ms: float
    gain: float
    curve: float
    velocity_jitter: float
    drop_ghosts: float
    drop_voice: float
    swap_hands: float
    transpose: float

    def __post_init__(self):
        _require(
            self.schedule in AUGMENTATIONS, "augment.schedule", self.schedule, f"one of {', '.join(AUGMENTATIONS)}"
        )
        for name, limit in AUGMENT_LIMITS.items():
            value = getattr(self, name)
            _require(0 <= value <= limit, f"augment.{name}", value, f"in 0..{limit:g}")

    @property
    def is_on(self) -> bool:
        return any(getattr(self, name) > 0 for name in AUGMENT_LIMITS)


# What can be asked for when sampling, by the part of a model that is told of it.
TOLD_BY = {"style": "style", "fill_every": "fill", "density": "density", "dynamics": "dynamics"}


@dataclasses.dataclass(frozen=True)
class SampleSettings:
    """What is played unless run_sample.py is told otherwise."""

    style: str
    bpm: float
    time_signature: str
    bars: int
    fill_every: int
    density: float
    dynamics: float
    guidance: float
    spread: float
    humanize_spread: float
    temperature: str
    top_k: int
    top_p: float
    no_repeat: int

    def __post_init__(self):
        for name in ("spread", "humanize_spread"):
            _require(0 <= getattr(self, name) <= 1, f"sample.{name}", getattr(self, name), "in 0..1")


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
        _require(not (self.codec.kit and is_pitched), "codec.kit", self.codec.kit,
                 f"'' where data.instrument is {self.data.instrument!r}")  # fmt: skip
        _require(self.codec.kit or self.data.instrument != "drums", "codec.kit", self.codec.kit,
                 "a drum kit where data.instrument is 'drums'")  # fmt: skip


def read_numbers(text: str) -> list[tuple[str, float | None]]:
    """`a=1,b=0.5` as pairs; a number alone has the name "", and what is no number is None."""
    pairs: list[tuple[str, float | None]] = []
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            pairs.append((name, float(number)))
        except ValueError:
            pairs.append((name, None))
    return pairs


def history_odds(settings: TrainSettings, fields: Sequence[Field]) -> dict[str, float]:
    """The fields of history_dropout and their odds. Raises SettingsError unless they are fields of expression: what
    notes there are, and when, is always heard."""
    known, text = [field.name for field in fields if field.is_expression], settings.history_dropout
    odds: dict[str, float] = {}
    for name, value in read_numbers(text) if text else ():
        must = f"such as offset=0.25, odds in 0..1 of: {', '.join(known) or 'nothing (this codec has no expression)'}"
        _require(name in known and value is not None and 0 <= value <= 1, "train.history_dropout", text, must)
        odds[name] = float(value or 0)
    return odds


def make_settings(config: dict[str, Any]) -> Settings:
    """Settings from a nested dict (a config file's, or the one stored in a checkpoint). Raises SettingsError."""
    return _make(Settings, config, "config")


def _make(cls: type, values: Any, path: str) -> Any:
    if not isinstance(values, dict):
        raise SettingsError(f"{path} is {values!r}; it must be a group of fields")
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]
    for name in values:
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            raise SettingsError(
                f"{path}.{name} does not exist" + (f"; did you mean {path}.{close[0]}?" if close else "")
            )
    missing = [name for name in names if name not in values]
    if missing:
        raise SettingsError(f"{path} lacks {', '.join(missing)}; start from configs/default.py")
    try:
        return cls(**{name: _convert(hints[name], values[name], f"{path}.{name}") for name in names})
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _convert(hint: Any, value: Any, path: str) -> Any:
    """The value as its type wants it: JSON knows no tuples, and an int will do for a float."""
    if dataclasses.is_dataclass(hint):
        return _make(typing.cast(type, hint), value, path)
    if isinstance(hint, types.GenericAlias):
        item = typing.get_args(hint)[0]
        if isinstance(value, tuple | list):
            return tuple(_convert(item, v, path) for v in value)
        raise SettingsError(
            f"{path} is {value!r}; it must be a tuple such as ({'1.0' if item is float else repr('a')},)"
        )
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise SettingsError(f"{path} is {value!r}; it must be a finite number")
        return float(value)
    if type(value) is not hint:
        raise SettingsError(f"{path} is {value!r}; it must be of type {hint.__name__}")
    return value
