"""Overfitting, named: what a model goes on learning of its training songs that does not help it with others."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# The held-out loss must have risen by this share above its best before it is called overfitting.
RISE = 0.005
# Training is judged by this many of its rows around a step: single ones are noisy.
SMOOTHED_ROWS = 5


def describe_fit(rows: Sequence[dict[str, Any]]) -> str:
    """A sentence on the rows of metrics.jsonl; "" where nothing was held out, or nothing can be said yet."""
    train = [row for row in rows if row["split"] == "train"]
    held_out = [row for row in rows if row["split"] == "validation" and np.isfinite(row["loss"])]
    if not train or len(held_out) < 2:
        return ""
    best, last = min(held_out, key=lambda row: row["loss"]), held_out[-1]
    gap = _gap(train, last)
    if last["loss"] <= best["loss"] * (1 + RISE):
        return f"No overfitting: the held-out loss is at its best, {best['loss']:.3f}, or near it. {gap}".strip()
    before, after = (_loss_near(train, row["step"]) for row in (best, last))
    if after >= before:
        rose = f"rose from {best['loss']:.3f} to {last['loss']:.3f}"
        return f"The held-out loss {rose}, and that of training too. {gap}".strip()
    return (
        f"Overfits since step {best['step']}: the held-out loss rose from {best['loss']:.3f} to {last['loss']:.3f}, "
        f"while that of training fell from {before:.3f} to {after:.3f}. What is played is step {best['step']}. {gap}"
    ).strip()


def _gap(train: Sequence[dict[str, Any]], last: dict[str, Any]) -> str:
    """How often the likeliest value of the first field is right, in training and held out."""
    name = next((name for name in last if name.startswith("accuracy/")), "")
    learned = [row[name] for row in train[-SMOOTHED_ROWS:] if name in row]
    if not learned:
        return ""
    field = name.partition("/")[2]
    right = 100 * np.mean(learned)
    return f"At the end {field} is right {right:.1f}% of the time in training, {100 * last[name]:.1f}% held out."


def _loss_near(train: Sequence[dict[str, Any]], step: int) -> float:
    """Mean loss of the rows nearest to a step."""
    nearest = sorted(train, key=lambda row: abs(row["step"] - step))[:SMOOTHED_ROWS]
    return float(np.mean([row["loss"] for row in nearest]))
