"""A run's folder: what its config.json says, and whether a config is that of the run in it."""

import os
import sys
from pathlib import Path
from typing import Any

from drumjax.config.checks import SettingsError
from drumjax.config.settings import Settings, make_settings, write_settings
from drumjax.runs.checkpoint_folder import CheckpointError
from drumjax.runs.compatibility import check_compatible
from drumjax.system.errors import UserError
from drumjax.system.files import write_atomically
from drumjax.system.strict_json import read_json, to_strict_json

# What may change between a run and its resumption: how long and how chattily to train, how its device, which may be
# another one, multiplies, where the data lie, and what is played by default.
_FREE_GROUPS = ("sample",)
_FREE_FIELDS = {
    "train": (
        "num_steps", "log_every_steps", "eval_every_steps", "patience_evals", "num_epochs", "eval_every_epochs",
        "matmul_precision",
    ),
    "data": ("dir", "fallback"),
}  # fmt: skip


class RunError(UserError):
    """A workdir that cannot be used; one line says what, where, and what to do."""


def make_workdir(workdir: Path) -> None:
    """Makes the folder. Raises RunError if it can't, or if a metrics.jsonl is there that is not of a run."""
    path = workdir / "metrics.jsonl"
    if path.exists() and not (workdir / "config.json").exists() and not (workdir / "checkpoints").exists():
        raise RunError(f"{path} is not of a run: there is no config.json beside it; choose another --workdir")
    check_name(workdir)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make {workdir}: {error.strerror}; choose another --workdir") from error


def check_name(workdir: Path) -> None:
    """Raises RunError for a name that Orbax cannot open: it takes names for UTF-8, whatever the locale says."""
    name = str(workdir.absolute())
    try:
        if name.encode() == os.fsencode(name):
            return
    except UnicodeEncodeError:
        pass
    encoding = sys.getfilesystemencoding()
    raise RunError(
        f"{workdir}: checkpoints in a folder with characters beyond ASCII in its name need UTF-8, and this locale has "
        f"{encoding}: set PYTHONUTF8=1"
        if encoding != "utf-8"
        else f"{workdir}: checkpoints cannot be in a folder whose name is not UTF-8; rename it"
    )


def write_config(workdir: Path, config: dict[str, Any], data: dict[str, Any]) -> None:
    """Writes config.json: the config, and a description of the data."""
    text = to_strict_json({"config": config, "data": data}, indent=2) + "\n"
    write_atomically(workdir / "config.json", text.encode())


def read_config(workdir: Path) -> dict[str, Any] | None:
    """What config.json of a workdir says, None if there is none yet."""
    path = workdir / "config.json"
    try:
        saved: dict[str, Any] = read_json(path)
        if not all(isinstance(group, dict) for group in saved["config"].values()):
            raise TypeError("config is not made of groups of fields")
        if not isinstance(saved.get("data", {}), dict):
            raise TypeError("data is not a group of fields")
        return saved
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: {error}; repair it or use another --workdir") from error


def describe_fallback(workdir: Path) -> str:
    """A line that says what a run was really trained on, "" where that is what its config asks for."""
    data = (read_config(workdir) or {}).get("data", {})
    if not data.get("is_fallback"):
        return ""
    return f"NOT WHAT {workdir.name.upper()} IS NAMED FOR: it was trained on {data.get('source', 'other data')}"


def check_same_run(workdir: Path, config: dict[str, Any]) -> None:
    """Refuses a workdir that holds a run of another config, showing the difference."""
    saved = read_config(workdir)
    if saved is not None:
        check_same_config(saved["config"], config, f"the run in {workdir}")


def check_same_config(saved: dict[str, Any], config: dict[str, Any], where: str) -> None:
    """Raises RunError, showing the difference, if a run of `saved` cannot go on as `config`.

    What a run from before a setting was there is silent on, it has the value of that reproduces it.
    """
    try:
        was = make_settings(saved)
    except SettingsError as error:
        raise RunError(f"{where} was trained by another version of drumjax ({error}); use another --workdir") from None
    try:
        check_compatible(_fixed(was), _fixed(make_settings(config)), where=where)
    except CheckpointError as error:
        raise RunError(str(error)) from None


def _fixed(settings: Settings) -> dict[str, Any]:
    """The part of a config that a resumed run must share."""
    return {
        group: {name: value for name, value in fields.items() if name not in _FREE_FIELDS.get(group, ())}
        for group, fields in write_settings(settings).items()
        if group not in _FREE_GROUPS
    }
