"""The controls: what can be asked of a model when sampling. Each field of Controls is one.

The flags of run_sample.py, the keywords of drumjax's functions, the fields of config.sample, the checks of their
values, the manifest's rows and the captions of pages are all made from these fields.
"""

import dataclasses
from typing import Any

from drumjax.config.conditions import CONDITIONS, NAMES
from drumjax.config.control import Control, ControlError, Range, control
from drumjax.config.form import MUST as FORM_MUST
from drumjax.config.form import count_form_bars, find_fills, is_form
from drumjax.config.mix import is_mix, read_numbers
from drumjax.music.metre import MAX_BEATS_PER_BAR, beats_per_bar, parse_metre

# Notes per beat that can be asked for. No music has as many for long, so it bounds the steps where each is a note.
MAX_DENSITY = 24
TEMPO_LIMITS = 20.0, 400.0  # bpm
MAX_BARS = 1000
MAX_BEST_OF = 64  # as many as are drawn at once
MAX_LEAN_BEATS = 0.0625  # more would move notes to other 16ths


def _by_field(values: dict[str, float]) -> str:
    """Temperatures, unless all are 1."""
    if set(values.values()) <= {1.0}:
        return ""
    return "temperature " + " ".join(f"{name}={value:g}" for name, value in values.items())


def _is_share(value: float | None) -> bool:
    return value is None or 0 <= value <= 1


def _is_crescendo(text: str) -> bool:
    try:
        return not text or all(1 <= end <= 127 for end in read_crescendo(text))
    except ValueError:
        return False


def _fits_metre(text: str) -> bool:
    metre = parse_metre(text)
    return metre is not None and beats_per_bar(metre) <= MAX_BEATS_PER_BAR


