"""The numbers of an evaluation: what is in each table, and what a JSON file of them holds."""

import dataclasses
from typing import Any

from drumjax.evaluate.features.playable import Playability
from drumjax.evaluate.memorization import Memory


@dataclasses.dataclass(frozen=True)
class Prediction:
    """How well one field of some songs is foreseen, by a model or by counting.

    nll             nats per variable that exists, and the interval low..high that other songs would have it in
    perplexity      exp(nll)
    accuracy        share of variables whose likeliest value is right; event_accuracy of those that are no rest
    count, per_bar  variables in all, and nats of a bar; None of what only counts
    """

    nll: float
    low: float
    high: float
    perplexity: float
    accuracy: float
    event_accuracy: float
    count: int | None = None
    per_bar: float | None = None


@dataclasses.dataclass(frozen=True)
class Group:
    """Some of the songs, and how the model foresees each field of them."""

    name: str
    songs: int
    fields: dict[str, Prediction]

    @property
    def nats_per_bar(self) -> float:
        """Of all fields together."""
        return sum(prediction.per_bar or 0.0 for prediction in self.fields.values())


@dataclasses.dataclass(frozen=True)
class PlayerFigure:
    """Mean and standard deviation of a figure of one player, and its likeness to the held-out ones (overlap.Likeness);
    None of these themselves."""

    mean: float
    sd: float
    kl: float | None = None
    overlap: float | None = None
    apart: float | None = None


@dataclasses.dataclass(frozen=True)
class FigureRow:
    """One figure of what is played: its name, unit and meaning, and what it is of each player."""

    figure: str
    unit: str
    meaning: str
    players: dict[str, PlayerFigure]


@dataclasses.dataclass(frozen=True)
class Board:
    """step, source, split, metre, seed  of which model, judged by what
    songs, training_songs  how many are held out, and how many are beside them in training
    model      the model's predictions, group by group
    baselines  by field and baseline, as many rows as there are groups
    excerpts   how many stretches of so many bars the figures below are of; 0: too few, and `remark` says so
    grooves    figures of what is played
    patterns   by drum and player, the area that its one-bar rhythms share with the held-out ones, 0..1
    memory     by player, how much is in the training split
    playability  by player, how many pieces hold a beat, and how various they are
    """

    step: int
    source: str
    split: str
    metre: str
    seed: int
    songs: int
    training_songs: int
    model: list[Group]
    baselines: dict[str, dict[str, list[Prediction]]]
    excerpts: int = 0
    bars: int = 0
    grooves: list[FigureRow] = dataclasses.field(default_factory=list)
    patterns: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    memory: dict[str, Memory] = dataclasses.field(default_factory=dict)
    playability: dict[str, Playability] = dataclasses.field(default_factory=dict)
    remark: str = ""

    def to_json(self) -> dict[str, Any]:
        """As nested dicts of numbers and text, without what there is none of."""
        names = [group.name for group in self.model]
        facts = {name: getattr(self, name) for name in ("step", "source", "split", "metre", "songs", "training_songs")}
        prediction = {
            "model": [
                {
                    "group": group.name,
                    "songs": group.songs,
                    **{name: _present(part) for name, part in group.fields.items()},
                    "nats_per_bar": group.nats_per_bar,
                }
                for group in self.model
            ],
            "baselines": {
                field: {
                    name: [{"group": group} | _present(row) for group, row in zip(names, rows, strict=True)]
                    for name, rows in counted.items()
                }
                for field, counted in self.baselines.items()
            },
        }
        grooves = [
            {"figure": row.figure, "unit": row.unit, "meaning": row.meaning}
            | {name: _present(part) for name, part in row.players.items()}
            for row in self.grooves
        ]
        parts = {
            "excerpts": self.excerpts,
            "bars": self.bars,
            "grooves": grooves,
            "patterns": self.patterns,
            "memory": {name: memory._asdict() for name, memory in self.memory.items()},
            "playability": {name: dataclasses.asdict(found) for name, found in self.playability.items()},
            "remark": self.remark,
        }
        return {**facts, "seed": self.seed, "prediction": prediction, **{k: v for k, v in parts.items() if v}}


def _present(row: Prediction | PlayerFigure) -> dict[str, float]:
    return {name: value for name, value in dataclasses.asdict(row).items() if value is not None}
