"""Forms: the sections of a piece, such as `intro:4,verse:8,fill:1,chorus:8`, and what each asks for.

A section has a name, bars, and settings of its own behind them: `verse:8:density=3:timekeeper=ride`. What it does not
say is as the piece has it, but for what its name says: a chorus is denser and louder than the verse before it.
"""

from typing import Any, NamedTuple

from drumjax.config.conditions import NAMES


class Kind(NamedTuple):
    """What a section's name says: the density of the piece times so much, its dynamics and so much (velocities); and
    whether it is a fill."""

    density: float = 1.0
    dynamics: float = 0.0
    is_fill: bool = False


KINDS = {
    "intro": Kind(0.65, -12),
    "verse": Kind(),
    "prechorus": Kind(1.2, 4),
    "chorus": Kind(1.4, 12),
    "bridge": Kind(0.75, -6),
    "solo": Kind(1.4, 8),
    "break": Kind(0.4, -18),
    "outro": Kind(0.8, -6),
    "fill": Kind(is_fill=True),
}
SETTINGS = ("density", "dynamics", "timekeeper")
MUST = (
    "sections with their bars, such as intro:4,verse:8,fill:1,chorus:8:dynamics=100; they are called "
    f"{', '.join(KINDS)}, and may be followed by {', '.join(f'{name}=' for name in SETTINGS)}"
)


class Section(NamedTuple):
    """Its name, its bars, and what is asked for in it, by name."""

    name: str
    bars: int
    asked: dict[str, Any]

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]


def parse_form(text: str) -> list[Section]:
    """The sections of a form. Raises ValueError with what is wrong."""
    return [_parse_section(part) for part in text.split(",")]


def is_form(text: str) -> bool:
    """Whether it is one; "" is none, and nothing is asked for."""
    try:
        return not text or bool(parse_form(text))
    except ValueError:
        return False


def count_form_bars(text: str) -> int:
    """Bars of all sections; 0 of no form."""
    return sum(section.bars for section in parse_form(text)) if text and is_form(text) else 0


def find_fills(num_bars: int, every: int, fill_bars: int = 1, form: str = "") -> list[int]:
    """The bars of so many, counted from 0, that are asked to be fills: the last `fill_bars` of every so many (0 for
    none), and the fills of a form."""
    sections = [section for section in parse_form(form) for _ in range(section.bars)] if form else []
    return [
        bar
        for bar in range(num_bars)
        if (every and bar % every >= every - fill_bars) or (bar < len(sections) and sections[bar].kind.is_fill)
    ]


def _parse_section(text: str) -> Section:
    name, bars, *settings = (part.strip() for part in text.split(":"))
    if name not in KINDS or not bars.isdecimal() or not int(bars):
        raise ValueError(f"{text!r} is no section")
    asked: dict[str, Any] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in SETTINGS:
            raise ValueError(f"{setting!r} is no setting of a section")
        asked[key] = value if key in NAMES else float(value)
        if key in NAMES and value not in NAMES[key]:
            raise ValueError(f"{value!r} is no {key}")
        if key not in NAMES and not 0 < asked[key] <= 127:
            raise ValueError(f"{setting!r} is out of range")
    return Section(name, int(bars), asked)
