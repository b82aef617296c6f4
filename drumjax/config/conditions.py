"""The conditions: what a model knows of the music beside the notes. One row each; all that handle them read it.

What a condition says is a field of notes.Context, in which 0 is unknown. Those of the song (its style, say) come with
it; measured ones are computed from the window by models/conditioning.py, under the same name.
"""

from typing import NamedTuple

from drumjax.music.metre import METRES


class Condition(NamedTuple):
    """field     of notes.Context
    rows      how many values it has where it is a category, embedded by a table: a number, or "styles" for as many as
              the run knows; 0 where it is a number, embedded by its octaves above or below `usual`
    usual     of a number: what counts as nothing special
    measured  whether it is measured from the window: then it is hidden from an example with the odds
              train.measured_dropout, else train.context_dropout
    control   the control that asks for it when sampling, "" where the piece has it anyway (tempo, metre)
    """

    field: str
    rows: int | str = 0
    usual: float = 0.0
    measured: bool = False
    control: str = ""


CONDITIONS = {
    "style": Condition("style", rows="styles", control="style"),
    "tempo": Condition("tempo_bpm", usual=120.0),
    "metre": Condition("metre", rows=len(METRES)),
    "fill": Condition("fill", rows=3, control="fill"),
    "density": Condition("density", usual=4.0, measured=True, control="density"),
    "dynamics": Condition("dynamics", usual=64.0, measured=True, control="dynamics"),
}
