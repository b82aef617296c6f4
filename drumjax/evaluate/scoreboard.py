"""Everything that says how good a model is: one nested dict of numbers, and what they were made from.

prediction   how likely held-out performances are, beside baselines that count
grooves      figures of what it plays beside those of held-out performances
patterns     how much its rhythms per drum have in common with the held-out ones
memory       how much of what it plays is in the training split
playability  how much of what it plays when asked as a user would holds a beat
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from drumjax.evaluate.baselines.counting import Counter
from drumjax.evaluate.board import Board, FigureRow, PlayerFigure
from drumjax.evaluate.features import notes as note_features
from drumjax.evaluate.features.drums import accent_profile, bar_patterns, features_of, measure
from drumjax.evaluate.features.feature import Feature
from drumjax.evaluate.features.playable import Playability, judge
from drumjax.evaluate.held_out import Comparison, compare_with, count_all, count_chords
from drumjax.evaluate.memorization import TrainingBars
from drumjax.evaluate.overlap import compare_figure, share_in_common
from drumjax.evaluate.playability import NUM_PIECES, can_be_judged, judge_run
from drumjax.evaluate.players import play_counter, play_like
from drumjax.evaluate.prediction import groups_of, predict
from drumjax.music.grid_view import NUM_BARS, Excerpt, cut_excerpts, excerpt_of
from drumjax.music.kits import Kit
from drumjax.music.notes import Song
from drumjax.runs.run import Run

# Drums whose rhythms are compared bar by bar.
PATTERNED = ("kick", "snare", "closed hi-hat", "ride")
# Stretches of a pitched instrument that are compared; a folder may hold many.
MAX_STRETCHES = 128
REAL, TRAIN, MODEL, NGRAM = "held out", "training", "model", "n-gram"


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """board     the numbers, see above
    features  the figures of grooves
    figures   [excerpts, features] of each player
    profiles  [16] mean velocity by place in the bar, of each player who knows velocities
    played    what the model played
    """

    board: Board
    features: Sequence[Feature] = ()
    figures: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    profiles: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    played: list[Song] = dataclasses.field(default_factory=list)


def evaluate(run: Run, split: str = "validation", seed: int = 0) -> Evaluation:
    """All of it. Raises DatasetError if the run's dataset has no song in that split."""
    comparison = compare_with(run, split)
    counter = count_chords(comparison)
    groups = groups_of(comparison.held_out, comparison.chosen)
    board = Board(
        step=run.step,
        source=comparison.source,
        split=split,
        metre=comparison.metre,
        seed=seed,
        songs=len(comparison.held_out),
        training_songs=len(comparison.train),
        model=predict(run, comparison.held_out, groups),
        baselines=count_all(comparison, counter, groups),
    )
    if comparison.kit is None:
        return _compare_notes(comparison, board)
    return _compare_drums(comparison, comparison.kit, counter, board)


def _compare_drums(comparison: Comparison, kit: Kit, counter: Counter | None, board: Board) -> Evaluation:
    """The rest of the board for drums: grooves, patterns and memory."""
    run, seed = comparison.run, board.seed
    cuts = list(cut_excerpts(comparison.chosen, kit))
    if len(cuts) < 3:
        return _too_few(board, len(cuts))
    songs = play_like(run, [song for song, _ in cuts], seed=seed)
    players = gather(comparison, kit, [cut for _, cut in cuts], songs, counter, seed)
    features = features_of(kit, played=is_played(run))
    figures = {name: measure(parts, features, kit) for name, parts in players.items()}
    if counter:  # it knows nothing of how hits are played
        plain = {feature.name for feature in features_of(kit, played=False)}
        figures[NGRAM][:, [feature.name not in plain for feature in features]] = np.nan
    memory = {}
    if comparison.train:
        known = TrainingBars([excerpt_of(song, kit).hits for song in comparison.train])
        others = {name: parts for name, parts in players.items() if name != TRAIN}
        memory = {name: known.compare([part.hits for part in parts]) for name, parts in others.items()}
    board = dataclasses.replace(
        board,
        excerpts=len(cuts),
        bars=NUM_BARS,
        grooves=compare_figures(features, figures),
        patterns=compare_patterns(players, kit),
        memory=memory,
        playability=_judge_beats(comparison, kit, players, seed),
    )
    expressive = [name for name in players if name != NGRAM and is_played(run)]
    return Evaluation(board, features, figures, {name: accent_profile(players[name]) for name in expressive}, songs)


