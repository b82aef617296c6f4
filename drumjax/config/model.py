"""Sizes of the model, and its parts."""

import dataclasses

from drumjax.config.checks import require, require_choice, require_each
from drumjax.config.conditions import CONDITIONS

# The recurrence of a layer; see models/recurrence.py.
CELLS = ("lstm",)
NORMS = ("none", "layer", "batch")


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """Sizes and parts of the model; every part can be left out to see what it is worth. Hashable: models are static.

    A field with a default is younger than some runs: the default is what reproduces them.
    """

    hidden_size: int
    num_layers: int
    embed_size: int
    norm: str  # after each layer: none, layer or batch
    residual: bool  # add a layer's input to its output, from the second layer on
    skip: bool  # show the heads the input of the stack beside its output
    position: bool  # place in the bar, and bar in the phrase
    lookback: bool  # tokens of the same place in earlier bars, as far as the codec looks back
    copy: bool  # let the first field's head raise the tokens of the lookback directly
    features: bool  # share between related values (drums of a chord) in inputs and outputs
    conditions: tuple[str, ...]  # of conditions.CONDITIONS, what the model is conditioned on
    cell: str = "lstm"  # of CELLS
    pointer: bool = False  # point at, hear and copy what followed similar moments of the whole song
    pointer_beats: int = 256  # grid: how far back
    pointer_heads: int = 2  # rows of attention
    pointer_notes: int = 0  # events: how far back; 0 does without
    joint_units: int = 0  # through which the drums of a step hear how hard and how late the others are; 0: they do not
    coming_beats: int = 0  # grid: how far velocity and timing hear the hits to come, where these are given

    def __post_init__(self):
        require_choice("model.norm", self.norm, NORMS)
        require_choice("model.cell", self.cell, CELLS)
        require_each(self, "model", ("hidden_size", "num_layers", "embed_size", "pointer_heads"), 1)
        require_each(self, "model", ("pointer_beats",), 1, 4096)
        require_each(self, "model", ("pointer_notes",), 0, 4096)
        require_each(self, "model", ("joint_units",), 0, 1024)
        require_each(self, "model", ("coming_beats",), 0, 64)
        known = set(self.conditions) <= set(CONDITIONS) and len(set(self.conditions)) == len(self.conditions)
        require(known, "model.conditions", self.conditions, f"a tuple of some of {', '.join(CONDITIONS)}")

    def steps_ahead(self, grid: int) -> int:
        """How many steps to come velocity and timing may hear of, on a grid of so many steps a beat (0: of notes)."""
        return self.coming_beats * grid

    def lags(self, grid: int) -> int:
        """How many earlier places the pointer sees on a grid of so many steps a beat, or (0) of notes; 0 without it."""
        if not self.pointer:
            return 0
        return self.pointer_beats if grid else self.pointer_notes
