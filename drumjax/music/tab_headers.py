"""The header lines of a tab: what can be said, how people say it, and credits, which say nothing about the notes."""

import difflib
import re
from collections.abc import Callable
from typing import Any

from drumjax.music.notes import FILL_NO, FILL_YES
from drumjax.music.tab_text import TabError

_SWING = (r"0?\.[5-8][0-9]*", float, "where the off-beat falls, 0.5 (straight) to 0.89; 0.667 is a triplet")
HEADERS: dict[str, tuple[str, Callable[[str], Any], str]] = {  # what a value looks like, what it means, what to say
    "title": (".*", str, ""),
    "style": (".*", str, ""),
    "tempo": (r"[1-9][0-9]{0,3}(\.[0-9]*)?", float, "quarter notes per minute, such as 120"),
    "time": (
        r"[1-9][0-9]?/([1248]|16|32|64)",
        lambda v: (int(v.partition("/")[0]), int(v.partition("/")[2])),
        "a metre such as 4/4 or 6/8",
    ),
    "fill": (r"yes|no|every [1-9][0-9]{0,3}", lambda v: FILL_YES if v == "yes" else FILL_NO, "yes, no, or every 4"),
    "swing": _SWING,
    "swing16": _SWING,
    "steps": (r"[1-9][0-9]{0,3}", int, "cells per quarter note, such as 5"),
}
_MEANS = {
    **dict.fromkeys(("bpm", "tempo (bpm)", "speed", "tempo bpm"), "tempo"),
    **dict.fromkeys(("time signature", "time sig", "time sig.", "timing", "metre", "meter", "signature"), "time"),
    "fills": "fill",
    **dict.fromkeys(("song", "song title", "song name", "name"), "title"),
}
_CREDITS = frozenset(
    {"artist", "band", "album", "group", "drummer", "drums", "author", "composer", "transcriber", "tabber", "lyrics"}
    | {"transcription", "words", "music", "year", "date", "copyright", "producer", "email", "e-mail", "mail", "contact"}
    | {"website", "web", "site", "url", "source", "from", "to", "subject", "rating", "difficulty", "level", "tuning"}
    | {"version", "revision", "track", "duration", "length", "performer", "credits", "tab", "http", "https", "tabbed"}
    | {"transcribed", "sequenced", "written", "tablature"}
)
_OF_CREDITS = frozenset({"by", "name", "title", "date", "info", "address"})  # what may follow: `tabbed by`
_ONE_LINERS = (  # headers that people write without a colon
    ("tempo", re.compile(r"[(\[]?(?:tempo|bpm)?\s*[♩q]?\s*=?\s*([0-9.]+)\s*(?:bpm|b\.p\.m\.)[)\]]?", re.IGNORECASE)),
    ("tempo", re.compile(r"[(\[]?(?:tempo|bpm|♩|q|quarter(?: note)?)\s*=?\s*([0-9.]+)[)\]]?", re.IGNORECASE)),
    ("time", re.compile(r"[(\[]?(?:time|time signature)?\s*=?\s*([0-9]+\s*/\s*[0-9]+)(?: time)?[)\]]?", re.IGNORECASE)),
)


def find_header(line: str) -> tuple[str, str, str] | None:
    """The key as it is in HEADERS, as it is written, and the value of a header line; None if it is none."""
    key, colon, value = line.partition(":")
    if colon and "|" not in key:
        written = " ".join(key.lower().split())
        found = _MEANS.get(written, written)
        if found in HEADERS:
            return found, written, value.strip()
    key, equals, value = line.partition("=")
    if equals and (found := _MEANS.get(key.strip().lower(), key.strip().lower())) in HEADERS:
        return found, key.strip().lower(), value.strip()
    for found, pattern in _ONE_LINERS:
        if match := pattern.fullmatch(" ".join(line.split())):
            return found, found, match[1]
    return None


def read_value(key: str, value: str, number: int) -> Any:
    """What the value of a known header means. Raises TabError for one that it cannot have."""
    pattern, convert, hint = HEADERS[key]
    plain = " ".join(value.split()) if key != "title" else value
    if key == "tempo":
        about = r"(?:~|ca?\.?|approx\.?|about|around|♩|q|quarter(?: note)?|bpm)?\s*=?\s*"
        plain = re.sub(rf"(?i)^{about}([0-9.]+)\s*(?:bpm|b\.p\.m\.)?$", r"\1", plain)
        plain = re.sub(r"(?i)^[a-z]+ \(?([0-9.]+) ?bpm\)?$", r"\1", plain)  # Moderate (112 bpm)
    elif key == "time":
        plain = re.sub(r"(?i)^([0-9]+)\s*/\s*([0-9]+)(?: time)?$", r"\1/\2", plain)
    elif key == "fill":
        plain = value.lower()
    if not re.fullmatch(pattern, plain):
        raise TabError(f"line {number}: bad {key} {value!r}; give {hint}")
    return convert(plain)


def is_credit(line: str) -> bool:
    """True for a line that says who made it or where it is from: `Artist: ...`, `Tabbed by ...`, an address."""
    if re.search(r"://|\bwww\.|[\w.]{1,64}@[\w.]", line):
        return True
    key = line.partition(":")[0].lower().split() if ":" in line else []
    return (bool(key) and key[0] in _CREDITS and _OF_CREDITS.issuperset(key[1:])) or bool(
        re.match(r"(?i)\W*(?:drum )?(?:tab|tabbed|transcribed|sequenced|written|performed|played) by\b", line)
    )


def unknown_header(line: str, number: int) -> TabError | None:
    """The error of a line such as `tmpo: 120`, which looks like a header; None for prose with a colon in it."""
    match = re.fullmatch(r"([A-Za-z][\w .\-]*?)\s*:\s*(?=[\w\"'(~.+-])(.*)", " ".join(line.split()))
    if not match:
        return None
    key = " ".join(match[1].lower().split())
    close = difflib.get_close_matches(key, [*HEADERS, *_MEANS], n=1, cutoff=0.75)
    if " " in key and not close:
        return None
    meant = f"did you mean {_MEANS.get(close[0], close[0])}? " if close else ""
    return TabError(
        f"line {number}: unknown header {key!r}; {meant}there are: {', '.join(HEADERS)}; # starts a comment"
    )
