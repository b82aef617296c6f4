"""What each augmentation is worth: `python -m drumjax.studies.ablation [--out_dir runs/ablation] [--seeds 3]`.

Trains configs/ablation.py as it is, with each change of config.augment alone, and with all of them, on rock beats
only (the small-data case, trained longer) and on all styles, and writes table.md and ablation.json: the best
validation loss of each run, and its negative log-likelihoods there. What is in ablation.json, or whose run is there, is
not trained again, so the command goes on where it was stopped, also from a copy of that file.
"""

import argparse
import math
import os
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from drumjax.config.augmentation import AUGMENTATIONS
from drumjax.report.figures import write_json
from drumjax.runs.metrics import read_metrics
from drumjax.runs.workdir import read_config
from drumjax.studies.command import StudyError
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.devices import use_compile_cache, use_cores
from drumjax.system.files import check_own, replace_own, user_path
from drumjax.system.strict_json import read_json
from drumjax.training.population import make_members, train_population
from drumjax.training.trainer import TrainError

CONFIG = "ablation"  # in configs/
MODERATE = {name: row.moderate for name, row in AUGMENTATIONS.items() if row.moderate is not None}
CASES: dict[str, dict[str, float]] = {
    "none": {},
    **{name: {name: value} for name, value in MODERATE.items()},
    "all": MODERATE,
}
DATA: dict[str, dict[str, Any]] = {
    "rock beats": {"data.styles": ("rock",), "data.fill": "beat", "validation.styles": ("rock",),
                   "validation.fill": "beat", "train.num_steps": 800},  # 17 times through
    "all styles": {"train.num_steps": 400},  # 3 times through
}  # fmt: skip
FIELDS = ("hits", "velocity", "offset")
AT_ONCE = 8  # trainings: more take more memory, and are no faster on a CPU
TABLE_MARK = b"| augmentation |"  # how table.md begins


class Trial(NamedTuple):
    """One training: on what, with which changes, from which seed."""

    data: str
    case: str
    seed: int

    def workdir(self, out_dir: Path) -> Path:
        return out_dir / f"{self.data.replace(' ', '_')}-{self.case}-{self.seed}"

    def overrides(self) -> dict[str, Any]:
        """What differs from the config, by dotted name."""
        changes = {f"augment.{name}": value for name, value in CASES[self.case].items()}
        return {**DATA[self.data], **changes, "train.seed": self.seed}


def best_figures(workdir: Path) -> dict[str, float] | None:
    """The validation row of the lowest loss, None if the run is not finished."""
    saved = read_config(workdir)
    if saved is None:
        return None
    try:
        last = float(saved["config"]["train"]["num_steps"])
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(f"{workdir} is not a run of this study; choose another --out_dir") from error
    rows = [row for row in read_metrics(workdir) if row["split"] == "validation"]
    if not rows or rows[-1]["step"] < last:
        return None
    return min(rows, key=lambda row: row["loss"])


def run(trials: list[Trial], out_dir: Path) -> dict[Trial, dict[str, float]]:
    """Trains what is missing, and writes the table after each. Raises UserError if a training fails or is stopped."""
    figures = read(out_dir)
    by_folder = {trial.workdir(out_dir).name: trial for trial in trials if trial not in figures}
    missing = {name: trial.overrides() for name, trial in by_folder.items() if best_figures(out_dir / name) is None}
    _collect(figures, [trial for name, trial in by_folder.items() if name not in missing], out_dir)
    for outcomes in train_population(make_members(CONFIG, out_dir, missing), at_once=AT_ONCE):
        for name, outcome in outcomes.items():
            if isinstance(outcome, TrainError):
                raise StudyError(f"{name}: {outcome}")
            if outcome.stopped_by:
                raise StudyError(f"stopped by {outcome.stopped_by}; the same command goes on from here")
        _collect(figures, [by_folder[name] for name in outcomes], out_dir)
    return {trial: figures[trial] for trial in trials}


def _collect(figures: dict[Trial, dict[str, float]], trials: list[Trial], out_dir: Path) -> None:
    """Adds the figures of trials that are finished, and writes the table."""
    for trial in trials:
        found = best_figures(trial.workdir(out_dir))
        assert found is not None, f"{trial.workdir(out_dir)} ended early"
        figures[trial] = found
    if trials:
        write(figures, out_dir)


def read(out_dir: Path) -> dict[Trial, dict[str, float]]:
    """What ablation.json says, {} if there is none. Raises StudyError, or OSError."""
    path = out_dir / "ablation.json"
    if not os.path.lexists(path):
        return {}
    try:
        rows = read_json(path)
        figures = {Trial(*(row.pop(name) for name in Trial._fields)): row for row in rows}
        for trial, row in figures.items():
            figures[trial] = row = {name: math.nan if value is None else value for name, value in row.items()}
            if not all(isinstance(row[f"nll_each/{field}"], int | float) for field in FIELDS):
                raise TypeError("figures are numbers")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"{path} is not what this study writes ({error}); choose another --out_dir") from error
    return figures


def write(figures: dict[Trial, dict[str, float]], out_dir: Path) -> None:
    rows: list[dict[str, Any]] = [{**trial._asdict(), **found} for trial, found in figures.items()]
    write_json(out_dir / "ablation.json", rows)
    replace_own(out_dir / "table.md", make_table(figures).encode(), TABLE_MARK)


def make_table(figures: dict[Trial, dict[str, float]]) -> str:
    """Markdown: mean over seeds, and half the distance between the lowest and the highest."""
    lines = ["| augmentation | " + " | ".join(f"{d}: {f}" for d in DATA for f in FIELDS) + " |"]
    lines.append("|---" * (1 + len(DATA) * len(FIELDS)) + "|")
    for case, strengths in CASES.items():
        name = f"`{case}={strengths[case]:g}`" if case in strengths else case
        cells = []
        for data in DATA:
            found = [f for trial, f in figures.items() if (trial.data, trial.case) == (data, case)]
            for field in FIELDS:
                values = [f[f"nll_each/{field}"] for f in found]
                spread = (max(values) - min(values)) / 2 if values else 0
                cells.append(f"{statistics.mean(values):.3f} ± {spread:.3f}" if values else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    set_up_logging()
    parser = argparse.ArgumentParser(prog="python -m drumjax.studies.ablation", description=__doc__.partition("\n")[0])
    parser.add_argument("--out_dir", type=user_path, default=Path("runs/ablation"), help="where the runs are kept")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind")
    parser.add_argument("--only", default="", help="cases, such as none,tempo,all; default all of them")
    args = parser.parse_args()
    cases = args.only.split(",") if args.only else list(CASES)
    if unknown := set(cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are: {', '.join(CASES)}")
    # Seed by seed, so that a table is there early.
    trials = [Trial(data, case, seed) for seed in range(args.seeds) for case in cases for data in DATA]

    def study() -> None:
        use_cores(AT_ONCE)
        use_compile_cache()
        args.out_dir.mkdir(parents=True, exist_ok=True)
        check_own(args.out_dir / "table.md", TABLE_MARK)
        run(trials, args.out_dir)
        print((args.out_dir / "table.md").read_text(encoding="utf-8"))

    return run_or_explain(study)


if __name__ == "__main__":
    raise SystemExit(main())
