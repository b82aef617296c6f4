"""How to train."""

import dataclasses
from collections.abc import Sequence

from drumjax.config.checks import require, require_choice, require_each
from drumjax.config.codec import FIELDS

OPTIMIZERS = ("adamw", "adam", "rmsprop")
SCHEDULES = ("cosine", "constant")
MATMUL_PRECISIONS = ("auto", "default", "bfloat16", "tensorfloat32", "float32")


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How to train; see configs/default.py for what each is."""

    seed: int
    init_from: str
    num_steps: int
    num_epochs: float
    batch_size: int
    window_beats: int
    window_notes: int
    optimizer: str
    schedule: str
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    clip_norm: float
    dropout: float
    context_dropout: float
    measured_dropout: float
    history_dropout: dict[str, float]
    average_decay: float
    field_weights: dict[str, float]
    matmul_precision: str
    steps_per_call: int
    log_every_steps: int
    eval_every_steps: int
    eval_every_epochs: float
    patience_evals: int
    memory_beats: int = 0
    memory_notes: int = 0
    memory_dropout: float = 0.0
    coming_dropout: float = 0.5

    def __post_init__(self):
        counts = ("num_steps", "batch_size", "window_beats", "steps_per_call", "log_every_steps", "eval_every_steps")
        require_each(self, "train", counts, 1)
        amounts = ("window_notes", "warmup_steps", "patience_evals", "weight_decay", "clip_norm", "num_epochs")
        require_each(self, "train", (*amounts, "eval_every_epochs", "memory_beats", "memory_notes"), 0)
        for name in ("dropout", "context_dropout", "average_decay"):
            require(0 <= getattr(self, name) < 1, f"train.{name}", getattr(self, name), "in [0, 1)")
        require_each(self, "train", ("measured_dropout", "memory_dropout", "coming_dropout"), 0, 1)
        require(self.learning_rate > 0, "train.learning_rate", self.learning_rate, "above 0")
        require_choice("train.optimizer", self.optimizer, OPTIMIZERS)
        require_choice("train.matmul_precision", self.matmul_precision, MATMUL_PRECISIONS)
        require_choice("train.schedule", self.schedule, SCHEDULES)
        for name in ("history_dropout", "field_weights"):
            values = getattr(self, name)
            must = f"numbers by field, of {', '.join(FIELDS)}"
            require(set(values) <= set(FIELDS), f"train.{name}", values, must)
        odds = self.history_dropout
        require(all(0 <= x <= 1 for x in odds.values()), "train.history_dropout", odds, "odds in 0..1 by field")
        weights = self.field_weights
        require(all(x >= 0 for x in weights.values()), "train.field_weights", weights, "numbers >= 0 by field")

    def history_odds(self, expression: Sequence[str]) -> dict[str, float]:
        """history_dropout. Raises SettingsError if it names others than these fields of expression of a codec: what
        notes there are, and when, is never hidden."""
        odds = self.history_dropout
        must = f"odds in 0..1 of: {', '.join(expression) or 'nothing (this codec has no expression)'}"
        require(set(odds) <= set(expression), "train.history_dropout", odds, must)
        return odds

    def weights_of(self, fields: Sequence[str]) -> list[float]:
        """The weight of each of a codec's fields in the loss. Raises SettingsError if one is not there."""
        weights, missing = self.field_weights, [name for name in fields if name not in self.field_weights]
        require(not missing, "train.field_weights", weights, f"a number for each of {', '.join(fields)}")
        return [weights[name] for name in fields]
