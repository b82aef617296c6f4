"""Pieces to play: how long they are, and what the model is conditioned on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from drumjax.codecs.base import Codec
from drumjax.config.conditions import CONDITIONS
from drumjax.config.controls import CONDITION_OF, Controls
from drumjax.music.metre import Metre, beats_per_bar, metre_id, parse_metre
from drumjax.music.notes import FILL_NO, Context
from drumjax.runs.run import Run
from drumjax.system.errors import UserError

# A tick that is never reached: where notes are counted, not bars.
ENDLESS = 2**30


class RequestError(UserError):
    """Something that this model cannot play; the message says what was asked and what can be."""


class Piece(NamedTuple):
    """What is asked for, and whether all of it is a beat (FILL_NO) or a fill (FILL_YES)."""

    controls: Controls
    fill: int = FILL_NO

    @property
    def metre(self) -> Metre:
        metre = parse_metre(self.controls.time_signature)
        assert metre is not None, "Controls are checked"
        return metre

    @property
    def beats_per_bar(self) -> float:
        return beats_per_bar(self.metre)

    @property
    def beats(self) -> float:
        """The length of its bars; with num_notes it may be another."""
        return self.controls.bars * self.beats_per_bar

    def context(self, styles: Sequence[str]) -> Context:
        """The context of a steady piece from bar 0; scalars. Raises RequestError for a style that is not known."""
        c = self.controls
        if c.style not in styles:
            known = ", ".join(style for style in styles if style) or "none"
            raise RequestError(f"the model does not know the style {c.style!r}; it knows: {known}")
        numbers: dict[str, Any] = {
            row.field: np.asarray(getattr(c, row.control), np.float32)
            for row in CONDITIONS.values()
            if row.control and not row.rows
        }
        return Context()._replace(
            tempo_bpm=np.asarray(c.bpm, np.float32),
            beats_per_bar=np.asarray(self.beats_per_bar, np.float32),
            metre=np.asarray(metre_id(self.metre), np.int32),
            style=np.asarray(list(styles).index(c.style), np.int32),
            fill=np.asarray(self.fill, np.int32),
            **numbers,
        )

    def end(self, codec: Codec, context: Context) -> int:
        """The tick at which it ends, ENDLESS where notes are counted."""
        return ENDLESS if self.controls.num_notes else int(codec.to_ticks(context, self.beats))


def check_known(controls: Controls, run: Run) -> None:
    """Raises RequestError for a style or a metre that the model was not trained on, and for what it is not conditioned
    on. No time signatures: not known."""
    Piece(controls).context(run.styles)
    for name, condition in CONDITION_OF.items():
        if getattr(controls, name) and condition not in run.settings.model.conditions:
            raise RequestError(
                f"this model was trained without {condition} (it is not among config.model.conditions): "
                "it cannot be asked for"
            )
    known = run.time_signatures
    if known and controls.time_signature not in known:
        raise RequestError(f"the model was not trained on {controls.time_signature}; it knows: {', '.join(known)}")
