"""At which temperature a model plays most like people: `python -m drumjax.evaluation.resemblance --workdir runs/rock`.

Plays grooves at some temperatures of the hits and at some top_p, and sets their figures beside those of stretches of
the same length of real performances: those the model is judged by, and, for the best one can hope for, those of the
training split beside them.
"""

import dataclasses

import numpy as np

from drumjax.datasets import load_dataset, select
from drumjax.evaluation.command import Amount, ask, make_table
from drumjax.evaluation.excerpts import NUM_BARS, Excerpt, cut_excerpts, excerpt_of
from drumjax.evaluation.groove_features import Feature, features_of, measure
from drumjax.evaluation.overlap import compare_figure
from drumjax.generate import Job, sample_songs
from drumjax.grooves import make_controls, make_groove
from drumjax.kits import Kit, get_kit
from drumjax.runs import Run

TEMPERATURES = (0.7, 0.8, 0.9, 0.95, 1.0, 1.05)
TOP_PS = (1.0, 0.95, 0.9)
NUM_SAMPLES = Amount("num_samples", 256, "grooves of 8 bars at each setting")
# Shown one by one; the distance is over all figures of hits.
SHOWN = ("stability", "distinct bars", "backbeat", "toms and crash", "density")


def compare(run: Run, num_samples: int) -> list[dict[str, float | str]]:
    """A row of means per source, and their mean distance from the held-out performances, over all figures of hits."""
    kit = get_kit(run.settings.codec.kit)
    features = features_of(kit, played=False)
    songs = load_dataset(run.settings.data).songs
    filters = {**dataclasses.asdict(run.settings.validation), "time_signatures": ("4/4",)}
    held_out, train = (
        measure([cut for _, cut in cut_excerpts(select(songs, split=split, **filters), kit)], features, kit)
        for split in ("validation", "train")
    )
    rows = [summary("held out", held_out, held_out, features), summary("training", train, held_out, features)]
    defaults = run.settings.sample
    groove = make_groove(defaults, bars=NUM_BARS, time_signature="4/4")
    for top_p in TOP_PS:
        for temperature in TEMPERATURES:
            controls = make_controls(defaults, run.codec.fields, temperature=f"hits={temperature}", top_p=top_p)
            played = play(run, Job(groove, controls, num_samples), kit)
            name = f"temperature {temperature:g}, top_p {top_p:g}"
            rows.append(summary(name, measure(played, features, kit), held_out, features))
    return rows


def play(run: Run, job: Job, kit: Kit) -> list[Excerpt]:
    return [excerpt_of(song, kit, NUM_BARS) for _, song, _ in sample_songs(run, job)]


def summary(name: str, figures: np.ndarray, real: np.ndarray, features: tuple[Feature, ...]) -> dict[str, float | str]:
    """One row: figures [excerpts, features] beside real ones."""
    apart = [compare_figure(a, b).apart for a, b in zip(figures.T, real.T, strict=True)]
    means = {feature.name: float(mean) for feature, mean in zip(features, figures.mean(axis=0), strict=True)}
    return {
        "source": name,
        **{name: means[name] for name in SHOWN if name in means},
        "distance": float(np.nanmean(apart)),
    }


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.evaluation.resemblance", __doc__, NUM_SAMPLES, compare, make_table))
