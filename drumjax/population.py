"""Runs that differ in a few settings, trained together:
`python -m drumjax.population --config rock --grid train.learning_rate=1e-3,2e-3 --grid train.seed=0..7`.

Each combination is a run of its own in a folder of --out_dir, like any other; those that differ in numbers only are
trained in one compiled program. Prints a table, and writes it as table.md and population.json. The same command goes on
where it was stopped. Exit status: 0 all finished, 75 stopped, 1 refused, or some run could not go on.
"""

import argparse
import itertools
import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drumjax.config.checks import SettingsError
from drumjax.config.load import check_name, find_config, load_config
from drumjax.report.figures import write_json
from drumjax.system.command_name import command_name
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.files import check_own, replace_own, user_path
from drumjax.system.stop_signals import STOPPED

SEED = "train.seed"
MAX_MEMBERS = 10_000
_TABLE_MARK = b"| loss |"
_RANGE = re.compile(r"(-?\d{1,9})\.\.(-?\d{1,9})", re.ASCII)


def read_axis(text: str) -> tuple[str, list[Any]]:
    """The setting and its values, of a text such as `train.seed=0..7`, `train.learning_rate=1e-3,2e-3`,
    `model.cell=lstm` or, as JSON, `data.styles=[["rock"], ["funk"]]`. Raises SettingsError."""
    name, equals, said = text.partition("=")
    name = name.removeprefix("--").removeprefix("config.")
    if not equals or not said:
        raise SettingsError(f"--grid is {text!r}; give a setting and its values, such as train.seed=0..7")
    if match := _RANGE.fullmatch(said):
        first, last = int(match[1]), int(match[2])
        if not 0 <= last - first < MAX_MEMBERS:
            raise SettingsError(f"--grid {name}: {said} is no range of at most {MAX_MEMBERS} numbers, from low to high")
        return name, list(range(first, last + 1))
    if said.startswith("["):
        try:
            values = json.loads(said)
        except ValueError as error:
            raise SettingsError(f"--grid {name}: {said} is no JSON ({error})") from error
    else:
        values = [_read_value(part) for part in said.split(",")]
    if len({repr(value) for value in values}) < max(1, len(values)):
        raise SettingsError(f"--grid {name}: {said} has no value, or one of them twice")
    return name, values


def _read_value(text: str) -> Any:
    """A number, true, false or null as JSON has them; all else is text."""
    if text in ("True", "False"):
        return text == "True"
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, str | list | dict) else value


def make_grid(axes: Sequence[tuple[str, list[Any]]]) -> dict[str, dict[str, Any]]:
    """All combinations, by the name of their folder, which says what differs. Raises SettingsError."""
    names = [name for name, _ in axes]
    if len(set(names)) < len(names):
        raise SettingsError(f"--grid names a setting twice: {', '.join(names)}")
    if math.prod(len(values) for _, values in axes) > MAX_MEMBERS:
        raise SettingsError(f"--grid makes more than {MAX_MEMBERS} runs")
    short = [name.rpartition(".")[2] for name in names]
    label = {name: last if short.count(last) == 1 else name for name, last in zip(names, short, strict=True)}
    grid = {}
    for values in itertools.product(*(values for _, values in axes)):
        changes = dict(zip(names, values, strict=True))
        varied = [f"{label[name]}={_spell(changes[name])}" for name, choices in axes if len(choices) > 1]
        folder = ",".join(varied) or "run"
        if folder in grid or len(folder) > 200:
            raise SettingsError(f"--grid: the values have no short names of their own ({folder})")
        grid[folder] = changes
    return grid


def _spell(value: Any) -> str:
    """A value as a part of a file name."""
    if isinstance(value, list):
        return "+".join(map(_spell, value)) or "none"
    text = repr(value) if isinstance(value, float) else str(value)
    return re.sub(r"[^\w.+-]", "_", text)


