"""The file of all figures, which is written after every contest and holds those of rows that were measured before."""

import json
from pathlib import Path
from typing import Any

from drumjax.report.figures import write_json

# Of a machine: what may differ between figures that stand in one file.
MAY_DIFFER = ("date",)


class Record:
    """Contests as JSON, in the order in which they were first measured. path is the file, None to keep it in memory.

    What a file holds of contests that are measured again is replaced. Raises ValueError, with what is wrong, for a file
    that is no record, or is of another machine, other songs or other sizes.
    """

    def __init__(self, path: Path | None, whole: dict[str, Any]):
        self._path, self._whole = path, whole
        self._contests: dict[tuple[str, str], dict[str, Any]] = {}
        if path is not None and not path.parent.is_dir():
            raise ValueError(f"{path.parent} is no folder")
        if path is not None and path.exists():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                self._contests = {_key(contest): contest for contest in found.pop("contests")}
                other = _without(found) != _without(whole)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise ValueError(f"{path} holds no figures of a benchmark; give another file") from None
            if other:
                raise ValueError(f"{path} is of another machine, or of other songs or sizes; give another file")

    @property
    def contests(self) -> list[dict[str, Any]]:
        return list(self._contests.values())

    def add(self, contest: dict[str, Any]) -> None:
        """And writes the file anew."""
        self._contests[_key(contest)] = contest
        if self._path is not None:
            write_json(self._path, {**self._whole, "contests": self.contests})


def _key(contest: dict[str, Any]) -> tuple[str, str]:
    return contest["row"], contest["title"]


def _without(whole: dict[str, Any]) -> dict[str, Any]:
    machine = {name: value for name, value in whole["machine"].items() if name not in MAY_DIFFER}
    return {**whole, "machine": machine}
