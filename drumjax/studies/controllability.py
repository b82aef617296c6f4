"""Whether a model does what it is asked: `python -m drumjax.studies.controllability --workdir runs/rock`.

Density, dynamics, steadiness and backbeat: grooves at five levels of each, and Spearman's rank correlation between what
was asked for and what was played, measured as in training. Timekeeper: the share of the grooves in which most 8ths are
on what was asked for. Style and player: a naive Bayes classifier learns from the training split which hits belong to
which of them, and says of what was played which it is; beside it, how well it knows real held-out performances. Fills:
what share of the hits in bars that were asked to be fills, and in the others, are on toms and crash.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from drumjax.config.conditions import CONDITIONS, NAMES, missing_drums
from drumjax.data.corpus import pack, window_at
from drumjax.data.datasets import load_dataset
from drumjax.evaluate.features.drums import toms_and_crash
from drumjax.models.conditioning import measure
from drumjax.music.grid_view import NUM_BARS, Excerpt, cut_excerpts, excerpt_of
from drumjax.music.kits import Kit
from drumjax.music.notes import FILL_NO, Array, Context, Song
from drumjax.runs.run import Run
from drumjax.sampling.blocks import sample_songs
from drumjax.sampling.edits import need_kit
from drumjax.sampling.plan import make_plan
from drumjax.studies.command import Amount, StudyError, ask

LEVELS = {
    "density": (2.0, 3.5, 5.0, 6.5, 8.0),
    "dynamics": (40.0, 55.0, 70.0, 85.0, 100.0),
    "steadiness": (0.1, 0.3, 0.5, 0.7, 0.9),
    "backbeat": (0.0, 0.25, 0.5, 0.75, 1.0),
}
# What the songs of the dataset are named by.
NAME_OF: dict[str, Callable[[Song], str]] = {"style": lambda song: song.style, "player": lambda song: song.drummer}
FILL_EVERY = 4
NUM_SAMPLES = Amount("num_samples", 64, "grooves of 8 bars at each level")
# A style or a player is known from at least so many excerpts.
MIN_EXCERPTS = 12


class Classifier:
    """Bernoulli naive Bayes over the hits of a bar of 4/4, a mean over the bars of an excerpt; no name is likelier.

    Names are those that `name_of` gives the songs, "" for none. Raises StudyError if no name has excerpts enough.
    """

    def __init__(self, songs: Sequence[Song], kit: Kit, name_of: Callable[[Song], str]):
        by_name: dict[str, list[np.ndarray]] = {}
        for song in songs:
            if name_of(song) and song.time_signature == (4, 4) and song.fill == FILL_NO:
                by_name.setdefault(name_of(song), []).extend(cut.hits for _, cut in cut_excerpts([song], kit))
        self.names = sorted(name for name, found in by_name.items() if len(found) >= MIN_EXCERPTS)
        if not self.names:
            raise StudyError(f"none has {MIN_EXCERPTS} stretches of {NUM_BARS} bars to be known by")
        means = np.stack([np.mean(np.concatenate(by_name[name]), axis=0) for name in self.names])
        odds = np.clip(means, 0.005, 0.995)
        self._hit, self._rest = np.log(odds), np.log(1 - odds)

    def classify(self, bars: np.ndarray) -> str:
        """The name of bars [n, 16, drums]."""
        share = bars.mean(axis=0)
        score = np.sum(share[None] * self._hit + (1 - share[None]) * self._rest, axis=(1, 2))
        return self.names[int(np.argmax(score))]


def play(run: Run, num_samples: int, **asked: Any) -> list[Song]:
    """Pieces of NUM_BARS bars, unless asked for otherwise."""
    plan = make_plan(run, **{"bars": NUM_BARS, **asked})
    return [sample.song for sample in sample_songs(plan, num_samples)]


def measure_songs(songs: Sequence[Song], kit: Kit | None) -> Context:
    """What is measured of pieces of NUM_BARS bars, silent ones at the end included: a Context of numpy arrays [n]."""
    num_notes = max(1, *(len(song.notes.pitch) for song in songs))
    beats_per_bar = max(song.beats_per_bar for song in songs)
    corpus = jax.device_put(pack(songs))

    @jax.jit
    def find(song: Array) -> Context:
        max_beats = math.ceil(NUM_BARS * beats_per_bar)
        window = window_at(corpus, song, jnp.int32(0), max_beats, num_notes)
        whole = window._replace(num_beats=NUM_BARS * window.context.beats_per_bar)
        return measure(whole, kit, max_beats).context

    contexts: Context = jax.tree.map(np.asarray, jax.vmap(find)(np.arange(len(songs))))
    return contexts


def why_not(run: Run, name: str) -> str:
    """Why the model cannot be asked for a condition, "" if it can."""
    if name not in run.settings.model.conditions:
        return f"this model is not conditioned on {name}"
    missing = missing_drums(name, run.codec.kit)
    return f"this model does not know the {missing[0]}" if missing else ""


def check_scale(run: Run, name: str, levels: Sequence[float], num_samples: int, guidance: float) -> dict[str, Any]:
    """Asks for each level of a condition that is a number."""
    if remark := why_not(run, name):
        return {"guidance": guidance, "remark": remark}
    metre = CONDITIONS[name].metre or None
    asked, played = [], []
    for level in levels:
        songs = play(run, num_samples, guidance=guidance, time_signature=metre, **{name: level})
        asked += [level] * num_samples
        played += getattr(measure_songs(songs, run.codec.kit), CONDITIONS[name].field).tolist()
    means = np.mean(np.reshape(played, (len(levels), -1)), axis=1)
    return {
        "guidance": guidance,
        "rank_correlation": float(scipy.stats.spearmanr(asked, played).statistic),
        "played": {f"{level:g}": round(float(mean), 2) for level, mean in zip(levels, means, strict=True)},
    }


def check_timekeeper(run: Run, num_samples: int, guidance: float) -> dict[str, Any]:
    """Asks for each timekeeper, and what keeps time where nothing is asked for."""
    if remark := why_not(run, "timekeeper"):
        return {"guidance": guidance, "remark": remark}

    def shares(asked: str) -> dict[str, float]:
        """Of the pieces, by what keeps time in them."""
        keeps = measure_songs(play(run, num_samples, guidance=guidance, timekeeper=asked), run.codec.kit).timekeeper
        names = NAMES["timekeeper"]
        return {name: round(float(np.mean(np.asarray(keeps) == i)), 3) for i, name in enumerate(names, start=1)}

    played = {name: shares(name)[name] for name in NAMES["timekeeper"]}
    right = float(np.mean(list(played.values())))
    return {"guidance": guidance, "right": right, "played": played, "unasked": shares("")}


def check_names(run: Run, songs: Sequence[Song], condition: str, num_samples: int, guidance: float) -> dict[str, Any]:
    """Asks for each style, or each player, that the classifier knows. Raises StudyError if there is none, or the model
    is not conditioned on them."""
    if remark := why_not(run, condition):
        raise StudyError(remark)
    kit, name_of = need_kit(run.codec), NAME_OF[condition]
    classifier = Classifier([song for song in songs if song.split == "train"], kit, name_of)
    held_out = [song for song in songs if song.split == "validation" and name_of(song) in classifier.names
                and song.time_signature == (4, 4) and song.fill == FILL_NO]  # fmt: skip
    real = [(name_of(song), classifier.classify(cut.hits)) for song, cut in cut_excerpts(held_out, kit)]
    played = []
    for name in classifier.names:
        for song in play(run, num_samples, guidance=guidance, time_signature="4/4", **{condition: name}):
            played.append((name, classifier.classify(excerpt_of(song, kit, NUM_BARS).hits)))
    shares = {
        name: round(float(np.mean([found == name for asked, found in played if asked == name])), 2)
        for name in classifier.names
    }
    return {
        "guidance": guidance,
        "chance": 1 / len(classifier.names),
        "held_out_recognized": float(np.mean([a == b for a, b in real])) if real else float("nan"),
        "samples_recognized": float(np.mean([a == b for a, b in played])),
        "by_name": shares,
    }


def check_all_names(
    run: Run, songs: Sequence[Song], condition: str, num_samples: int, strengths: Sequence[float]
) -> list[dict[str, Any]]:
    """At each guidance; a remark where there are none to be known."""
    try:
        return [check_names(run, songs, condition, num_samples, guidance) for guidance in strengths]
    except StudyError as error:
        return [{"remark": str(error)}]


def check_fills(run: Run, num_samples: int, guidance: float) -> dict[str, Any]:
    """Asks for a fill in every FILL_EVERY-th bar."""
    if remark := why_not(run, "fill"):
        return {"guidance": guidance, "remark": remark}
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
    """All of it, without guidance and with some.

    Nothing else is asked for: what the run's settings ask of a performance (steady bars, say) would speak against it.
    """
    sample = run.settings.sample.for_other_music()
    run = dataclasses.replace(run, settings=dataclasses.replace(run.settings, sample=sample))
    songs = load_dataset(run.settings.data).songs
    strengths = (1.0, 2.0)
    return {
        **{name: [check_scale(run, name, LEVELS[name], num_samples, g) for g in strengths] for name in LEVELS},
        "timekeeper": [check_timekeeper(run, num_samples, g) for g in strengths],
        **{name: check_all_names(run, songs, name, num_samples, strengths) for name in NAME_OF},
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
