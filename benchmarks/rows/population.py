"""Row 7, population: eight runs that differ in numbers, trained in one program and one after another."""

from typing import Any

from benchmarks.contest import Contest, Entry, Target
from benchmarks.options import Options
from benchmarks.rows.memory import QUICK

MEMBERS = 8
HIDDEN = (128, 256)
TOGETHER, ALONE = "together", "one after another"


def contests(options: Options) -> list[Contest]:
    sizes = [QUICK] if options.quick else [{"model.hidden_size": hidden, "train.batch_size": 32} for hidden in HIDDEN]
    return [_contest(options, changes) for changes in sizes]


def _contest(options: Options, sizes: dict[str, Any]) -> Contest:
    case = {"config": "rock", "changes": {**sizes, "train.steps_per_call": 1}, "dataset": options.dataset,
            "members": MEMBERS}  # fmt: skip
    make = "benchmarks.contenders.drumjax_population"
    entries = (Entry(TOGETHER, f"{make}:together", case, MEMBERS), Entry(ALONE, f"{make}:alone", case, MEMBERS))
    title = f"{MEMBERS} runs of rock.py, hidden {sizes['model.hidden_size']}"
    targets = (Target((ALONE,), "ratio", 1.0, 1.2),)
    return Contest("population", title, "steps/s", entries, baseline=TOGETHER, targets=targets)
