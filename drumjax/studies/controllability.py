"""Whether a model does what it is asked: `python -m drumjax.studies.controllability --workdir runs/rock`.

Density and dynamics: grooves at five levels of each, and Spearman's rank correlation between what was asked for and
what was played. Style: a naive Bayes classifier learns from the training split which hits belong to which style, and
says of what was played which style it is; beside it, how well it knows real held-out performances. Fills: what share of
the hits in bars that were asked to be fills, and in the others, are on toms and crash.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.stats

from drumjax.data.datasets import load_dataset
from drumjax.evaluate.features.drums import toms_and_crash
from drumjax.music.grid_view import NUM_BARS, Excerpt, cut_excerpts, excerpt_of
from drumjax.music.kits import Kit
from drumjax.music.notes import FILL_NO, Song
from drumjax.runs.run import Run
from drumjax.sampling.blocks import sample_songs
from drumjax.sampling.edits import need_kit
from drumjax.sampling.plan import make_plan
from drumjax.studies.command import Amount, StudyError, ask

DENSITIES = (2.0, 3.5, 5.0, 6.5, 8.0)
DYNAMICS = (40.0, 55.0, 70.0, 85.0, 100.0)
FILL_EVERY = 4
NUM_SAMPLES = Amount("num_samples", 64, "grooves of 8 bars at each level")
# A style is known from at least so many excerpts.
MIN_EXCERPTS = 12


class StyleClassifier:
    """Bernoulli naive Bayes over the hits of a bar of 4/4, a mean over the bars of an excerpt; no style is likelier."""

    def __init__(self, songs: Sequence[Song], kit: Kit):
        by_style: dict[str, list[np.ndarray]] = {}
        for song in songs:
            if song.style and song.time_signature == (4, 4) and song.fill == FILL_NO:
                by_style.setdefault(song.style, []).extend(cut.hits for _, cut in cut_excerpts([song], kit))
        self.styles = sorted(style for style, found in by_style.items() if len(found) >= MIN_EXCERPTS)
        if not self.styles:
            raise StudyError(f"no style has {MIN_EXCERPTS} stretches of {NUM_BARS} bars to know it by")
        means = np.stack([np.mean(np.concatenate(by_style[style]), axis=0) for style in self.styles])
        odds = np.clip(means, 0.005, 0.995)
        self._hit, self._rest = np.log(odds), np.log(1 - odds)

    def classify(self, bars: np.ndarray) -> str:
        """The style of bars [n, 16, drums]."""
        share = bars.mean(axis=0)
        score = np.sum(share[None] * self._hit + (1 - share[None]) * self._rest, axis=(1, 2))
        return self.styles[int(np.argmax(score))]


def play(run: Run, num_samples: int, **asked: Any) -> list[Song]:
    """Pieces of NUM_BARS bars, as asked."""
    plan = make_plan(run, bars=NUM_BARS, **asked)
    return [sample.song for sample in sample_songs(plan, num_samples)]


def check_scale(run: Run, name: str, levels: Sequence[float], num_samples: int, guidance: float) -> dict[str, Any]:
    """Asks for each level of density or dynamics."""
    if name not in run.settings.model.conditions:
        return {"guidance": guidance, "remark": f"this model is not conditioned on {name}"}
    asked, played = [], []
    for level in levels:
        for song in play(run, num_samples, guidance=guidance, **{name: level}):
            beats = NUM_BARS * song.beats_per_bar
            measured = len(song.notes.pitch) / beats if name == "density" else np.mean(song.notes.velocity)
            asked.append(level)
            played.append(float(measured))
    means = np.mean(np.reshape(played, (len(levels), -1)), axis=1)
    return {
        "guidance": guidance,
        "rank_correlation": float(scipy.stats.spearmanr(asked, played).statistic),
        "played": {f"{level:g}": round(float(mean), 2) for level, mean in zip(levels, means, strict=True)},
    }


def check_styles(run: Run, songs: Sequence[Song], num_samples: int, guidance: float) -> dict[str, Any]:
    """Asks for each style that the classifier knows. Raises StudyError if there is none, or the model is not
    conditioned on them."""
    if "style" not in run.settings.model.conditions:
        raise StudyError("this model is not conditioned on styles")
    kit = need_kit(run.codec)
    classifier = StyleClassifier([song for song in songs if song.split == "train"], kit)
    held_out = [song for song in songs if song.split == "validation" and song.style in classifier.styles
                and song.time_signature == (4, 4) and song.fill == FILL_NO]  # fmt: skip
    real = [(song.style, classifier.classify(cut.hits)) for song, cut in cut_excerpts(held_out, kit)]
    played = []
    for style in classifier.styles:
        for song in play(run, num_samples, guidance=guidance, style=style, time_signature="4/4"):
            played.append((style, classifier.classify(excerpt_of(song, kit, NUM_BARS).hits)))
    shares = {
        style: round(float(np.mean([found == style for asked, found in played if asked == style])), 2)
        for style in classifier.styles
    }
    return {
        "guidance": guidance,
        "chance": 1 / len(classifier.styles),
        "held_out_recognized": float(np.mean([a == b for a, b in real])) if real else float("nan"),
        "samples_recognized": float(np.mean([a == b for a, b in played])),
        "by_style": shares,
    }


def check_all_styles(
    run: Run, songs: Sequence[Song], num_samples: int, strengths: Sequence[float]
) -> list[dict[str, Any]]:
    """At each guidance; a remark where there are no styles to be known."""
    try:
        return [check_styles(run, songs, num_samples, guidance) for guidance in strengths]
    except StudyError as error:
        return [{"remark": str(error)}]


def check_fills(run: Run, num_samples: int, guidance: float) -> dict[str, Any]:
    """Asks for a fill in every FILL_EVERY-th bar."""
    if "fill" not in run.settings.model.conditions:
        return {"guidance": guidance, "remark": "this model is not conditioned on fills"}
    kit = need_kit(run.codec)
    if "crash" not in kit.names:
        return {"guidance": guidance, "remark": f"the kit {kit.name} has no toms and crash to know a fill by"}
    fills, others = [], []
    for song in play(run, num_samples, guidance=guidance, fill=FILL_EVERY):
        whole = excerpt_of(song, kit, NUM_BARS)
        is_fill = np.arange(NUM_BARS) % FILL_EVERY == FILL_EVERY - 1
        fills.append(toms_and_crash(_only(whole, is_fill), kit))
        others.append(toms_and_crash(_only(whole, ~is_fill), kit))
    return {"guidance": guidance, "toms_in_fills": float(np.mean(fills)), "toms_elsewhere": float(np.mean(others))}


def _only(excerpt: Excerpt, bars: np.ndarray) -> Excerpt:
    return Excerpt(excerpt.hits[bars], excerpt.velocity[bars], excerpt.offset_ms[bars], excerpt.tempo_bpm)


def check(run: Run, num_samples: int) -> dict[str, list[dict[str, Any]]]:
    """All of it, without guidance and with some."""
    songs = load_dataset(run.settings.data).songs
    strengths = (1.0, 2.0)
    return {
        "density": [check_scale(run, "density", DENSITIES, num_samples, g) for g in strengths],
        "dynamics": [check_scale(run, "dynamics", DYNAMICS, num_samples, g) for g in strengths],
        "style": check_all_styles(run, songs, num_samples, strengths),
        "fill": [check_fills(run, num_samples, g) for g in strengths],
    }


def show(found: dict[str, list[dict[str, Any]]]) -> str:
    """A line per figure and guidance."""
    rounded = [
        (name, {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()})
        for name, rows in found.items()
        for row in rows
    ]
    return "\n".join(f"{name} {json.dumps(row)}" for name, row in rounded)


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.studies.controllability", __doc__, NUM_SAMPLES, check, show))
