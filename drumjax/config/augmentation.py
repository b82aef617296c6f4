"""How far training examples are changed. Each field of AugmentSettings is one change, made by training/augment.py's
function of that name, in this order."""

import dataclasses
from typing import Any, Literal, NamedTuple

from drumjax.config.checks import require, require_choice

SCHEDULES = ("constant", "rise", "fade")


class Augmentation(NamedTuple):
    """limit       beyond it music would no longer be recognized (odds end at 1 anyway)
    moderate    what a drummer would call moderate; None where drummers have no use for it
    applies_to  any instrument, drums, or pitched ones
    help        what it does, and the unit of its number
    """

    limit: float
    moderate: float | None
    applies_to: Literal["any", "drums", "pitched"]
    help: str


def _change(
    help: str,
    *,
    limit: float,
    moderate: float | None,
    applies_to: Literal["any", "drums", "pitched"] = "any",
) -> Any:
    row = Augmentation(limit, moderate, applies_to, help)
    return dataclasses.field(default=0.0, metadata={"augmentation": row})


@dataclasses.dataclass(frozen=True)
class AugmentSettings:
    """How far each change may go, >= 0; 0 leaves the music alone. With all 0 no augmentation is compiled."""

    schedule: str  # constant; rise: from nothing over the first quarter; fade: to nothing over the last
    tempo: float = _change(
        "octaves up or down; the grid stays, deviations from it keep their milliseconds", limit=2, moderate=0.25
    )
    double_time: float = _change("odds of counting twice as fast or twice as slow", limit=1, moderate=0.1)
    rotate_bars: float = _change("odds of beginning at another bar, the window joined to a loop", limit=1, moderate=0.5)
    rotate_beats: float = _change("odds of beginning at another beat, against the bar line", limit=1, moderate=0.2)
    swing: float = _change("of the way from straight to triplet off-beats, either way", limit=2, moderate=0.2)
    push_ms: float = _change("milliseconds: all notes together earlier or later", limit=200, moderate=10)
    jitter_ms: float = _change("milliseconds: each note, standard deviation", limit=200, moderate=6)
    gain: float = _change("all velocities times exp(+-gain)", limit=2, moderate=0.2)
    curve: float = _change("response of the pads: exponent exp(+-curve)", limit=2, moderate=0.2)
    velocity_jitter: float = _change("each velocity, standard deviation", limit=64, moderate=5)
    drop_ghosts: float = _change("odds that a ghost note is left out", limit=1, moderate=0.2, applies_to="drums")
    drop_voice: float = _change("odds that one of the drums is left out", limit=1, moderate=0.1, applies_to="drums")
    swap_hands: float = _change(
        "odds that closed hi-hat and ride change places", limit=1, moderate=0.15, applies_to="drums"
    )
    transpose: float = _change("semitones up or down", limit=48, moderate=None, applies_to="pitched")

    def __post_init__(self):
        require_choice("augment.schedule", self.schedule, SCHEDULES)
        for name, value in self.strengths().items():
            limit = AUGMENTATIONS[name].limit
            require(0 <= value <= limit, f"augment.{name}", value, f"in 0..{limit:g}")

    def strengths(self) -> dict[str, float]:
        """How far each change goes, by name."""
        return {name: getattr(self, name) for name in AUGMENTATIONS}

    @property
    def is_on(self) -> bool:
        return any(value > 0 for value in self.strengths().values())


AUGMENTATIONS: dict[str, Augmentation] = {
    field.name: field.metadata["augmentation"]
    for field in dataclasses.fields(AugmentSettings)
    if "augmentation" in field.metadata
}
