"""The figures as plots, one file per row that has a shape to show."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no window

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.report import count

# Contests as report.as_json has them.
Contests = list[dict[str, Any]]

# Okabe & Ito, "Color Universal Design", 2008: told apart with any kind of colour vision. Ours is always the blue one.
COLOURS = {
    "drumjax": "#0072B2",
    "PyTorch": "#D55E00",
    "PyTorch, DataLoader": "#D55E00",
    "flax nnx.RNN": "#E69F00",
    "Keras on JAX": "#009E73",
    "Keras on TensorFlow": "#CC79A7",
    "drumjax, all of rock.py": "#56B4E9",
}
STYLE: Any = {
    "figure.dpi": 110,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.marker": "o",
}
WIDTH = 8.0  # inches: 880 pixels, as wide as a README
WHOLE = FuncFormatter(lambda value, _: f"{value:g}")
SHORT = FuncFormatter(lambda value, _: count(value))


def write(folder: Path, contests: Contests) -> list[Path]:
    """Writes train.png, sample.png and growth.png, as far as their rows were measured; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, draw in (("train", _draw_train), ("sample", _draw_sample), ("growth", _draw_growth)):
        mine = [c for c in contests if c["row"] == name and any(row["x"] for row in c["contenders"])]
        if mine:
            with plt.rc_context(STYLE):
                figure = draw(mine)
                paths.append(folder / f"{name}.png")
                figure.savefig(paths[-1])
                plt.close(figure)
    return paths


def _draw_train(contests: Contests):
    """Bars, grouped by hidden size."""
    figure, axes = plt.subplots(figsize=(WIDTH, 1.5 + 1.4 * len(contests)), layout="constrained")
    lines = _lines(contests)
    groups = [contest["contenders"][0]["x"] for contest in contests]
    height = 0.8 / len(lines)
    for i, (name, points) in enumerate(lines.items()):
        rows = [groups.index(x) + (i - (len(lines) - 1) / 2) * height for x, _ in points]
        bars = axes.barh(rows, [y for _, y in points], height * 0.9, color=COLOURS[name], label=name)
        axes.bar_label(bars, [count(y) for _, y in points], padding=3, fontsize=9)
    axes.set_yticks(range(len(groups)), [f"2 x {x:g}" for x in groups])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(SHORT)
    axes.margins(x=0.1)
    axes.set_xlabel("16th notes per second")
    axes.set_title("Training a plain LSTM (longer is faster)", loc="left")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _draw_sample(contests: Contests):
    """Rate against batch, both logarithmic."""
    figure, axes = plt.subplots(figsize=(WIDTH, 4.5), layout="constrained")
    for name, points in _lines(contests).items():
        axes.plot(*zip(*points, strict=True), color=COLOURS[name], label=name)
    _log(axes, [contest["contenders"][0]["x"] for contest in contests])
    axes.yaxis.set_major_formatter(SHORT)
    axes.set_xlabel("grooves sampled at a time")
    axes.set_ylabel("grooves of 8 bars per second")
    axes.set_title("Sampling (higher is faster)", loc="left")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _draw_growth(contests: Contests):
    """A small panel per axis: milliseconds against size, both logarithmic."""
    columns = min(3, len(contests))
    rows = -(-len(contests) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(WIDTH, 2.7 * rows), layout="constrained", squeeze=False, sharey="row"
    )
    for axes in panels.flat[len(contests) :]:
        axes.remove()
    for axes, contest in zip(panels.flat, contests, strict=False):
        points = [(row["x"], 1e3 * row["seconds"]["median"]) for row in contest["contenders"] if not row["problem"]]
        is_sampler = contest["title"].startswith("sampler")
        axes.plot(*zip(*points, strict=True), color=COLOURS["drumjax, all of rock.py" if is_sampler else "drumjax"])
        _log(axes, [x for x, _ in points])
        axes.yaxis.set_major_formatter(WHOLE)
        work, _, axis = contest["title"].partition(" against ")
        axes.set_xlabel(axis)
        axes.set_title(f"{work}, ms", loc="left", fontsize=10)
    return figure


def _lines(contests: Contests) -> dict[str, list[tuple[float, float]]]:
    """(x, rate) of every contender that ran, by name."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for contest in contests:
        for row in contest["contenders"]:
            if row["name"] in COLOURS and not row["problem"]:
                lines.setdefault(row["name"], []).append((row["x"], row["rate"]))
    return lines


def _log(axes, ticks: list[float]) -> None:
    """Logarithmic axes, with the sizes that were measured as ticks of x."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
