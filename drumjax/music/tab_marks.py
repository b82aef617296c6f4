"""The marks in the cells of a tab: what each one plays."""

from typing import NamedTuple

from drumjax.music.kits import Kit
from drumjax.music.tab_drums import BELL, CHINA, PEDAL, SIDE_STICK, SPLASH, Drum, pitch_in

GHOST, NORMAL, ACCENT = 40, 90, 118  # MIDI velocities of the three loudnesses a tab can tell apart

RESTS = "-. "
_STROKES = {"x": NORMAL, "o": NORMAL, "X": ACCENT, "O": ACCENT, "g": GHOST, "f": NORMAL, "d": NORMAL, "r": NORMAL}
_CYMBALS = ("HH", "OH", "CC", "RC")
# Marks that only rows of some drum have: its symbol, the pitch they play, how loud.
_OF_A_DRUM = {
    "b": ("RC", BELL, NORMAL),
    "B": ("RC", BELL, ACCENT),
    "s": ("CC", SPLASH, NORMAL),
    "c": ("CC", CHINA, NORMAL),
    "@": ("SD", SIDE_STICK, NORMAL),
}
MARKS = f"{' '.join(_STROKES)}, # on cymbals, b and B on the ride, s and c on the crash, @ on the snare"
CHOKES = "marks # were read as hits: the choke is not kept"
RUFFS = "marks r (ruff) were read as double strokes"


class Stroke(NamedTuple):
    """What a mark plays: the pitch, how loud, whether it is a flam or a double, and the notice it asks for."""

    pitch: int
    velocity: int
    is_flam: bool = False
    is_double: bool = False
    notice: str = ""


def read_mark(mark: str, drum: Drum, kit: Kit) -> Stroke | None:
    """The stroke of a mark on the row of a drum; None if it means nothing there."""
    if mark == "#" and drum.symbol in _CYMBALS:
        return Stroke(drum.pitch, NORMAL, notice=CHOKES)
    if mark in _OF_A_DRUM:
        symbol, pitch, velocity = _OF_A_DRUM[mark]
        return Stroke(pitch_in(kit, symbol, pitch), velocity) if drum.symbol == symbol else None
    if mark not in _STROKES:
        return None
    pitch = drum.pitch
    if mark in "oO" and drum.symbol == "HH" and pitch != PEDAL and "OH" in kit.symbols:
        pitch = kit.write[kit.symbols.index("OH")]
    return Stroke(pitch, _STROKES[mark], mark == "f", mark in "dr", RUFFS if mark == "r" else "")
