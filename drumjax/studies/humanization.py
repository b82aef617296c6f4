"""How close a model comes to what drummers did with the same hits.

    python -m drumjax.studies.humanization --workdir runs/rock

Held-out performances are reduced to their hits on the grid, and the model chooses velocity and timing of each, as
`run_sample.py --humanize` does, conditioned on style, tempo and metre; also as widely spread as people's are
(`--spread 1`). Set beside what was really played, and beside some who know nothing of music: the quantizer (on the
grid, all hits at the mean velocity), the mean and the median of the same drum at the same place in the bar, learned
from the training split, and all hits as early as the median of all.

A second table says what makes a performance feel like one person's: how drums that are hit together lie together, how
steady a drum is, how the whole leans from bar to bar. A third has the loudness of each drum, a fourth the likelihood of
what was played, a fifth the figures of GrooVAE's protocol.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from drumjax.codecs.grid import GridCodec
from drumjax.data.datasets import load_dataset
from drumjax.data.selection import select
from drumjax.evaluate.prediction import bootstrap
from drumjax.music.notes import Song
from drumjax.runs.run import Run
from drumjax.sampling.controls import make_controls
from drumjax.studies.command import Amount, StudyError, ask, make_table
from drumjax.studies.hits import Hits, cut, hits_of, humanize, play, score
from drumjax.studies.touch import describe_loudness, describe_touch

DRAWS = Amount("draws", 32, "performances of each excerpt")
# Of histograms: velocities in MIDI, offsets in milliseconds; ADDED to each count keeps the divergence finite.
VELOCITY_BINS = np.linspace(0, 128, 33)
OFFSET_BINS = np.linspace(-100, 100, 41)
ADDED = 0.5
# The protocol of Gillick et al. 2019: windows of so many bars, each by itself.
WINDOW_BARS = 2
ALL_STYLES = {"all_styles": "beats of all styles, not of those alone that the config validates with"}
FREE_DRAWS = 4  # of what is played without hits given, to see its touch


def answer(run: Run, draws: int, all_styles: bool = False) -> dict[str, list[dict[str, Any]]]:
    """The tables: how near, how it feels, how loud, how likely, and the figures of the protocol of GrooVAE."""
    codec = check_grid(run)
    songs = load_dataset(run.settings.data).songs
    filters = {**dataclasses.asdict(run.settings.validation), "fill": "beat", "time_signatures": ("4/4",)}
    filters |= {"styles": ()} if all_styles else {}
    held_out, train = (select(songs, split=split, **filters) for split in ("validation", "train"))
    near, drawn = compare(run, held_out, train, draws)
    learned = cut(train, codec, run.styles)
    drawn["others, of the training split"] = [hits_of(learned.tokens, learned.context, codec)]
    asked = cut(held_out, codec, run.styles)
    settings = run.settings.sample.for_other_music()
    controls = make_controls(settings, codec.fields, guidance=1.0, spread=1.0, opening_bars=0)
    drawn["the model, playing by itself"] = list(play(run, asked, controls, min(draws, FREE_DRAWS)))
    played = {name: hits for name, hits in drawn.items() if "mean of" not in name}
    touch = [{"player": name, **describe_touch(hits)} for name, hits in played.items()]
    loudness = [{"player": name, **describe_loudness(hits)} for name, hits in played.items()]
    nats = [
        {"nats per hit": name, **score(run, asked, hears=hears)}
        for name, hears in (("playing", False), ("hearing the hits to come", True))
    ]
    protocol = [follow_protocol(run, held_out)]
    return {"near": near, "touch": touch, "loudness": loudness, "nats": nats, "protocol": protocol}


def check_grid(run: Run) -> GridCodec:
    """The codec of a model that can be compared. Raises StudyError for another."""
    if not isinstance(run.codec, GridCodec):
        raise StudyError("this compares models of a grid, which know where hits are apart from how they are played")
    if not run.codec.expressive:
        raise StudyError("this model knows no velocity and timing (it was trained with codec.expressive=False)")
    return run.codec


def compare(
    run: Run, held_out: Sequence[Song], train: Sequence[Song], draws: int
) -> tuple[list[dict[str, Any]], dict[str, list[Hits]]]:
    """A row per player, and what each played of the held-out songs.

    timing_ms, velocity           mean absolute distance from what was played
    even_ms, odd_ms               the same of every other song, by whose half a setting can be chosen
    kl_timing, kl_velocity        KL divergence of their distributions from the drummers', nats
    nearer_ms, low_ms, high_ms    how much nearer in time than the nearest of those who know nothing of music, and
                                  between what other songs would have it (bootstrap, 95%)
    """
    codec = check_grid(run)
    asked, known = cut(held_out, codec, run.styles), cut(train, codec, run.styles)
    real, learned = (hits_of(some.tokens, some.context, codec) for some in (asked, known))
    names = ("velocity", "offset_ms")
    even, usual = np.full(len(real.velocity), learned.velocity.mean()), np.median(learned.offset_ms)
    simple = {
        "quantized, one velocity": real._replace(velocity=even, offset_ms=0 * even),
        "mean of drum and place": real._replace(**{name: by_place(learned, real, name, np.mean) for name in names}),
        "median of drum and place": real._replace(**{name: by_place(learned, real, name, np.median) for name in names}),
        f"every hit {usual:.1f} ms late, one velocity": real._replace(velocity=even, offset_ms=0 * even + usual),
    }
    players = {"the drummers": [real], **{name: [hits] for name, hits in simple.items()}}
    controls = make_controls(run.settings.sample.when_humanizing(), codec.fields)
    unknown = asked.context._replace(style=np.zeros_like(asked.context.style))
    for name, spread, excerpts in (
        (f"the model, spread {controls.spread:g}", controls.spread, asked),
        ("the same, style unknown", controls.spread, asked._replace(context=unknown)),
        ("the model, spread 1", 1.0, asked),
    ):
        if f"{name}, one draw" in players:
            continue
        drawn = list(humanize(run, excerpts, dataclasses.replace(controls, spread=spread), draws))
        players[f"{name}, one draw"] = drawn
        expected = {name: np.mean([getattr(hits, name) for hits in drawn], axis=0) for name in names}
        players[f"{name}, mean of {draws} draws"] = [real._replace(**expected)]
    distance = {name: distance_ms(hits, real) for name, hits in players.items()}
    nearest = min((distance[name] for name in simple), key=np.mean)
    song = asked.song[real.excerpt]
    rows = [
        {"player": name, **measure(drawn, real, song), **gain(distance[name], nearest, song)}
        for name, drawn in players.items()
    ]
    return rows, {name: drawn for name, drawn in players.items() if name not in simple}


def follow_protocol(run: Run, held_out: Sequence[Song]) -> dict[str, float]:
    """The figures of GrooVAE's humanization (Gillick et al. 2019): windows of two bars of 16ths, each by itself, no
    style, one performance of each; here the one of the model's medians.

    windows           how many
    mae_ms, mse_16ths mean distance in time, and its mean square in 16ths
    kl_timing, kl_velocity  of the histograms, as in `compare`, nats
    """
    codec = check_grid(run)
    windows = cut(held_out, codec, run.styles, WINDOW_BARS)
    unknown = windows.context._replace(style=np.zeros_like(windows.context.style))
    controls = make_controls(run.settings.sample.when_humanizing(), codec.fields, spread=0.0)
    real = hits_of(windows.tokens, windows.context, codec)
    (played,) = humanize(run, windows._replace(context=unknown), controls, 1)
    sixteenth_ms = 15_000 / np.asarray(windows.context.tempo_bpm)[real.excerpt]
    late = played.offset_ms - real.offset_ms
    return {
        "windows": len(windows.tokens),
        "mae_ms": float(np.abs(late).mean()),
        "mse_16ths": float(np.mean((late / sixteenth_ms) ** 2)),
        "kl_timing": divergence(real.offset_ms, played.offset_ms, OFFSET_BINS),
        "kl_velocity": divergence(real.velocity, played.velocity, VELOCITY_BINS),
    }


def show(found: dict[str, list[dict[str, Any]]]) -> str:
    """The tables, one after the other."""
    return "\n".join(make_table(rows) for rows in found.values())


def distance_ms(drawn: Sequence[Hits], real: Hits) -> np.ndarray:
    """How far each hit [n] lies from where it was played, on average over the draws."""
    return np.mean([np.abs(hits.offset_ms - real.offset_ms) for hits in drawn], axis=0)


def measure(drawn: Sequence[Hits], real: Hits, song: np.ndarray) -> dict[str, float]:
    """How some draws compare with what was played; see compare. song [n] is that of each hit."""
    velocity, offset_ms = (np.stack([getattr(hits, name) for hits in drawn]) for name in ("velocity", "offset_ms"))
    distance, is_even = distance_ms(drawn, real), song % 2 == 0
    return {
        "timing_ms": float(distance.mean()),
        "even_ms": float(np.mean(distance[is_even])) if is_even.any() else float("nan"),
        "odd_ms": float(np.mean(distance[~is_even])) if not is_even.all() else float("nan"),
        "velocity": float(np.abs(velocity - real.velocity).mean()),
        "kl_timing": divergence(real.offset_ms, offset_ms, OFFSET_BINS),
        "kl_velocity": divergence(real.velocity, velocity, VELOCITY_BINS),
    }


def gain(distance: np.ndarray, nearest: np.ndarray, song: np.ndarray) -> dict[str, float]:
    """By how much the distances [n] are smaller than the others', with the interval over songs [n]."""
    count = np.bincount(song)
    nearer, low, high = bootstrap(np.bincount(song, nearest - distance)[count > 0], count[count > 0])
    return {"nearer_ms": nearer, "low_ms": low, "high_ms": high}


def by_place(learned: Hits, hits: Hits, name: str, middle: Callable[[np.ndarray], Any]) -> np.ndarray:
    """The middle [n] of the training hits of each hit's drum at its place in the bar; of all where there were none."""
    width = 1 + max(learned.position.max(), hits.position.max())
    known, asked = (some.drum * width + some.position for some in (learned, hits))
    values = getattr(learned, name)
    middles = {place: middle(values[known == place]) for place in np.intersect1d(known, asked).tolist()}
    everywhere = middle(values)
    return np.asarray([middles.get(place, everywhere) for place in asked.tolist()])


def divergence(real: np.ndarray, played: np.ndarray, bins: np.ndarray) -> float:
    """KL(real || played) of their histograms over the bins, values beyond them in the outermost, in nats."""
    shares = []
    for values in (real, played):
        counts = np.histogram(np.clip(values, bins[0], bins[-1]), bins)[0] + ADDED
        shares.append(counts / counts.sum())
    return float(np.sum(shares[0] * np.log(shares[0] / shares[1])))


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.studies.humanization", __doc__, DRAWS, answer, show, switches=ALL_STYLES))
