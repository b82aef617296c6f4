"""Plots for pages and reports: one style, colours that the colour-blind can tell apart, PNG."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from drumjax.music.kits import Kit
from drumjax.music.notes import Notes

# Okabe and Ito's colours.
BLUE, ORANGE, GREEN, GREY, GRID = "#0072B2", "#D55E00", "#009E73", "#999999", "#dddddd"
PLAYERS = {"held out": GREY, "training": GREEN, "model": BLUE, "n-gram": ORANGE}
STYLE: Any = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": GREY,
    "axes.titlesize": 9, "axes.titlelocation": "left", "legend.frameon": False, "savefig.dpi": 110,
}  # fmt: skip


@contextlib.contextmanager
def _figure(file: io.BytesIO, rows: int, columns: int, width: float, height: float) -> Iterator[np.ndarray]:
    """Axes [rows, columns], each `width` by `height` inches; what is drawn on them is written to the file."""
    # Without pyplot, which would choose how a notebook shows its user's own plots.
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
        yield figure.subplots(rows, columns, squeeze=False)
        figure.savefig(file, format="png")


def draw_changes(before: Notes, after: dict[str, Notes], tempos: dict[str, float], kit: Kit, num_beats: float) -> bytes:
    """A panel per change of some bars: as they were in hollow grey, and as they became in blue."""
    file = io.BytesIO()
    with _figure(file, -(-len(after) // 2), 2, 6.5, 1.9) as axes:
        for ax in axes.flat[len(after) :]:
            ax.set_visible(False)
        for ax, (name, notes) in zip(axes.flat, after.items(), strict=False):
            _draw_hits(ax, before, kit, num_beats, colour=GREY, hollow=True)
            _draw_hits(ax, notes, kit, num_beats, colour=BLUE)
            ax.set_title(f"{name}    ({tempos[name]:.0f} bpm)")
        for ax in axes[-1]:
            ax.set_xlabel("beats")
    return file.getvalue()


def _draw_hits(ax: Any, notes: Notes, kit: Kit, num_beats: float, *, colour: str, hollow: bool = False) -> None:
    """Unpadded notes (numpy): beats to the right, a row per drum, the kick at the bottom."""
    drum = kit.class_table()[np.clip(np.asarray(notes.pitch), 0, 127)]
    shown = np.asarray(notes.mask) & (drum >= 0)
    velocity = np.asarray(notes.velocity, float)[shown] / 127
    face = "none" if hollow else [(*matplotlib.colors.to_rgb(colour), 0.25 + 0.75 * v) for v in velocity]
    ax.scatter(np.asarray(notes.onset_beat)[shown], drum[shown], s=6 + 70 * velocity, c=face, edgecolors=colour, lw=0.7)
    ax.set_xlim(-0.25, num_beats)
    ax.set_ylim(-0.7, kit.num_classes - 0.3)
    ax.set_yticks(range(kit.num_classes), kit.symbols)
    ax.set_xticks(np.arange(0, num_beats + 0.1, 1), minor=False)
    ax.set_xticks(np.arange(0, num_beats, 0.25), minor=True)
    ax.grid(axis="x", which="major", color=GRID, lw=1)
    ax.grid(axis="x", which="minor", color=GRID, lw=0.3)
    ax.set_axisbelow(True)


def draw_curves(rows: Sequence[dict[str, Any]], best_step: int | None = None) -> bytes:
    """Losses in nats per step, and under them accuracies, as training went on, from the rows of metrics.jsonl: one
    panel for all, one per field."""
    fields = sorted({name.removeprefix("nll/") for row in rows for name in row if name.startswith("nll/")})
    has_accuracy = any(f"accuracy/{field}" in row for row in rows for field in fields)
    file = io.BytesIO()
    with _figure(file, 1 + has_accuracy, 1 + len(fields), 3.4, 2.4) as axes:
        _draw_curve(axes[0, 0], rows, "loss", best_step)
        axes[0, 0].set_title("weighted loss")
        axes[0, 0].set_ylabel("nats per step")
        axes[0, 0].legend()
        for column, field in enumerate(fields, 1):
            _draw_curve(axes[0, column], rows, f"nll/{field}", best_step)
            axes[0, column].set_title(field)
            if has_accuracy:
                _draw_curve(axes[1, column], rows, f"accuracy/{field}", best_step)
                axes[1, column].set_title(f"{field}, share right")
        if has_accuracy:
            axes[1, 0].set_visible(False)
        for ax in axes[-1] if has_accuracy else axes[0]:
            ax.set_xlabel("step")
    return file.getvalue()


def draw_comparison(runs: dict[str, Sequence[dict[str, Any]]]) -> bytes:
    """Losses of several runs, by name, from their rows of metrics.jsonl: held out and in training."""
    file = io.BytesIO()
    with _figure(file, 1, 2, 5.0, 3.2) as axes:
        for ax, split, title in zip(axes[0], ("validation", "train"), ("held out", "training"), strict=True):
            for name, rows in runs.items():
                points = [(row["step"], row["loss"]) for row in rows if row["split"] == split]
                ax.plot(*zip(*points, strict=True) if points else ((), ()), lw=1.4, marker="o", ms=2, label=name)
            _zoom(ax, [row["loss"] for rows in runs.values() for row in rows if row["split"] == split], 0, 0.97)
            ax.set_title(f"weighted loss, {title}")
            ax.set_xlabel("step")
        axes[0, 0].set_ylabel("nats per step")
        axes[0, 0].legend()
    return file.getvalue()


def _draw_curve(ax: Any, rows: Sequence[dict[str, Any]], name: str, best_step: int | None) -> None:
    """One figure of both splits."""
    for split, colour in (("train", GREY), ("validation", BLUE)):
        points = [(row["step"], row[name]) for row in rows if row["split"] == split and name in row]
        if points:
            label = "training" if split == "train" else "held out"
            ax.plot(*zip(*points, strict=True), color=colour, lw=1.4, label=label, marker="o", ms=2)
    if best_step is not None:
        ax.axvline(best_step, color=ORANGE, lw=1, ls=":", label="best")
    _zoom(ax, [row[name] for row in rows if name in row], *((0.03, 1) if name.startswith("accuracy") else (0, 0.97)))


def _zoom(ax: Any, values: Sequence[float], lowest: float, highest: float) -> None:
    """Shows what lies between two quantiles of the values: the first steps would flatten the rest."""
    if finite := [value for value in values if np.isfinite(value)]:
        low, high = np.quantile(finite, (lowest, highest))
        ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low) + 1e-9)


def draw_distributions(titles: Sequence[str], units: Sequence[str], figures: dict[str, np.ndarray]) -> bytes:
    """A panel per figure: histograms of each player's values [excerpts, figures], what people played filled."""
    file = io.BytesIO()
    columns = min(5, len(titles))
    with _figure(file, -(-len(titles) // columns), columns, 2.5, 1.7) as axes:
        for ax in axes.flat[len(titles) :]:
            ax.set_visible(False)
        for i, (ax, title, unit) in enumerate(zip(axes.flat, titles, units, strict=False)):
            known = {name: values[np.isfinite(values[:, i]), i] for name, values in figures.items()}
            known = {name: values for name, values in known.items() if len(values) and name in PLAYERS}
            if not known:
                continue
            everything = np.concatenate(list(known.values()))
            low, high = np.quantile(everything, (0.005, 0.995))
            bins = np.linspace(low, max(high, low + 1e-6), 25)
            for name, values in known.items():
                weights = np.full(len(values), 1 / len(values))
                is_real = name == "held out"
                ax.hist(np.clip(values, bins[0], bins[-1]), bins, weights=weights, color=PLAYERS[name], label=name,
                        histtype="stepfilled" if is_real else "step", alpha=0.45 if is_real else 1, lw=1.3)  # fmt: skip
            ax.set_title(f"{title} ({unit})", fontsize=8)
            ax.set_yticks([])
            ax.tick_params(labelsize=7)
        axes[0, 0].legend(fontsize=7)
    return file.getvalue()


def draw_profiles(profiles: dict[str, np.ndarray]) -> bytes:
    """Mean velocity [16] by place in the bar, of each player."""
    file = io.BytesIO()
    with _figure(file, 1, 1, 7, 2.2) as axes:
        for name, values in profiles.items():
            axes[0, 0].plot(np.arange(16), values, color=PLAYERS[name], marker="o", ms=3, lw=1.4, label=name)
        axes[0, 0].set_xticks(range(0, 16, 4), ["1", "2", "3", "4"])
        axes[0, 0].set_xlabel("beat")
        axes[0, 0].set_ylabel("mean velocity")
        axes[0, 0].grid(axis="x", color=GRID)
        axes[0, 0].legend()
    return file.getvalue()


def draw_histogram(values: np.ndarray, unit: str, bins: Any = 40, marks: Sequence[float] = ()) -> bytes:
    """One distribution."""
    file = io.BytesIO()
    with _figure(file, 1, 1, 5.5, 2.0) as axes:
        axes[0, 0].hist(values, bins, color=BLUE, alpha=0.8)
        for mark in marks:
            axes[0, 0].axvline(mark, color=ORANGE, lw=1)
        axes[0, 0].set_xlabel(unit)
        axes[0, 0].set_yticks([])
    return file.getvalue()
