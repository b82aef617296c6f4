"""At which temperature a model plays most like people: `python -m drumjax.evaluation.resemblance --workdir runs/rock`.

Plays grooves at some temperatures of the hits and at some top_p, and sets how they repeat themselves beside stretches
of the same length of real performances: those the model is judged by, and, for the best one can hope for, as many from
the training split beside them.
"""

import dataclasses

import numpy as np

from drumjax.datasets import load_dataset, select
from drumjax.evaluation.command import Amount, ask, make_table
from drumjax.evaluation.repetition import Repetition, bars_of, distance, excerpts, measure_repetition
from drumjax.generate import Job, sample_songs
from drumjax.grooves import make_controls, make_groove
from drumjax.kits import get_kit
from drumjax.runs import Run

NUM_BARS = 8
TEMPERATURES = (0.7, 0.8, 0.9, 0.95, 1.0, 1.05)
TOP_PS = (1.0, 0.95, 0.9)
NUM_SAMPLES = Amount("num_samples", 256, "grooves of 8 bars at each setting")


def compare(run: Run, num_samples: int) -> list[dict[str, float | str]]:
    """A row of means per source, and their mean distance from the held-out performances, over all figures."""
    kit = get_kit(run.settings.codec.kit)
    songs = load_dataset(run.settings.data).songs
    filters = dataclasses.asdict(run.settings.validation)
    held_out, train = (
        np.asarray(
            [measure_repetition(bars, kit) for bars in excerpts(select(songs, split=split, **filters), kit, NUM_BARS)]
        )
        for split in ("validation", "train")
    )
    rows = [summary("held out", held_out, held_out), summary("training", train, held_out)]
    defaults = run.settings.sample
    groove = make_groove(defaults, bars=NUM_BARS)
    for top_p in TOP_PS:
        for temperature in TEMPERATURES:
            controls = make_controls(defaults, run.codec.fields, temperature=f"hits={temperature}", top_p=top_p)
            played = [
                bars_of(song, kit, NUM_BARS) for _, song, _ in sample_songs(run, Job(groove, controls, num_samples))
            ]
            figures = np.asarray([measure_repetition(bars, kit) for bars in played])
            rows.append(summary(f"temperature {temperature:g}, top_p {top_p:g}", figures, held_out))
    return rows


def summary(name: str, figures: np.ndarray, real: np.ndarray) -> dict[str, float | str]:
    """One row: figures [excerpts, fields] beside real ones."""
    apart = np.mean([distance(a, b) for a, b in zip(figures.T, real.T, strict=True)])
    return {
        "source": name,
        **dict(zip(Repetition._fields, figures.mean(axis=0).tolist(), strict=True)),
        "distance": float(apart),
    }


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.evaluation.resemblance", __doc__, NUM_SAMPLES, compare, make_table))
