"""Everything that says how good a model is: one nested dict of numbers, and what they were made from.

prediction   how likely held-out performances are, beside baselines that count
grooves      figures of what it plays beside those of held-out performances
patterns     how much its rhythms per drum have in common with the held-out ones
memory       how much of what it plays was heard in training
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from drumjax.codecs.grid import GridCodec
from drumjax.datasets import DatasetError, load_dataset, select
from drumjax.evaluation.baselines import Counter, chords_of
from drumjax.evaluation.excerpts import NUM_BARS, STEPS_PER_BEAT, Excerpt, cut_excerpts, excerpt_of
from drumjax.evaluation.groove_features import Feature, accent_profile, bar_patterns, features_of, measure
from drumjax.evaluation.memorisation import Heard
from drumjax.evaluation.overlap import compare_figure, share_in_common
from drumjax.evaluation.players import play_counter, play_like
from drumjax.evaluation.prediction import groups_of, predict, predict_by_counting
from drumjax.kits import Kit, get_kit
from drumjax.notes import Song
from drumjax.runs import Run

# Drums whose rhythms are compared bar by bar.
PATTERNED = ("kick", "snare", "closed hi-hat", "ride")
REAL, TRAIN, MODEL, NGRAM = "held out", "training", "model", "n-gram"


@dataclasses.dataclass(frozen=True)
class Scene:
    """What is compared.

    held_out, train    songs in 4/4 that the codec accepts
    judged, alike      those of each that pass config.validation's filters; all of them if none does
    """

    run: Run
    kit: Kit
    source: str
    split: str
    held_out: list[Song]
    train: list[Song]
    judged: list[Song]
    alike: list[Song]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """board     the numbers, see above
    features  the figures of grooves
    figures   [excerpts, features] of each player
    profiles  [16] mean velocity by place in the bar, of each player who knows velocities
    played    what the model played
    """

    board: dict[str, Any]
    features: tuple[Feature, ...] = ()
    figures: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    profiles: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    played: list[Song] = dataclasses.field(default_factory=list)


def set_scene(run: Run, split: str) -> Scene:
    """Loads the run's own dataset. Raises DatasetError if it has no song in that split."""
    dataset = load_dataset(run.settings.data)
    songs = [song for song in dataset.songs if song.time_signature == (4, 4) and run.codec.accepts(4)]
    held_out, train = ([song for song in songs if song.split == name] for name in (split, "train"))
    if not held_out:
        raise DatasetError(f"no song in 4/4 in the {split} split of {dataset.source}; try another --split")
    try:  # among all songs, so that a name that only another split or metre has is not unknown
        chosen = {id(song) for song in select(dataset.songs, **dataclasses.asdict(run.settings.validation))}
    except ValueError:  # the data are others than the run was made for
        chosen = {id(song) for song in songs}
    judged, alike = ([song for song in some if id(song) in chosen] for some in (held_out, train))
    kit = get_kit(run.settings.codec.kit)
    return Scene(run, kit, dataset.source, split, held_out, train, judged or held_out, alike or train)


