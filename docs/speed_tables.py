"""Tables of the runs of `python -m benchmarks` that lie in benchmarks/results; make_tables.py writes them."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
PEERS = ("PyTorch", "flax nnx.RNN", "Keras on JAX", "Keras on TensorFlow")
PEER_OF = {"PyTorch, DataLoader": "PyTorch"}
# Rows of contests between models and requests of our own.
OWN = ("memory", "population", "controls")
SIZES = ", batch 64, 128 steps"  # of every training; the text says so

Figures = dict[str, Any]
Run = dict[tuple[str, str], Figures]  # contests by row and title


def read_runs(pattern: str = "run*.json") -> list[Run]:
    found = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob(pattern))]
    return [{(contest["row"], contest["title"]): contest for contest in run["contests"]} for run in found]


def targets_table() -> list[str]:
    """Every target, and what became of it in each run."""
    runs = read_runs()
    lines = head(["", "target", *(f"run {number}" for number in range(1, 1 + len(runs)))])
    for key, contest in runs[0].items():
        bars = dict.fromkeys(entry["target"]["bar"] for entry in contest["contenders"] if entry.get("target"))
        for bar in bars:
            judged = [judged_by(run[key], bar) for run in runs]
            names = sorted({entry["name"] for entry in judged})
            name = names[0] if len(names) == 1 else "the faster Keras"
            cells = [result(run[key], entry) for run, entry in zip(runs, judged, strict=True)]
            lines.append(row([f"{title_of(contest)}: {name}", bar_of(judged[0]["target"]), *cells]))
    return lines


def peers_table() -> list[str]:
    """How many times as long as drumjax each peer takes, in each run."""
    runs = read_runs()
    lines = head(["", *PEERS])
    for key, contest in runs[0].items():
        cells = dict.fromkeys(PEERS, "")
        for entry in contest["contenders"]:
            if (peer := PEER_OF.get(entry["name"], entry["name"])) in PEERS:
                found = [entry_of(run[key], entry["name"]) for run in runs]
                cells[peer] = ", ".join(times(entry["ratio"]) for entry in found)
        if any(cells.values()):
            lines.append(row([title_of(contest), *cells.values()]))
    return lines


def rates_table(pattern: str) -> list[str]:
    """Grooves of eight bars per second, in each run."""
    names = ("drumjax", "drumjax, all of rock.py", "PyTorch")
    runs = read_runs(pattern)
    lines = head(["at a time", "drumjax, 2 x 256", "drumjax, all of `rock.py`", "PyTorch, 2 x 256"])
    for key, contest in runs[0].items():
        if key[0] == "sample" and names[1] in [entry["name"] for entry in contest["contenders"]]:
            cells = [", ".join(f"{whole(entry_of(run[key], name)['rate'])}" for run in runs) for name in names]
            lines.append(row([f"{contest['contenders'][0]['x']:,g}", *cells]))
    return lines


def own_table() -> list[str]:
    """What parts of rock.py and what is asked for cost: time, and the time of the first of each contest over it."""
    runs = read_runs()
    lines = head(["", "", "time", "times the first"])
    for key, contest in runs[0].items():
        for number, entry in enumerate(contest["contenders"] if key[0] in OWN else ()):
            found = [entry_of(run[key], entry["name"]) for run in runs]
            ratios = "" if number == 0 else ", ".join(times(entry["ratio"]) for entry in found)
            time = ", ".join(duration(entry["seconds"]["median"]) for entry in found)
            lines.append(row(["" if number else title_of(contest), entry["name"], time, ratios]))
    return lines


TABLES: dict[str, Callable[[], list[str]]] = {
    "targets": targets_table, "peers": peers_table, "own": own_table,
    "rates": functools.partial(rates_table, "run*.json"), "gpu": functools.partial(rates_table, "h200.json"),
}  # fmt: skip


def head(titles: list[str]) -> list[str]:
    return [row(titles), "|---" * len(titles) + "|"]


def row(cells: list[str]) -> str:
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def title_of(contest: Figures) -> str:
    title = contest["title"].replace(SIZES, "")
    return title if contest["row"] in ("end_to_end", "growth", "memory", "controls") else f"{contest['row']} {title}"


def entry_of(contest: Figures, name: str) -> Figures:
    """Raises KeyError."""
    return {entry["name"]: entry for entry in contest["contenders"] if not entry["problem"]}[name]


def judged_by(contest: Figures, bar: float) -> Figures:
    """The contender that a target was for. Raises KeyError."""
    return {entry["target"]["bar"]: entry for entry in contest["contenders"] if entry.get("target")}[bar]


def bar_of(target: Figures) -> str:
    """What is asked."""
    if target["kind"] == "ratio":
        limit = f", or {target['peak']:.0%} of peak" if target["peak"] else ""
        return f"{times(target['bar'])}{limit}"
    return f"at most {duration(target['bar']) if target['kind'] == 'seconds' else percent(target['bar'])}"


def result(contest: Figures, entry: Figures) -> str:
    """What was measured, and the verdict."""
    target = entry["target"]
    show = {"ratio": times, "seconds": duration, "share": percent}[target["kind"]]
    text = show(target["value"])
    if target["peak"]:
        text += f", {entry_of(contest, contest['baseline'])['share_of_peak']:.0%}"
    return f"{text}: {'met' if target['met'] else 'missed'}"


def times(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def whole(rate: float) -> str:
    """Three digits, but no fewer than the whole number has."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def percent(value: float) -> str:
    return f"{100 * value:.2g}%" if value < 0.1 else f"{value:.0%}"


def duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