def make_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown, the best first. Runs that differ in their seed alone are one row: means, and half the distance between
    the lowest and the highest."""
    varied = [name for name in rows[0]["settings"] if len({repr(row["settings"][name]) for row in rows}) > 1]
    columns = [name for name in varied if name != SEED]
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(json.dumps([row["settings"][name] for name in columns]), []).append(row)
    fields = list(dict.fromkeys(name for row in rows for name in row["figures"] if name.startswith("nll_each/")))
    head = [*columns, *(["runs"] if SEED in varied else []), "loss", *(name.partition("/")[2] for name in fields)]
    head += ["best step", "ended"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for group in sorted(groups.values(), key=_mean_loss):
        first = group[0]
        cells = [str(first["settings"][name]) for name in columns] + ([str(len(group))] if SEED in varied else [])
        cells += [_mean([row["figures"].get(name, math.nan) for row in group]) for name in ("loss", *fields)]
        steps = sorted({row["best_step"] for row in group})
        cells += ["-".join(str(step) for step in dict.fromkeys((steps[0], steps[-1])))]
        cells += [", ".join(dict.fromkeys(row["ended"] for row in group))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _mean_loss(group: Sequence[Mapping[str, Any]]) -> float:
    mean = statistics.fmean(row["figures"].get("loss", math.nan) for row in group)
    return mean if math.isfinite(mean) else math.inf


def _mean(values: Sequence[float]) -> str:
    if not all(math.isfinite(value) for value in values):
        return "-"
    spread = (max(values) - min(values)) / 2
    return f"{statistics.fmean(values):.4f}" + (f" ± {spread:.4f}" if len(values) > 1 else "")


def best_figures(workdir: Path) -> dict[str, float]:
    """The validation row of the lowest loss; where nothing is held out, the last of the training."""
    from drumjax.runs.metrics import read_metrics

    rows = [row for row in read_metrics(workdir) if math.isfinite(row["loss"])]
    held_out = [row for row in rows if row["split"] == "validation"]
    found = min(held_out, key=lambda row: row["loss"]) if held_out else (rows or [{}])[-1]
    return {name: value for name, value in found.items() if name not in ("step", "split")}


def train_grid(
    config: str, grid: Mapping[str, Mapping[str, Any]], out_dir: Path, *, num_devices: int = 0, at_once: int = 0
) -> int:
    """Trains or resumes every run of the grid, writes figures and table after each group of them, and prints the table.
    Returns the exit status."""
    from drumjax.system.lock import lock_folder
    from drumjax.training.population import make_members, train_population
    from drumjax.training.trainer import Result

    check_own(out_dir / "table.md", _TABLE_MARK)
    members = make_members(config, out_dir, grid)
    rows: list[dict[str, Any]] = []
    with lock_folder(out_dir, "--out_dir"):
        for outcomes in train_population(members, num_devices=num_devices, at_once=at_once):
            for name, outcome in outcomes.items():
                done = outcome if isinstance(outcome, Result) else None
                ended = (done.stopped_by or "finished") if done else "failed"
                step, best_step = (done.step, done.best_step) if done else (0, 0)
                figures = best_figures(out_dir / name)
                rows.append(
                    {"name": name, "settings": dict(grid[name]), "ended": ended, "step": step, "best_step": best_step,
                     "figures": figures, "why": "" if done else str(outcome)}
                )  # fmt: skip
            write_json(out_dir / "population.json", rows)
            replace_own(out_dir / "table.md", make_table(rows).encode(), _TABLE_MARK)
    print(make_table(rows), end="")
    best = min(rows, key=lambda row: row["figures"].get("loss", math.inf))
    if best["figures"]:
        print(f"play the best: {command_name('sample')} --workdir {out_dir / best['name']} --gallery")
    if any(row["ended"].startswith("SIG") for row in rows):
        print(f"stopped, with {len(grid) - len(rows)} runs not begun; the same command goes on from here")
        return STOPPED
    failed = [row["name"] for row in rows if row["ended"] == "failed"]
    if failed:
        print(f"{len(failed)} of {len(rows)} runs could not go on: {' '.join(failed[:5])}; population.json says why")
    return 1 if failed else 0


def main() -> int:
    set_up_logging()
    parser = argparse.ArgumentParser(prog=command_name("population"), description=__doc__.partition("\n\n")[0])
    parser.add_argument("--config", required=True, help="the settings: a Python file, or its name in configs/")
    parser.add_argument(
        "--grid", action="append", default=[], metavar="SETTING=VALUES",
        help="a setting and its values, separated by commas, as a range 0..7, or as a JSON list; one value sets it for "
        "all; can be given several times",
    )  # fmt: skip
    parser.add_argument("--out_dir", type=user_path, help="where the runs are kept; default runs/<config>-population")
    parser.add_argument("--num_devices", type=int, default=0, help="how many devices share the runs; 0 takes all")
    parser.add_argument("--at_once", type=int, default=0, help="how many are trained together at most; 0 sets no limit")
    args = parser.parse_args()

    def run() -> int:
        from drumjax.system.devices import use_compile_cache, use_cores

        path = find_config(args.config)
        config = load_config(path)
        axes = [read_axis(text) for text in args.grid]
        for name, _ in axes:
            check_name(config, name)
        if min(args.num_devices, args.at_once) < 0:
            raise SettingsError("--num_devices and --at_once must be at least 0")
        grid = make_grid(axes)
        use_cores(args.num_devices or len(grid))
        use_compile_cache()
        out_dir = args.out_dir or Path("runs") / f"{path.stem}-population"
        return train_grid(str(path), grid, out_dir, num_devices=args.num_devices, at_once=args.at_once)

    return run_or_explain(run)


if __name__ == "__main__":
    raise SystemExit(main())