def evaluate(run: Run, split: str = "validation", seed: int = 0) -> Evaluation:
    """All of it. Raises DatasetError if the run's dataset has no song in that split."""
    scene = set_scene(run, split)
    counts = isinstance(run.codec, GridCodec) and run.codec.steps_per_beat == STEPS_PER_BEAT and scene.train
    counter = Counter([chords_of(s, scene.kit) for s in scene.train], 2**scene.kit.num_classes) if counts else None
    board: dict[str, Any] = {
        "step": run.step, "source": scene.source, "split": split,
        "songs": len(scene.held_out), "training_songs": len(scene.train), "seed": seed,
    }  # fmt: skip
    board["prediction"] = prediction(scene, counter)
    cuts = list(cut_excerpts(scene.judged, scene.kit))
    if len(cuts) < 3:
        board["remark"] = f"only {len(cuts)} stretches of {NUM_BARS} bars are held out: too few to compare grooves with"
        return Evaluation(board)
    songs = play_like(run, [song for song, _ in cuts], seed=seed)
    players = gather(scene, [cut for _, cut in cuts], songs, counter, seed)
    features = features_of(scene.kit, played=is_played(run))
    figures = {name: measure(parts, features, scene.kit) for name, parts in players.items()}
    if counter:  # it knows nothing of how hits are played
        plain = {feature.name for feature in features_of(scene.kit, played=False)}
        figures[NGRAM][:, [feature.name not in plain for feature in features]] = np.nan
    board |= {"excerpts": len(cuts), "bars": NUM_BARS}
    board["grooves"] = compare_figures(features, figures)
    board["patterns"] = compare_patterns(players, scene.kit)
    if scene.train:
        heard = Heard([excerpt_of(song, scene.kit).hits for song in scene.train])
        board["memory"] = {
            name: heard.compare([part.hits for part in parts])._asdict()
            for name, parts in players.items()
            if name != TRAIN
        }
    expressive = [name for name in players if name != NGRAM and is_played(run)]
    return Evaluation(board, features, figures, {name: accent_profile(players[name]) for name in expressive}, songs)


def is_played(run: Run) -> bool:
    """Whether the model knows velocity and timing."""
    return isinstance(run.codec, GridCodec) and run.codec.expressive


def prediction(scene: Scene, counter: Counter | None) -> dict[str, Any]:
    """{"model": rows by group, "baselines": {name: rows by group}}; see evaluation.prediction."""
    groups = groups_of(scene.held_out, scene.judged)
    counted = predict_by_counting(counter, scene.held_out, scene.kit, groups) if counter else {}
    return {"model": predict(scene.run, scene.held_out, groups), "baselines": counted}


def gather(
    scene: Scene, held_out: list[Excerpt], songs: Sequence[Song], counter: Counter | None, seed: int
) -> dict[str, list[Excerpt]]:
    """Excerpts by player, as many of each. `songs` are what the model played."""
    players = {REAL: held_out}
    alike = [cut for _, cut in cut_excerpts(scene.alike, scene.kit)]
    if alike:
        some = np.random.default_rng(seed).permutation(len(alike))[: len(held_out)]
        players[TRAIN] = [alike[i] for i in some]
    players[MODEL] = [excerpt_of(song, scene.kit, NUM_BARS) for song in songs]
    if counter:
        players[NGRAM] = play_counter(counter, scene.kit, len(held_out), seed=seed)
    return players


def compare_figures(features: tuple[Feature, ...], figures: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """A row per figure: its mean and standard deviation by player, and how like the held-out ones each player's are."""
    rows = []
    for column, feature in enumerate(features):
        row: dict[str, Any] = {"figure": feature.name, "unit": feature.unit, "meaning": feature.meaning}
        for name, values in figures.items():
            if np.isfinite(values[:, column]).any():
                row[name] = summarize(values[:, column], figures[REAL][:, column], is_real=name == REAL)
        rows.append(row)
    return rows


def summarize(values: np.ndarray, real: np.ndarray, *, is_real: bool) -> dict[str, float]:
    """Mean and sd of the values that exist (one at least), and their likeness to the real ones."""
    known = values[np.isfinite(values)]
    row = {"mean": float(known.mean()), "sd": float(known.std())}
    return row if is_real else row | compare_figure(values, real)._asdict()


def compare_patterns(players: dict[str, list[Excerpt]], kit: Kit) -> dict[str, dict[str, float]]:
    """By drum and player: the area that its histogram of one-bar rhythms shares with the held-out one, 0..1."""
    voices: list[str] = [name for name in PATTERNED if name in kit.names] or list(kit.names)
    return {
        voice: {
            name: share_in_common(bar_patterns(parts, kit, voice), bar_patterns(players[REAL], kit, voice))
            for name, parts in players.items()
            if name != REAL
        }
        for voice in voices
    }
