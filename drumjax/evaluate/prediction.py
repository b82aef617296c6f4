"""How well a model, and counting, predict held-out performances: likelihood and accuracy, by group, with intervals."""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from drumjax.codecs.base import Codec, clock
from drumjax.evaluate.baselines.counting import Counter, Line
from drumjax.evaluate.board import Group, Prediction
from drumjax.models.scoring import place_of
from drumjax.models.song_scoring import encode_songs, make_song_scorer
from drumjax.music.notes import FILL_NO, FILL_YES, Array, Song
from drumjax.runs.run import Run

NUM_RESAMPLES = 1000
# Of the bootstrap over songs, in percent.
INTERVAL = (2.5, 97.5)


def bootstrap(total: Array, count: Array, seed: int = 0) -> tuple[float, float, float]:
    """sum(total) / sum(count) over songs [n], and the interval that it has if other songs had been drawn.

    Songs are drawn with replacement (Efron's percentile bootstrap), whole, since their steps depend on each other. One
    song alone has no interval: NaN.
    """
    if not count.sum():
        return (float("nan"),) * 3
    if np.count_nonzero(count) == 1:
        return float(total.sum() / count.sum()), float("nan"), float("nan")
    rows = np.random.default_rng(seed).integers(0, len(total), (NUM_RESAMPLES, len(total)))
    counts = count[rows].sum(axis=1)
    drawn = total[rows].sum(axis=1)[counts > 0] / counts[counts > 0]
    low, high = np.percentile(drawn, INTERVAL)
    return float(total.sum() / count.sum()), float(low), float(high)


def groups_of(songs: Sequence[Song], chosen: Sequence[Song]) -> dict[str, np.ndarray]:
    """Which songs [n] bool are in which group; `chosen` are those that pass config.validation's filters."""
    names = {song.name for song in chosen}
    groups: dict[str, Callable[[Song], bool]] = {"all": lambda song: True}
    if len(names) < len(songs):
        groups["as config.validation"] = lambda song: song.name in names
    groups["beats"], groups["fills"] = (lambda song: song.fill == FILL_NO), (lambda song: song.fill == FILL_YES)
    for style in sorted({song.style for song in songs} - {""}):
        groups[f"style {style}"] = lambda song, style=style: song.style == style  # type: ignore[misc]
    for drummer in sorted({song.drummer for song in songs} - {""}):
        groups[drummer] = lambda song, drummer=drummer: song.drummer == drummer  # type: ignore[misc]
    masks = {name: np.asarray([is_in(song) for song in songs], bool) for name, is_in in groups.items()}
    return {name: mask for name, mask in masks.items() if mask.any()}


def predict(run: Run, songs: Sequence[Song], groups: dict[str, np.ndarray]) -> list[Group]:
    """How the model foresees the songs of each group."""
    batches = encode_songs(songs, run.codec, run.styles)
    scores = make_song_scorer(run.model, run.codec)(run.weights, batches)
    bars = np.asarray([song.num_bars for song in songs], float)
    rows = []
    for name, mask in groups.items():
        fields = {}
        for field, score in zip(run.codec.fields, scores, strict=True):
            nll, low, high = bootstrap(score.nll[mask], score.count[mask])
            fields[field.name] = Prediction(
                nll, low, high, float(np.exp(nll)),
                accuracy=_share(score.correct[mask], score.count[mask]),
                event_accuracy=_share(score.events_correct[mask], score.events[mask]),
                count=int(score.count[mask].sum()),
                per_bar=_share(score.nll[mask], bars[mask]),
            )  # fmt: skip
        rows.append(Group(name, int(mask.sum()), fields))
    return rows


def lines_of(songs: Sequence[Song], codec: Codec) -> dict[str, list[Line]]:
    """By field of a codec whose fields have one variable: each song's values, where they exist, and their places."""
    lines: dict[str, list[Line]] = {
        field.name: [Line(*np.zeros((2, 0), np.int32))] * len(songs) for field in codec.fields
    }
    place = jax.jit(lambda context, tokens: place_of(codec, context, clock(codec, tokens, 0)[:, :-1]).position)
    for batch in encode_songs(songs, codec, ("",)):
        places = np.asarray(place(batch.context, batch.tokens))
        for row, song in enumerate(batch.songs):
            for i, field in enumerate(codec.fields):
                exists = batch.tokens[row, :, i] >= 0
                lines[field.name][song] = Line(batch.tokens[row, exists, i], places[row, exists])
    return lines


def predict_by_counting(
    counter: Counter, lines: Sequence[Line], groups: dict[str, np.ndarray], rest: int | None
) -> dict[str, list[Prediction]]:
    """Per baseline a row per group; the accuracy of events leaves out the value `rest`."""
    guesses = [counter.judge(line) for line in lines]
    count = np.asarray([len(line.values) for line in lines])
    sounding = [np.ones(len(line.values), bool) if rest is None else line.values != rest for line in lines]
    events = np.asarray([mask.sum() for mask in sounding])
    found = {}
    for name in guesses[0]:
        nll = np.asarray([guess[name].nll.sum() for guess in guesses])
        correct = np.asarray([guess[name].correct.sum() for guess in guesses])
        correct_events = np.asarray(
            [guess[name].correct[mask].sum() for guess, mask in zip(guesses, sounding, strict=True)]
        )
        rows = []
        for mask in groups.values():
            mean, low, high = bootstrap(nll[mask], count[mask])
            accuracy, event_accuracy = _share(correct[mask], count[mask]), _share(correct_events[mask], events[mask])
            rows.append(Prediction(mean, low, high, float(np.exp(mean)), accuracy, event_accuracy))
        found[name] = rows
    return found


def _share(part: Array, whole: Array) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() else float("nan")
