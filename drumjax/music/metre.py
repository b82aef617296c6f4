"""Metres: which there are, how they are written, and how long their bars are."""

# Metres a context can name; the index is the id. 0 is unknown (or a metre not in this list).
METRES = ((0, 0), (4, 4), (3, 4), (6, 8), (5, 4), (7, 8), (5, 8), (2, 4), (12, 8), (9, 8), (7, 4), (6, 4), (2, 2))
# The longest bar that models count out, in beats: 7/4 and 15/8 fit.
MAX_BEATS_PER_BAR = 8

Metre = tuple[int, int]


def is_metre(numerator: int, denominator: int) -> bool:
    """True for the time signatures that are read and written: 1..64 over a power of two up to 64."""
    return 1 <= numerator <= 64 and denominator in (1, 2, 4, 8, 16, 32, 64)


def parse_metre(text: str) -> Metre | None:
    """(6, 8) of "6/8"; None for what is no time signature."""
    numerator, _, denominator = text.strip().partition("/")
    if not (numerator.isdecimal() and denominator.isdecimal() and is_metre(int(numerator), int(denominator))):
        return None
    return int(numerator), int(denominator)


def write_metre(metre: Metre) -> str:
    """ "6/8" of (6, 8)."""
    return f"{metre[0]}/{metre[1]}"


def beats_per_bar(metre: Metre) -> float:
    """Quarter notes in a bar: 4 of 4/4, 3 of 6/8."""
    return 4.0 * metre[0] / metre[1]


def metre_id(metre: Metre) -> int:
    """Index in METRES, 0 if it is not there."""
    return METRES.index(metre) if metre in METRES else 0
