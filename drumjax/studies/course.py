"""Whether a piece goes the way it is asked to: `python -m drumjax.studies.course --workdir runs/rock`.

Pieces in 4/4 with fills, a crescendo, a form, and the settings that speed and timing have; what is counted in their
bars stands beside what was asked for and, for fills, beside people's (all of the dataset's fills in 4/4).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from drumjax.config.controls import read_crescendo
from drumjax.config.form import find_fills, parse_form
from drumjax.data.datasets import load_dataset
from drumjax.evaluate.features.drums import swing_ratio, timing_error_ms
from drumjax.music.grid_view import NUM_BARS, Excerpt, excerpt_of
from drumjax.music.kits import Kit
from drumjax.music.notes import FILL_YES, Song
from drumjax.runs.run import Run
from drumjax.sampling.edits import need_kit
from drumjax.studies.command import Amount, ask, make_table
from drumjax.studies.controllability import measure_songs, play
from drumjax.studies.humanization import check_grid

NUM_SAMPLES = Amount("num_samples", 32, "pieces of each kind")
BEATS = 4  # of a bar
FILL_EVERY = 4
FEW = 4  # hits: a fill of no more is hardly one
FILLS: tuple[dict[str, Any], ...] = (
    {}, {"density": 4.0}, {"density": 8.0}, {"fill_intensity": 0.0}, {"fill_intensity": 0.5}, {"fill_intensity": 1.0}
)  # fmt: skip
CRESCENDOS = ("40-100", "100-40")
FORM = "intro:2,verse:4,fill:1,chorus:4:timekeeper=ride,break:2,verse:4"
# How notes lie: what is asked for, and nothing else.
TIMING: tuple[dict[str, Any], ...] = (
    {}, {"swing": 0.0}, {"swing": 0.5}, {"swing": 1.0}, {"tightness": 0.5}, {"tightness": 1.0},
    {"half_time": True}, {"double_time": True},
)  # fmt: skip


def answer(run: Run, num_samples: int) -> dict[str, list[dict[str, Any]]]:
    """The tables: fills, dynamics, the sections of a form, and timing."""
    check_grid(run)
    settings = dataclasses.replace(run.settings, sample=run.settings.sample.for_other_music())
    run, kit = dataclasses.replace(run, settings=settings), need_kit(run.codec)
    people = [song for song in load_dataset(run.settings.data).songs if song.fill == FILL_YES]
    return {
        "fills": [check_people(people, kit), *(check_fills(run, num_samples, asked) for asked in FILLS)],
        "dynamics": [check_crescendo(run, num_samples, asked) for asked in CRESCENDOS],
        "form": check_form(run, num_samples, FORM),
        "timing": [check_timing(run, num_samples, asked) for asked in TIMING],
    }


def check_people(songs: Sequence[Song], kit: Kit) -> dict[str, Any]:
    """The bars of people's fills in 4/4."""
    counts = [count_hits(excerpt_of(song, kit)) for song in songs if song.time_signature == (4, 4)]
    return {"asked": "people's", **describe_fills(np.concatenate(counts) if counts else np.zeros(0))}


def check_fills(run: Run, num_samples: int, asked: dict[str, Any]) -> dict[str, Any]:
    """A fill in every FILL_EVERY-th bar, and what else is asked for."""
    songs = play(run, num_samples, time_signature="4/4", fill=FILL_EVERY, **asked)
    counts = np.stack([count_hits(cut) for cut in cut_all(run, songs, NUM_BARS)])
    fills = find_fills(NUM_BARS, FILL_EVERY)
    others = np.delete(counts, fills, axis=1)
    return {"asked": name_of(asked), **describe_fills(counts[:, fills].ravel()), "hits elsewhere": float(others.mean())}


def describe_fills(counts: np.ndarray) -> dict[str, float]:
    """Of the hits [n] of fills' bars."""
    if not len(counts):
        return {}
    return {"hits in a fill": float(counts.mean()), f"of at most {FEW}": float(np.mean(counts <= FEW))}


