"""Numbers by name in a text, and mixes: names with weights in the place of a single one, such as `hi-hat=2,ride=1`.
Each sample has one of them."""

# Its multiples, modulo 1, fall evenly into 0..1, however many are taken.
GOLDEN_RATIO = (5**0.5 - 1) / 2


def read_mix(text: str) -> dict[str, float]:
    """The names and their weights; a name without a weight has 1. Raises ValueError for a weight that is none."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, weight = part.partition("=")
        number = float(weight) if equals else 1.0
        if not 0 < number < float("inf"):
            raise ValueError(f"{part!r} has no weight above 0")
        weights[name.strip()] = weights.get(name.strip(), 0.0) + number
    return weights


def is_mix(text: str, known: tuple[str, ...]) -> bool:
    """Whether a text is a mix of known names, or one of them."""
    try:
        return set(read_mix(text)) <= set(known)
    except ValueError:
        return False


def pick(text: str, number: int) -> str:
    """The name that a sample of this number has: in any stretch of numbers each comes up by its weight."""
    weights = read_mix(text)
    left = (number * GOLDEN_RATIO) % 1 * sum(weights.values())
    for name, weight in weights.items():
        left -= weight
        if left < 0:
            return name
    return name


def read_numbers(text: str) -> list[tuple[str, float | None]]:
    """`a=1,b=0.5` as pairs; a number alone has the name "", and what is no number is None."""
    pairs: list[tuple[str, float | None]] = []
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            pairs.append((name.strip(), float(number)))
        except ValueError:
            pairs.append((name.strip(), None))
    return pairs
