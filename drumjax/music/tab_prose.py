"""The lines of a tab that have no notes: counting rows, names of sections, legends, rulers."""

import re

from drumjax.music.tab_drums import ALL_LABELS, label_key
from drumjax.music.tab_rows import Row, looks_like_cells

_COUNT = re.compile(r"[0-9eEaA&+ .|\-:]*")
_COUNT_LABELS = ("COUNT", "COUNTS", "COUNTING")
_RULER = re.compile(r"[^\w|]+")
_SECTIONS = re.compile(
    r"(?:[\w'#]+[ -])?(?:pre|post)?[ -]?(?:intro(?:duction)?|verse|chorus|bridge|outro|solo|fills?|interlude|ending|"
    r"end|break(?:down)?|coda|refrain|groove|beat|part|section|riff|hook|instrumental|build(?:[ -]?up)?|tag|vamp|head|"
    r"middle|main|bars?|measures?|pattern|lead[ -]?in|pick[ -]?up)s?\b[^|]*",
    re.IGNORECASE,
)
_FRAMED = re.compile(r"\[[^\]]*\][:.]?|\{[^}]*\}|<[^>]*>")
_MARKS = re.compile(r"[-xXoOgfdbBrsc#@*~.+^>%]{1,3}")
_LEGEND = re.compile(r"(?P<key>[^|:=]{1,16}?)\s*(?:=|:|->|\u2013|\s-\s)\s*(?P<value>[^|]*)")
_DRUM_WORDS = re.compile(r"cymbal|drum|tom|hat|snare|bass|kick|ride|crash|china|splash|bell|rim|floor", re.IGNORECASE)


def is_count(line: str) -> bool:
    """True for a counting row, such as `  |1 e & a 2 e & a |`, which says where the beats are."""
    label, bar, rest = line.partition("|")
    cells = rest if bar and label_key(label) in _COUNT_LABELS else line
    return bool(_COUNT.fullmatch(cells)) and any(c.isdigit() for c in cells) and (not bar or _is_no_label(label))


def _is_no_label(label: str) -> bool:
    return not label.strip() or label_key(label) in _COUNT_LABELS


def is_ruler(line: str) -> bool:
    """True for a line without any word or bar line, such as -----."""
    return bool(_RULER.fullmatch(line.strip()))


def is_section(line: str) -> bool:
    """True for the name of a section: `[Verse 1]`, `Chorus:`, `-- Guitar solo --`, `Intro`."""
    text = line.strip()
    if "|" in text or looks_like_cells(text):
        return False
    name = text.strip("[](){}<>*=~_-:. ")
    if text[0] in "*=~_-" and text[:2] == text[-2:] == 2 * text[0]:
        return name != ""
    return bool(_FRAMED.fullmatch(text)) or (bool(_SECTIONS.fullmatch(name)) and len(name.split()) <= 5)


def is_legend(line: str) -> bool:
    """True for a line that explains a mark or a label without bar lines: `C1 : left crash`, `x = hit`."""
    match = _LEGEND.fullmatch(line.strip())
    if not match or looks_like_cells(match["value"]):
        return False
    key = match["key"].strip("\"'`() ")
    if key.lower() in ("legend", "key", "notation", "symbols"):
        return True
    labels = [label_key(part) for part in re.split(r"[/,]| or ", key)]
    is_known = _MARKS.fullmatch(key) or all(label in ALL_LABELS for label in labels)
    return bool(is_known) and bool(re.search(r"[A-Za-z]{2}", match["value"]))


def is_legend_row(row: Row) -> bool:
    """True for a row that explains itself: `CC|-Crash cymbal----|`, and `|-x-| Strike a cymbal` without a label."""
    if len(row.bars) != 1:
        return False
    cells = row.bars[0].cells
    if row.remark and not row.label and len(cells) <= 3:
        return True
    words = re.findall(r"[A-Za-z]+", cells)
    return bool(_DRUM_WORDS.search(cells)) and all(len(word) > 1 or f"{word}/" in cells for word in words)
