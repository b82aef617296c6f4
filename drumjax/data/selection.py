"""Which of the songs: by split, style, fill, time signature and drummer."""

import logging
from collections.abc import Iterable, Sequence

from drumjax.config.data import FILLS
from drumjax.config.spelling import spell_style
from drumjax.music.metre import write_metre
from drumjax.music.notes import Song

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")


def select(
    songs: Sequence[Song],
    *,
    split: str = "",
    styles: Sequence[str] = (),
    fill: str = "all",
    time_signatures: Sequence[str] = (),
    drummers: Sequence[str] = (),
) -> list[Song]:
    """The songs that pass every filter, in their order; possibly none. A filter by style, drummer or fill is left out
    where no song says what it is, as in a folder of files.

    Args:
      songs: what to select from.
      split: "train", "validation", "test", or "" for all.
      styles: primary styles such as ("rock", "funk"), in upper or lower case; () for all.
      fill: "beat" or "fill" keeps only these, "all" both and those of which it is not known.
      time_signatures: such as ("4/4", "6/8"), () for all.
      drummers: such as ("drummer1",), () for all.

    Raises:
      ValueError: a name that no song has (it lists those there are), or an unknown split or fill.
    """
    check_choice("split", split, ("", *SPLITS))
    check_choice("fill", fill, FILLS)
    styles, drummers = as_names("styles", styles), as_names("drummers", drummers)
    if songs and not any(song.style for song in songs):
        styles = _leave_out("style", styles)
    if songs and not any(song.drummer for song in songs):
        drummers = _leave_out("drummer", drummers)
    if songs and not any(song.fill for song in songs):
        fill = "all"
    known = sorted({song.style for song in songs})
    wanted = {
        "style": tuple(spell_style(name, known) for name in styles),
        "time signature": as_names("time_signatures", time_signatures),
        "drummer": drummers,
    }
    properties = [
        {"style": song.style, "time signature": write_metre(song.time_signature), "drummer": song.drummer}
        for song in songs
    ]
    for what, names in wanted.items():
        _check_present(what, names, {values[what] for values in properties})
    return [
        song
        for song, values in zip(songs, properties, strict=True)
        if split in ("", song.split)
        and FILLS[fill] in (None, song.fill)
        and all(values[what] in names for what, names in wanted.items() if names)
    ]


def _leave_out(what: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if names:
        logger.warning("no song has a %s: all are taken, not only those of %s", what, ", ".join(names))
    return ()


def check_choice(what: str, value: str, choices: Iterable[str]) -> None:
    """Raises ValueError naming the choices if `value` is none of them."""
    choices = list(choices)
    if value not in choices:
        raise ValueError(f"unknown {what} {value!r}; there are: {', '.join(repr(choice) for choice in choices)}")


def as_names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple. Raises ValueError for a bare string, which would be taken letter by letter."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{what} is {names!r}; it must be a tuple of strings such as ('a',)")
    return tuple(names)


def _check_present(what: str, names: Sequence[str], present: set[str]) -> None:
    unknown = sorted(set(names) - present)
    if unknown:
        known = ", ".join(sorted(present - {""})) or f"none, no song has a {what}"
        raise ValueError(f"unknown {what} {', '.join(map(repr, unknown))}; there are: {known}")