def _judge_beats(
    comparison: Comparison, kit: Kit, players: dict[str, list[Excerpt]], seed: int
) -> dict[str, Playability]:
    """Of people, as many pieces as the model plays where there are so many."""
    if not can_be_judged(comparison.run):
        return {}
    alike = [cut for _, cut in cut_excerpts(comparison.chosen_train, kit)]
    some = np.random.default_rng(seed).permutation(len(alike))[:NUM_PIECES]
    people = {REAL: players[REAL], TRAIN: [alike[i] for i in some]}
    found = {name: judge(pieces, kit) for name, pieces in people.items() if pieces}
    return found | {MODEL: judge_run(comparison.run, seed)}


def _compare_notes(comparison: Comparison, board: Board) -> Evaluation:
    """The rest of the board for a pitched instrument: figures of what is played."""
    held_out, alike = (note_features.find_stretches(songs) for songs in (comparison.chosen, comparison.chosen_train))
    if len(held_out) < 3:
        return _too_few(board, len(held_out))
    generator = np.random.default_rng(board.seed)
    some = [held_out[i] for i in generator.permutation(len(held_out))[:MAX_STRETCHES]]
    others = [alike[i] for i in generator.permutation(len(alike))[: len(some)]]
    songs = play_like(comparison.run, [song for song, _ in some], seed=board.seed)
    players = {
        REAL: [note_features.cut_song(*stretch) for stretch in some],
        TRAIN: [note_features.cut_song(*stretch) for stretch in others],
        MODEL: songs,
    }
    figures = {name: note_features.measure(parts) for name, parts in players.items() if parts}
    grooves = compare_figures(note_features.FEATURES, figures)
    board = dataclasses.replace(board, excerpts=len(some), bars=note_features.NUM_BARS, grooves=grooves)
    return Evaluation(board, note_features.FEATURES, figures, {}, songs)


def _too_few(board: Board, count: int) -> Evaluation:
    remark = f"only {count} stretches of {NUM_BARS} bars are held out: too few to compare with"
    return Evaluation(dataclasses.replace(board, remark=remark))


def is_played(run: Run) -> bool:
    """Whether the model knows how hard each hit is, and when it is."""
    return "velocity" in {field.name for field in run.codec.fields}


def gather(
    comparison: Comparison, kit: Kit, held_out: list[Excerpt], songs: Sequence[Song], counter: Counter | None, seed: int
) -> dict[str, list[Excerpt]]:
    """Excerpts by player, as many of each. `songs` are what the model played."""
    players = {REAL: held_out}
    alike = [cut for _, cut in cut_excerpts(comparison.chosen_train, kit)]
    if alike:
        some = np.random.default_rng(seed).permutation(len(alike))[: len(held_out)]
        players[TRAIN] = [alike[i] for i in some]
    players[MODEL] = [excerpt_of(song, kit, NUM_BARS) for song in songs]
    if counter:
        players[NGRAM] = play_counter(counter, kit, len(held_out), seed=seed)
    return players


def compare_figures(features: Sequence[Feature], figures: dict[str, np.ndarray]) -> list[FigureRow]:
    """A row per figure: its mean and standard deviation by player, and how like the held-out ones each player's are."""
    rows = []
    for column, feature in enumerate(features):
        players = {
            name: summarize(values[:, column], figures[REAL][:, column], is_real=name == REAL)
            for name, values in figures.items()
            if np.isfinite(values[:, column]).any()
        }
        rows.append(FigureRow(feature.name, feature.unit, feature.meaning, players))
    return rows


def summarize(values: np.ndarray, real: np.ndarray, *, is_real: bool) -> PlayerFigure:
    """Mean and sd of the values that exist (one at least), and their likeness to the real ones."""
    known = values[np.isfinite(values)]
    mean, sd = float(known.mean()), float(known.std())
    return PlayerFigure(mean, sd) if is_real else PlayerFigure(mean, sd, *compare_figure(values, real))


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
