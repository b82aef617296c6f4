"""Runs side by side: `python -m drumjax.compare runs/a runs/b [--plot compare.png]`.

Prints the settings that differ, the held-out scores, and how the held-out loss fell; --plot draws the same.
"""

import argparse
import dataclasses
import math
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drumjax.report.tables import Table, write_text
from drumjax.runs.metrics import read_metrics
from drumjax.runs.workdir import RunError, read_config
from drumjax.system.command_name import command_name
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.files import user_path, write_atomically

CHART_WIDTH, CHART_HEIGHT = 64, 14
MISSING = "-"
NAMES = string.ascii_uppercase  # of the runs, in tables and in the chart


@dataclasses.dataclass(frozen=True)
class Record:
    """What a run's folder tells without its checkpoints: the config, the data, and the rows of metrics.jsonl."""

    name: str
    config: dict[str, Any]
    data: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def settings(self) -> dict[str, Any]:
        """By dotted name."""
        return {f"{group}.{name}": value for group, fields in self.config.items() for name, value in fields.items()}

    @property
    def held_out(self) -> list[dict[str, Any]]:
        """The rows of evaluations, those that are no numbers left out."""
        return [row for row in self.rows if row["split"] == "validation" and math.isfinite(row["loss"])]

    @property
    def best(self) -> dict[str, Any]:
        """The row of the lowest held-out loss; empty if there is none."""
        return min(self.held_out, key=lambda row: row["loss"], default={})


def read_record(workdir: Path) -> Record:
    """Changes nothing in the folder. Raises RunError if it holds no run."""
    saved = read_config(workdir)
    if saved is None:
        raise RunError(f"{workdir} holds no run: it has no config.json; give a workdir such as runs/rock")
    return Record(str(workdir), saved["config"], saved.get("data", {}), read_metrics(workdir))


def compare(records: Sequence[Record]) -> list[Table]:
    """The settings that differ, and the scores, a column for each run."""
    head = [*NAMES[: len(records)]]
    names = [["", *head], ["run", *(record.name for record in records)]]
    differences = _differences(records) or [["none", *[""] * len(head)]]
    title = "Held-out scores, at the best evaluation; lower is better"
    return [
        Table("Runs", "", names),
        Table("Settings that differ", "", [["setting", *head], *differences]),
        Table(title, "", [["score", *head], *_scores(records)]),
    ]


def _differences(records: Sequence[Record]) -> list[list[str]]:
    settings = [record.settings for record in records]
    rows = []
    for name in dict.fromkeys(name for found in settings for name in found):
        values = [_show(found[name]) if name in found else MISSING for found in settings]
        if len(set(values)) > 1:
            rows.append([name, *values])
    for name in ("source", "train_songs", "validation_songs", "fingerprint"):
        values = [_show(record.data.get(name, MISSING)) for record in records]
        if len(set(values)) > 1:
            rows.append([f"data: {name.replace('_', ' ')}", *values])
    return rows


def _show(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 48 else f"{text[:45]}..."


def _scores(records: Sequence[Record]) -> list[list[str]]:
    best = [record.best for record in records]
    figures = ["loss", *sorted({name for row in best for name in row if name.startswith("nll_each/")})]
    rows = [["step", *(str(row.get("step", MISSING)) for row in best)]]
    for name in figures:
        title = f"{name.partition('/')[2]}, nats each" if "/" in name else "weighted loss, nats per step"
        rows.append([title, *(f"{row[name]:.4f}" if name in row else MISSING for row in best)])
    rows.append(["last step", *(str(record.rows[-1]["step"]) if record.rows else MISSING for record in records)])
    return rows


def draw_chart(records: Sequence[Record], width: int = CHART_WIDTH, height: int = CHART_HEIGHT) -> str:
    """The held-out losses by step in characters, A for the first run; `*` where several meet. "" if there are none."""
    points = [[(row["step"], row["loss"]) for row in record.held_out] for record in records]
    every = [point for curve in points for point in curve]
    if not every:
        return ""
    last, low, high = max(step for step, _ in every), min(y for _, y in every), max(y for _, y in every)
    cells = [[" "] * width for _ in range(height)]
    for mark, curve in zip(NAMES, points, strict=False):
        for step, loss in curve:
            row = round((high - loss) / max(high - low, 1e-9) * (height - 1))
            column = round(step / max(last, 1) * (width - 1))
            cells[row][column] = mark if cells[row][column] in (" ", mark) else "*"
    labels = [f"{high:.3f}", *[""] * (height - 2), f"{low:.3f}"]
    lines = [f"{label:>7} |{''.join(row).rstrip()}" for label, row in zip(labels, cells, strict=True)]
    return "\n".join([*lines, f"{'':>7} +{'-' * width}", f"{'':>9}0{f'step {last}':>{width - 1}}"])


def main() -> int:
    set_up_logging()
    parser = argparse.ArgumentParser(prog=command_name("compare"), description=__doc__.split("\n", 1)[0])
    parser.add_argument("workdirs", nargs="+", type=user_path, metavar="runs/a", help="the runs, two or more")
    parser.add_argument("--plot", type=user_path, help="draw the curves to this PNG file")
    flags = parser.parse_args()

    def run() -> None:
        if not 2 <= len(flags.workdirs) <= len(NAMES):
            raise RunError(f"{len(flags.workdirs)} runs are given; compare 2 to {len(NAMES)} of them")
        records = [read_record(workdir) for workdir in flags.workdirs]
        print(write_text(compare(records)))
        if chart := draw_chart(records):
            print(f"Held-out loss by step\n\n{chart}")
        if flags.plot:
            from drumjax.report.plots import draw_comparison

            write_atomically(flags.plot, draw_comparison({record.name: record.rows for record in records}))
            print(flags.plot)

    return run_or_explain(run)


if __name__ == "__main__":
    raise SystemExit(main())
