"""From what is asked for, on a command line or in Python, to complete Controls."""

import difflib
import numbers
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drumjax.codecs.base import Field
from drumjax.config.control import ControlError
from drumjax.config.controls import CONTROLS, Controls
from drumjax.config.form import count_form_bars
from drumjax.config.mix import read_numbers
from drumjax.config.sampling import SampleSettings
from drumjax.music.metre import write_metre
from drumjax.music.notes import Song

# What each control is: int, float, str or dict. None, which lean can be, is not asked for.
_KINDS: dict[str, Any] = {
    name: {float | None: float}.get(hint, typing.get_origin(hint) or hint)
    for name, hint in typing.get_type_hints(Controls).items()
}


def make_controls(
    defaults: SampleSettings, fields: Sequence[Field], song: Song | None = None, **asked: Any
) -> Controls:
    """The controls that are asked for by name; what is None or missing is as in the song that is worked on, or the
    run's settings, as far as these speak of the style and metre that are asked for.

    temperature is a number for all fields, a dict, or text such as `hits=0.9,velocity=1`; style may be a dict of
    weights. Raises ControlError for a control that does not exist, a value that cannot be played, and for a spread of
    a model without velocity and timing.
    """
    for name in asked:
        if name not in CONTROLS:
            close = difflib.get_close_matches(name, CONTROLS, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(CONTROLS)}"
            raise ControlError(f"no control is called {name!r}; {hint}")
    given = {name: value for name, value in asked.items() if value is not None}
    about = {"style": defaults.style, "time_signature": defaults.time_signature}
    is_other = song is not None or any(given.get(name, usual) != usual for name, usual in about.items())
    values = (defaults.for_other_music() if is_other else defaults).values()
    if song is not None:
        values |= {"bpm": song.tempo_bpm, "time_signature": write_metre(song.time_signature)}
    names = [field.name for field in fields]
    temperatures = {**dict.fromkeys(names, 1.0), **{n: t for n, t in defaults.temperature.items() if n in names}}
    given["temperature"] = temperatures | _temperatures(given.get("temperature", {}), names)
    if isinstance(given.get("style"), Mapping):
        given["style"] = ",".join(f"{style}={weight}" for style, weight in given["style"].items())
    if "form" in given and "bars" not in given:
        given["bars"] = count_form_bars(given["form"])
    if given.get("tightness") and not any(field.name == "offset" for field in fields):
        raise ControlError("this model knows no timing apart from its grid, which tightness is about")
    if "spread" in given and not any(field.is_expression for field in fields):
        raise ControlError("this model knows no velocity and timing, which spread is about")
    return Controls(**(values | {name: _as_declared(name, value) for name, value in given.items()}))


def _as_declared(name: str, value: Any) -> Any:
    """The value as the control's type wants it: an int for a float, NumPy's numbers too. Raises ControlError."""
    kind = _KINDS[name]
    if kind is bool and isinstance(value, np.bool_):
        return bool(value)
    if kind in (int, float):
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not is_number or (kind is int and not float(value).is_integer()):
            raise ControlError(f"{name} is {value!r}; it must be a {'whole ' if kind is int else ''}number")
        return kind(value)
    if not isinstance(value, kind):
        raise ControlError(f"{name} is {value!r}; it must be {CONTROLS[name].must}")
    return value


def _temperatures(asked: Any, names: Sequence[str]) -> dict[str, float]:
    """The fields that are spoken of, and their temperatures. Raises ControlError."""
    if isinstance(asked, numbers.Real):
        return dict.fromkeys(names, float(asked))
    pairs = asked.items() if isinstance(asked, Mapping) else read_numbers(str(asked)) if asked else ()
    found: dict[str, float] = {}
    for name, value in pairs:
        if not isinstance(value, numbers.Real):
            raise ControlError(f"temperature is {asked!r}; give 0.9, or hits=0.9,velocity=1")
        if name and name not in names:
            raise ControlError(f"temperature of {name!r}: the fields are {', '.join(names)}")
        found |= {name: float(value)} if name else dict.fromkeys(names, float(value))
    return found
