"""At which temperature a model plays most like people: `python -m drumjax.studies.resemblance --workdir runs/rock`.

Plays grooves at some temperatures of the hits, top_p and guidance, in the styles and tempos of held-out performances,
and sets their figures beside those of stretches of these that are as long, and, for the best one can hope for, beside
those of the training split.
"""

import dataclasses
import itertools
from typing import Any

import numpy as np

from drumjax.data.datasets import load_dataset
from drumjax.data.selection import select
from drumjax.evaluate.features.drums import Feature, features_of, measure
from drumjax.evaluate.overlap import compare_figure
from drumjax.evaluate.players import play_like
from drumjax.music.grid_view import NUM_BARS, cut_excerpts, excerpt_of
from drumjax.runs.run import Run
from drumjax.sampling.edits import need_kit
from drumjax.studies.command import Amount, StudyError, ask, make_table

# (temperature of the hits, top_p, guidance).
SETTINGS = (
    *itertools.product((0.7, 0.8, 0.9, 1.0), (1.0, 0.95, 0.9), (1.0,)),
    *itertools.product((0.8, 0.9, 1.0), (1.0,), (1.5, 2.0)),
)
ROUNDS = Amount("rounds", 2, "grooves for each held-out stretch of 8 bars, at each setting")
# Shown one by one; the distance is over all figures of hits.
SHOWN = ("stability", "distinct bars", "backbeat", "toms and crash", "density", "syncopation, Witek")


def compare(run: Run, rounds: int) -> list[dict[str, float | str]]:
    """A row of means per source, and their mean distance from the held-out performances, over all figures of hits."""
    kit = need_kit(run.codec)
    features = features_of(kit, played=False)
    songs = load_dataset(run.settings.data).songs
    filters = {**dataclasses.asdict(run.settings.validation), "time_signatures": ("4/4",)}
    cuts = list(cut_excerpts(select(songs, split="validation", **filters), kit))
    train = cut_excerpts(select(songs, split="train", **filters), kit)
    if not cuts:
        raise StudyError(f"no held-out performance in 4/4 has {NUM_BARS} bars to compare with")
    held_out = measure([cut for _, cut in cuts], features, kit)
    rows = [
        summary("held out", held_out, held_out, features),
        summary("training", measure([cut for _, cut in train], features, kit), held_out, features),
    ]
    for temperature, top_p, guidance in SETTINGS:
        asked: dict[str, Any] = {
            "temperature": {run.codec.fields[0].name: temperature},
            "top_p": top_p,
            "guidance": guidance,
        }
        played = [
            excerpt_of(song, kit, NUM_BARS)
            for seed in range(rounds)
            for song in play_like(run, [song for song, _ in cuts], seed=seed, **asked)
        ]
        name = f"temperature {temperature:g}, top_p {top_p:g}, guidance {guidance:g}"
        rows.append(summary(name, measure(played, features, kit), held_out, features))
    return rows


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
    raise SystemExit(ask("drumjax.studies.resemblance", __doc__, ROUNDS, compare, make_table))
