"""Names as a model spells them: of its styles and players."""

from collections.abc import Sequence


def spell_name(name: str, known: Sequence[str]) -> str:
    """The name as the model spells it: upper and lower case are the same. As it is where it is not known."""
    return name if name in known else {other.casefold(): other for other in known}.get(name.strip().casefold(), name)


def spell_style(style: str, styles: Sequence[str]) -> str:
    """The style, or the mix of styles, with each name as the model spells it."""
    if "=" not in style or style in styles:
        return spell_name(style, styles)
    parts = (part.rpartition("=") for part in style.split(","))
    return ",".join(f"{spell_name(name, styles)}={weight.strip()}" for name, _, weight in parts)
