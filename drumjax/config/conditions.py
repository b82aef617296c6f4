"""The conditions: what a model knows of the music beside the notes. One row each; all that handle them read it.

What a condition says is a field of notes.Context, in which 0 is unknown. Those of the song (its style, say) come with
it; measured ones are computed from the window by models/conditioning.py, under the same name.
"""

from typing import Literal, NamedTuple

from drumjax.music.kits import Kit
from drumjax.music.metre import METRES

# A share of 0 is kept as this, since 0 is unknown.
LEAST_SHARE = 0.001
# A snare below this velocity is a ghost note, and no backbeat.
HEARD_VELOCITY = 40
# What can keep time, and the drums that count as it.
TIMEKEEPERS = {"hi-hat": ("closed hi-hat", "open hi-hat"), "ride": ("ride",), "crash": ("crash",)}


class Condition(NamedTuple):
    """field     of notes.Context
    rows      of a category, embedded by a table: how many values it has; or the names of them, "" for unknown first;
              or the vocabulary of the run that has the names, "styles" or "players". 0: it is a number
    scale     how a number is embedded: "octaves" above or below `usual`, or a "share" in 0..1 from `usual`
    usual     of a number: what counts as nothing special
    placed    whether it speaks of certain places in the bar, and so is also embedded for each: a number in all bars (a
              small model of 700 steps did nothing of a backbeat asked for; so it followed: rank correlation 0.0, then
              0.7), a category in the first bar, where there is little else to go by (of pieces asked for with a hi-hat
              half had one, now 9 of 10)
    withheld  whether it is not given where performances are scored: what is measured from them, and who plays. It is
              hidden from an example with the odds train.measured_dropout, the others with train.context_dropout
    drums     the drums that a kit must have for it
    metre     the only one that it speaks of, "" for all
    control   the control that asks for it when sampling, "" where the piece has it anyway (tempo, metre)
    """

    field: str
    rows: int | str | tuple[str, ...] = 0
    scale: Literal["octaves", "share"] = "octaves"
    usual: float = 0.0
    placed: bool = False
    withheld: bool = False
    drums: tuple[str, ...] = ()
    metre: str = ""
    control: str = ""


CONDITIONS = {
    "style": Condition("style", rows="styles", control="style"),
    "tempo": Condition("tempo_bpm", usual=120.0),
    "metre": Condition("metre", rows=len(METRES)),
    "fill": Condition("fill", rows=3, control="fill"),
    "density": Condition("density", usual=4.0, withheld=True, control="density"),
    "dynamics": Condition("dynamics", usual=64.0, withheld=True, control="dynamics"),
    "steadiness": Condition("steadiness", scale="share", usual=0.5, withheld=True, control="steadiness"),
    "backbeat": Condition(
        "backbeat", scale="share", usual=0.5, placed=True, withheld=True, drums=("snare",), metre="4/4",
        control="backbeat",
    ),
    "timekeeper": Condition(
        "timekeeper", rows=("", *TIMEKEEPERS, "none"), placed=True, withheld=True,
        drums=tuple(drum for drums in TIMEKEEPERS.values() for drum in drums), control="timekeeper",
    ),
    "player": Condition("player", rows="players", placed=True, withheld=True, control="player"),
}  # fmt: skip
# The names that a control can ask for, of the conditions that have the same in all runs.
NAMES = {row.control: row.rows[1:] for row in CONDITIONS.values() if isinstance(row.rows, tuple)}


def missing_drums(name: str, kit: Kit | None) -> list[str]:
    """The drums that the kit (None: a pitched instrument) lacks for a condition: it is unknown then."""
    return [drum for drum in CONDITIONS[name].drums if kit is None or drum not in kit.names]