def check_crescendo(run: Run, num_samples: int, asked: str) -> dict[str, Any]:
    """The mean velocity of each bar, and how far it is from what was asked for."""
    songs = play(run, num_samples, time_signature="4/4", crescendo=asked)
    loudness = np.stack([loudness_of(cut) for cut in cut_all(run, songs, NUM_BARS)])
    loudness = np.asarray([mean_of(column) for column in loudness.T])
    wanted = np.linspace(*read_crescendo(asked), NUM_BARS)
    by_bar = {f"bar {bar}": round(float(value)) for bar, value in enumerate(loudness, start=1)}
    return {"asked": asked, **by_bar, "off by": float(np.abs(loudness - wanted).mean())}


def check_form(run: Run, num_samples: int, form: str) -> list[dict[str, Any]]:
    """A row per section: what was played in it; timekeeper is the share of pieces whose section keeps time on it."""
    sections = parse_form(form)
    num_bars, kit = sum(section.bars for section in sections), need_kit(run.codec)
    songs = play(run, num_samples, time_signature="4/4", bars=num_bars, form=form)
    cuts = cut_all(run, songs, num_bars)
    hits = np.stack([count_hits(cut) for cut in cuts]) / BEATS
    loudness = np.stack([loudness_of(cut) for cut in cuts])
    rows, first = [], 0
    for section in sections:
        bars = slice(first, first + section.bars)
        row = {"section": section.name, "bars": section.bars, "notes per beat": float(hits[:, bars].mean()),
               "velocity": mean_of(loudness[:, bars])}  # fmt: skip
        rows.append(row | {"on the ride": share_on_ride(cuts, bars, kit)})
        first += section.bars
    return rows


def share_on_ride(cuts: Sequence[Excerpt], bars: slice, kit: Kit) -> float:
    """Of the hits on hi-hat or ride in these bars, those on the ride; NaN without any."""
    names = {name: kit.names.index(name) for name in ("closed hi-hat", "open hi-hat", "ride") if name in kit.names}
    counts = {name: sum(int(cut.hits[bars, :, drum].sum()) for cut in cuts) for name, drum in names.items()}
    return counts.get("ride", 0) / total if (total := sum(counts.values())) else float("nan")


def check_timing(run: Run, num_samples: int, asked: dict[str, Any]) -> dict[str, Any]:
    """Swing is the ratio of two 8ths of the timekeeper: 1 straight, 2 in triplets."""
    kit = need_kit(run.codec)
    songs = play(run, num_samples, time_signature="4/4", **asked)
    cuts = cut_all(run, songs, NUM_BARS)
    measured = measure_songs(songs, kit)
    return {
        "asked": name_of(asked),
        "swing": mean_of([swing_ratio(cut, kit) for cut in cuts]),
        "from the 16th, ms": mean_of([timing_error_ms(cut, kit) for cut in cuts]),
        "notes per beat": float(np.mean(measured.density)),
    }


def cut_all(run: Run, songs: Sequence[Song], num_bars: int) -> list[Excerpt]:
    return [excerpt_of(song, need_kit(run.codec), num_bars) for song in songs]


def count_hits(cut: Excerpt) -> np.ndarray:
    """Hits of each bar [bars]."""
    return cut.hits.sum(axis=(1, 2))


def loudness_of(cut: Excerpt) -> np.ndarray:
    """The mean velocity of each bar [bars], NaN of a silent one."""
    number = count_hits(cut)
    return np.where(number > 0, cut.velocity.sum(axis=(1, 2)) / np.maximum(number, 1), np.nan)


def mean_of(values: Sequence[float] | np.ndarray) -> float:
    """Of those that are numbers, NaN if none is."""
    found = np.asarray(values)
    return float(np.mean(found[~np.isnan(found)])) if not np.isnan(found).all() else float("nan")


def name_of(asked: dict[str, Any]) -> str:
    """As flags of run_sample.py."""
    flags = [f"--{name}" if value is True else f"--{name} {value:g}" for name, value in asked.items()]
    return " ".join(flags) or "nothing else"


def show(found: dict[str, list[dict[str, Any]]]) -> str:
    """The tables, one after the other."""
    return "\n".join(make_table(rows) for rows in found.values())


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.studies.course", __doc__, NUM_SAMPLES, answer, show))
