"""What is played unless it is asked for otherwise: config.sample."""

import dataclasses
from typing import Any

from drumjax.config.checks import require
from drumjax.config.codec import FIELDS
from drumjax.config.conditions import CONDITIONS
from drumjax.config.controls import CONDITION_OF, CONTROLS, Controls
from drumjax.config.spelling import spell_name, spell_style


@dataclasses.dataclass(frozen=True)
class SampleSettings(Controls):
    """The value of each control where it is not asked for; and of some of them another, where --humanize plays given
    notes: nearer to what is usual, say, and nothing exaggerated."""

    humanize: dict[str, float] = dataclasses.field(default_factory=lambda: {"guidance": 1.0, "spread": 1.0})

    def __post_init__(self):
        super().__post_init__()
        fields = set(self.temperature) <= set(FIELDS)
        require(fields, "sample.temperature", self.temperature, f"numbers by field, of {', '.join(FIELDS)}")
        numbers = [name for name, value in self.values().items() if type(value) is float]
        known = set(self.humanize) <= set(numbers)
        require(known, "sample.humanize", self.humanize, f"numbers by control, of {', '.join(numbers)}")
        for name, value in self.humanize.items():
            require(CONTROLS[name].allows(value), f"sample.humanize.{name}", value, CONTROLS[name].must)

    def values(self) -> dict[str, Any]:
        """The value of each control."""
        return {name: getattr(self, name) for name in CONTROLS}

    def for_other_music(self) -> "SampleSettings":
        """The settings as they are for another style or metre, or for music that is given: what they ask of a
        performance (a backbeat, say) is left open."""
        asked = [control for control, name in CONDITION_OF.items() if CONDITIONS[name].withheld]
        return dataclasses.replace(self, **{name: CONTROLS[name].neutral for name in asked})

    def when_humanizing(self) -> "SampleSettings":
        """The settings as they are where given notes are played."""
        changes: dict[str, Any] = {"humanize": {}, **self.humanize}
        return dataclasses.replace(self, **changes) if self.humanize else self

    def as_trained(
        self, conditions: tuple[str, ...], styles: tuple[str, ...], players: tuple[str, ...] = ("",)
    ) -> "SampleSettings":
        """The settings of a model with these conditions, styles and players: a style or a player that the training
        songs lacked (a folder's, a fallback's), and all that the model is never conditioned on, is left open."""
        named = {"style": spell_style(self.style, styles), "player": spell_name(self.player, players)}
        cannot = [name for name, condition in CONDITION_OF.items() if condition not in conditions]
        cannot += [name for name, known in (("style", styles), ("player", players)) if named[name] not in known]
        return dataclasses.replace(self, **named | {name: CONTROLS[name].neutral for name in cannot})
