"""Pieces to play: how long they are, and what the model is conditioned on."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from drumjax.codecs.base import Codec
from drumjax.config.conditions import CONDITIONS, LEAST_SHARE, NAMES, Condition, missing_drums
from drumjax.config.controls import CONDITION_OF, CONTROLS, Controls, read_balance
from drumjax.config.mix import pick
from drumjax.music.kits import find_drums
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

    def choose(self, number: int) -> dict[str, Any]:
        """Of what is a mix, what a sample of this number has."""
        return {name: pick(getattr(self.controls, name), number) for name in NAMES}

    @property
    def metre(self) -> Metre:
        metre = parse_metre(self.controls.time_signature)
        assert metre is not None, "Controls are checked"
        return metre

    @property
    def beats_per_bar(self) -> float:
        return beats_per_bar(self.metre)

    @property
    def pace(self) -> float:
        """How fast the model plays, of the tempo that is written."""
        return self.controls.pace

    @property
    def model_bars(self) -> int:
        """The bars that the model plays; in half-time one is two of those that are written."""
        return math.ceil(self.controls.bars * self.pace)

    @property
    def beats(self) -> float:
        """The length of the bars that the model plays; with num_notes it may be another."""
        return self.model_bars * self.beats_per_bar

    def context(self, styles: Sequence[str], players: Sequence[str] = ("",)) -> Context:
        """The context of a steady piece from bar 0; scalars. Raises RequestError for a style or a player that is not
        known."""
        vocabularies = {"styles": styles, "players": players}
        asked: dict[str, Any] = {
            row.field: _number(getattr(self.controls, row.control), row, vocabularies)
            for name, row in CONDITIONS.items()
            if row.control and name != "fill"  # which differs from bar to bar
        }
        return Context()._replace(
            tempo_bpm=np.asarray(self.controls.bpm * self.pace, np.float32),
            beats_per_bar=np.asarray(self.beats_per_bar, np.float32),
            metre=np.asarray(metre_id(self.metre), np.int32),
            fill=np.asarray(self.fill, np.int32),
            **asked | {"density": asked["density"] / np.float32(self.pace)},
        )

    def end(self, codec: Codec, context: Context) -> int:
        """The tick at which it ends, ENDLESS where notes are counted."""
        return ENDLESS if self.controls.num_notes else int(codec.to_ticks(context, self.beats))


def settle(pieces: Sequence[Piece], numbers: Sequence[int]) -> list[Piece]:
    """The pieces of samples of these numbers, of what is a mix each its own. Of equal ones there is one, so that what
    is made of a piece is made once."""
    known: dict[tuple[Any, ...], Piece] = {}
    settled = []
    for piece, number in zip(pieces, numbers, strict=True):
        chosen = piece.choose(number)
        key = (id(piece), *chosen.values())
        if key not in known:
            known[key] = piece._replace(controls=dataclasses.replace(piece.controls, **chosen))
        settled.append(known[key])
    return settled


def _number(value: Any, row: Condition, vocabularies: dict[str, Sequence[str]]) -> np.ndarray:
    """What the context says of a condition where its control has this value. Raises RequestError for an unknown
    name."""
    if not row.rows:
        number = 0 if value is None else max(value, LEAST_SHARE) if row.scale == "share" else value
        return np.asarray(number, np.float32)
    names = list(vocabularies[row.rows] if isinstance(row.rows, str) else row.rows)  # type: ignore[arg-type]
    if value not in names:
        known = ", ".join(filter(None, names)) or "none"
        raise RequestError(f"the model does not know the {row.control} {value!r}; it knows: {known}")
    return np.asarray(names.index(value), np.int32)


def find_unwanted(codec: Codec, controls: Controls) -> np.ndarray:
    """[C] bool: the drums that are not to be played, by `without` or `only`; [0] where a step is a note.

    Raises RequestError where there are no drums to choose from, and if none would be left; KitError for one that does
    not exist.
    """
    unwanted = np.zeros(codec.num_voices, bool)
    if not controls.without and not controls.only:
        return unwanted
    if codec.kit is None or not codec.num_voices:
        raise RequestError("this model plays note by note: drums cannot be left out of it")
    unwanted[find_drums(codec.kit, controls.without or controls.only)] = True
    if controls.only:
        unwanted = ~unwanted
    if unwanted.all():
        raise RequestError(f"without {controls.without} no drum is left")
    return unwanted


def find_balance(codec: Codec, controls: Controls) -> np.ndarray:
    """[128] float: by how much notes of each pitch that is written are to be louder. Raises RequestError for a pitched
    instrument, KitError for a drum that does not exist."""
    louder = np.zeros(128)
    if not controls.balance:
        return louder
    if codec.kit is None:
        raise RequestError("balance is for drums, and this model plays a pitched instrument")
    for name, amount in (read_balance(controls.balance) or {}).items():
        for drum in find_drums(codec.kit, name):
            louder[codec.kit.write[drum]] += amount
    return louder


def check_known(controls: Controls, run: Run) -> None:
    """Raises RequestError for a style, a player or a metre that the model was not trained on, and for what it is not
    conditioned on. No time signatures: not known."""
    asked = {name: row for name, row in CONDITION_OF.items() if getattr(controls, name) != CONTROLS[name].neutral}
    for condition in asked.values():
        if condition not in run.settings.model.conditions:
            raise RequestError(
                f"this model was trained without {condition} (it is not among config.model.conditions): "
                "it cannot be asked for"
            )
        if missing := missing_drums(condition, run.codec.kit):
            raise RequestError(f"this model does not know the {missing[0]}: {condition} cannot be asked for")
        metre = CONDITIONS[condition].metre
        if metre and controls.time_signature != metre:
            raise RequestError(f"{condition} is for {metre}: in {controls.time_signature} it cannot be asked for")
    find_unwanted(run.codec, controls)
    if controls.balance:
        find_balance(run.codec, controls)
    settle([Piece(controls)], [0])[0].context(run.styles, run.players)
    known = run.time_signatures
    if known and controls.time_signature not in known:
        raise RequestError(f"the model was not trained on {controls.time_signature}; it knows: {', '.join(known)}")