@dataclasses.dataclass(frozen=True)
class Controls:
    """What is asked for, complete and checked: raises ControlError for a value that cannot be played.

    A default is what asks for nothing, and what runs from before the control was there are played with.
    """

    style: str = control(
        "", "A style the model was trained on, or a mix: rock=0.7,jazz=0.3; '' leaves it open.",
        lambda text: isinstance(text, str), str, must="a name", neutral="",
    )  # fmt: skip
    bpm: float = control(
        120.0, "Quarter notes per minute, 20..400.", Range(*TEMPO_LIMITS), "{:g} bpm".format
    )  # fmt: skip
    time_signature: str = control(
        "4/4", "Such as 4/4 or 6/8.", _fits_metre, str,
        must=f"a metre such as 4/4 or 6/8, with bars of up to {MAX_BEATS_PER_BAR} quarter notes",
    )  # fmt: skip
    bars: int = control(8, f"Bars of each piece, 1..{MAX_BARS}.", Range(1, MAX_BARS), "{} bars".format)
    num_notes: int = control(
        0, "Notes of each, however many bars that takes; 0: as many as the bars hold.",
        Range(0, 100_000), "{} notes".format, neutral=0,
    )  # fmt: skip
    fill: int = control(
        0, "Play a fill in every n-th bar; 0 asks for none.", lambda every: every >= 0, "a fill every {} bars".format,
        must="a number of bars, or 0 for no fills", neutral=0,
    )  # fmt: skip
    fill_bars: int = control(
        1, "How many bars a fill lasts.", Range(1, MAX_BARS), "fills of {} bars".format, neutral=1,
    )  # fmt: skip
    fill_intensity: float | None = control(
        None, "How busy fills are, 0..1; as the model plays them unless given.",
        _is_share, "fill intensity {:g}".format, must="in 0..1", neutral=None,
    )  # fmt: skip
    density: float = control(
        0.0, f"Notes per beat, up to {MAX_DENSITY}; 0 leaves it open.",
        Range(0, MAX_DENSITY, " notes per beat (0 leaves it open)"), "density {:g}".format, neutral=0,
    )  # fmt: skip
    dynamics: float = control(
        0.0, "Mean velocity, 1..127; 0 leaves it open.",
        Range(0, 127, " (0 leaves it open)"), "dynamics {:g}".format, neutral=0,
    )  # fmt: skip
    crescendo: str = control(
        "", "Dynamics from the first bar to the last, such as 40-100, or 100-40.",
        _is_crescendo, "dynamics {}".format, must="two mean velocities in 1..127, such as 40-100", neutral="",
    )  # fmt: skip
    form: str = control(
        "", "Sections and their bars: intro:4,verse:8,fill:1,chorus:8:dynamics=100:timekeeper=ride.",
        is_form, "form {}".format, must=FORM_MUST, neutral="",
    )  # fmt: skip
    steadiness: float | None = control(
        None, "How alike neighbouring bars are, 0..1: the share of their hits that both have.",
        _is_share, "steadiness {:g}".format, must="in 0..1", neutral=None,
    )  # fmt: skip
    backbeat: float | None = control(
        None, "Share of the bars with a snare on 2 and 4, or on 3 in half-time, 0..1; in 4/4.",
        _is_share, "backbeat {:g}".format, must="in 0..1", neutral=None,
    )  # fmt: skip
    timekeeper: str = control(
        "", f"What keeps time: {', '.join(NAMES['timekeeper'])}, or some of each, hi-hat=2,ride=1; '' leaves it open.",
        lambda text: is_mix(text, ("", *NAMES["timekeeper"])), "time on the {}".format,
        must=f"one of {', '.join(NAMES['timekeeper'])}, a mix such as hi-hat=2,ride=1, or '' to leave it open",
        neutral="",
    )  # fmt: skip
    player: str = control(
        "", "Like whom to play: a drummer of the training data, such as drummer1; '' leaves it open.",
        lambda text: isinstance(text, str), "like {}".format, must="a name", neutral="",
    )  # fmt: skip
    lean: float | None = control(
        None, "Milliseconds behind the beat on average: 10 is laid back, -10 pushes.",
        lambda late: late is None or abs(late) < float("inf"), "lean {:g} ms".format,
        must="a finite number", neutral=None,
    )  # fmt: skip
    swing: float | None = control(
        None, "Where the 8ths between the beats are: 0 straight, 1 as triplets; as they are played unless given.",
        _is_share, "swing {:g}".format, must="in 0..1", neutral=None,
    )  # fmt: skip
    half_time: bool = control(
        False, "Play at half the speed: the backbeat on 3.", lambda on: True, lambda on: "half-time", neutral=False,
    )  # fmt: skip
    double_time: bool = control(
        False, "Play at twice the speed: a backbeat between all beats.", lambda on: True, lambda on: "double-time",
        neutral=False,
    )  # fmt: skip
    without: str = control(
        "", "Drums that are not played, such as crash,toms.", lambda text: isinstance(text, str), "without {}".format,
        must="names of drums", neutral="",
    )  # fmt: skip
    only: str = control(
        "", "The only drums that are played, such as kick,snare,hihat.", lambda text: isinstance(text, str),
        "only {}".format, must="names of drums", neutral="",
    )  # fmt: skip
    balance: str = control(
        "", "How much louder or softer drums are, in velocities: kick=10,hihat=-15.",
        lambda text: not text or read_balance(text) is not None, "balance {}".format,
        must="velocities by drum in -127..127, such as kick=10,hihat=-15", neutral="",
    )  # fmt: skip
    temperature: dict[str, float] = control(  # noqa: RUF009
        {},
        "0 (the most likely) .. 10; one number, or per field: hits=0.9,velocity=1,offset=0.8.",
        lambda by_field: all(0 <= value <= 10 for value in by_field.values()), _by_field,
        must="in 0..10", about="draw",
    )  # fmt: skip
    opening_bars: int = control(
        0, "First bars in which hits (or pitches) are drawn at opening_temperature: on them the rest is built.",
        Range(0, MAX_BARS), "{} opening bars".format, neutral=0, about="draw",
    )  # fmt: skip
    opening_temperature: float = control(
        1.0, "Temperature of hits (or pitches) in the opening bars, where theirs is not lower anyway.",
        Range(0, 10), "opening temperature {:g}".format, neutral=1, about="draw",
    )  # fmt: skip
    best_of: int = control(
        1, f"Pieces drawn for each that is written: the one with the likeliest opening is kept, 1..{MAX_BEST_OF}.",
        Range(1, MAX_BEST_OF), "best of {}".format, neutral=1, about="draw",
    )  # fmt: skip
    spread: float = control(
        1.0, "How far velocity and timing stray from their medians: 1 as widely as drummers do, 0 not at all.",
        Range(0, 1), "spread {:g}".format, neutral=1, about="draw",
    )  # fmt: skip
    tightness: float = control(
        0.0, "How near to the grid hits are: 0 as they are played, 1 on it.",
        Range(0, 1), "tightness {:g}".format, neutral=0, about="draw",
    )  # fmt: skip
    keep_accents: float = control(
        0.0, "With --humanize: how much of your own velocities stays, 0..1.",
        Range(0, 1), "accents kept {:g}".format, neutral=0, about="draw",
    )  # fmt: skip
    top_k: int = control(
        0, "Choose among the k most likely values only; 0 among all.",
        lambda k: k >= 0, "top_k {}".format, must="at least 0 (0 keeps all)", neutral=0, about="draw",
    )  # fmt: skip
    top_p: float = control(
        1.0, "Choose among the likeliest values up to this probability; 1 among all.",
        lambda p: 0 < p <= 1, "top_p {:g}".format, must="above 0 and at most 1", neutral=1, about="draw",
    )  # fmt: skip
    guidance: float = control(
        1.0, "How much style, fills, density and the like count, but for timing: 1 as learned, 2 exaggerated (0..10).",
        Range(0, 10), "guidance {:g}".format, neutral=1, about="draw",
    )  # fmt: skip
    no_repeat: int = control(
        0, "Never the same so many notes (on a grid: steps) in a row again, if it can be helped; 0 lets it.",
        lambda n: n == 0 or 2 <= n <= 1000, "no_repeat {}".format, must="in 2..1000, or 0", neutral=0, about="draw",
    )  # fmt: skip

    def __post_init__(self):
        for name, row in CONTROLS.items():
            value = getattr(self, name)
            if not row.allows(value):
                raise ControlError(f"{name} is {_show(value)}; it must be {row.must}")
        self._check_together()
        limit = MAX_LEAN_BEATS * 60_000 / self.bpm
        if self.lean is not None and abs(self.lean) > limit:
            raise ControlError(f"lean is {self.lean:g}; at {self.bpm:g} bpm it must be in -{limit:.0f}..{limit:.0f} ms")

    def _check_together(self) -> None:
        """Raises ControlError for controls that do not go together."""
        if self.fill and self.fill_bars > self.fill:
            raise ControlError(
                f"fill_bars is {self.fill_bars}; of every {self.fill} bars it can be {self.fill} at most"
            )
        has_fills = self.fill or find_fills(self.bars, 0, form=self.form)
        if not has_fills and (self.fill_bars != 1 or self.fill_intensity is not None):
            raise ControlError("fill_bars and fill_intensity are about fills; ask for some, such as fill=4")
        if self.half_time and self.double_time:
            raise ControlError("half_time and double_time do not go together; ask for one of them")
        if (self.half_time or self.double_time) and not Range(*TEMPO_LIMITS)(self.bpm * self.pace):
            low, high = (limit / self.pace for limit in TEMPO_LIMITS)
            raise ControlError(f"bpm is {self.bpm:g}; at {self.pace:g} times the speed it must be in {low:g}..{high:g}")
        if self.without and self.only:
            raise ControlError("without and only do not go together; ask for one of them")
        if self.form and self.crescendo:
            raise ControlError("form and crescendo do not go together: sections have dynamics of their own")
        if (self.form or self.crescendo) and self.num_notes:
            raise ControlError("form and crescendo are for pieces of so many bars; leave num_notes out")
        form_bars = count_form_bars(self.form)
        if self.form and form_bars != self.bars:
            raise ControlError(f"form has {form_bars} bars, and bars is {self.bars}; leave bars out")
        metre = parse_metre(self.time_signature)
        if self.swing is not None and metre and metre[1] > 4:
            raise ControlError(f"swing is for metres of quarter notes, and time_signature is {self.time_signature}")

    @property
    def pace(self) -> float:
        """How fast the model plays, of the tempo that is written: 0.5 for half-time."""
        return 0.5 if self.half_time else 2.0 if self.double_time else 1.0


def read_crescendo(text: str) -> tuple[float, float]:
    """Both ends. Raises ValueError for what is none."""
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(f"{text!r} has no two ends")
    return float(first), float(last)


def read_balance(text: str) -> dict[str, float] | None:
    """Velocities by the name of a drum; None for what is none."""
    found = read_numbers(text)
    is_balance = all(name and number is not None and abs(number) <= 127 for name, number in found)
    return {name: number for name, number in found if number is not None} if is_balance else None


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


CONTROLS: dict[str, Control] = {field.name: field.metadata["control"] for field in dataclasses.fields(Controls)}
# The control that asks for a condition, by its name: the condition that a model must have been trained with.
CONDITION_OF = {condition.control: name for name, condition in CONDITIONS.items() if condition.control}
