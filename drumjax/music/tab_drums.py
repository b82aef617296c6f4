"""The labels of a tab's rows: which drum of a kit each one is."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from drumjax.music.kits import Kit

# By the symbol of a kit's drum, what drummers write for it; without blanks, hyphens and dots, in upper case.
_ALIASES = {
    "BD": "B K KD BASS KICK BASSDRUM KICKDRUM",
    "SD": "S SN SNARE SNAREDRUM",
    "HH": "H CH HC HAT HATS HIHAT HIHATS CLOSEDHIHAT CLOSEDHAT HIHATCLOSED",
    "OH": "HO OPEN OPENHIHAT OPENHAT HIHATOPEN",
    "HT": "T1 T TH 1T ST TOM TOM1 HITOM HIGHTOM SMALLTOM RACKTOM TOMHIGH",
    "MT": "T2 TM 2T TOM2 MIDTOM MIDDLETOM MEDIUMTOM TOMMID",
    "LT": "T3 T4 TL FT F F1 F2 FT1 FT2 3T 4T TOM3 TOM4 LOWTOM FLOOR FLOORTOM FLOORTOM1 FLOORTOM2 TOMLOW",
    "CC": "C CR CY C1 C2 CC1 CC2 CR1 CR2 CRASH CRASH1 CRASH2 CRASHCYMBAL",
    "RC": "R RD RI RIDE RIDECYMBAL",
    "DR": "D DRUM",
}
# By label, the kit's drum and the General MIDI pitch of this very instrument: it stays itself if the kit reads it so.
_OWN_PITCH = {
    "SD": {37: "SS RS XS RIM RIMCLICK SIDESTICK CROSSSTICK XSTICK", 40: "RIMSHOT"},
    "HH": {44: "HF FH PH HP FOOTHAT FOOTHIHAT PEDAL PEDALHAT PEDALHIHAT HIHATPEDAL HIHATFOOT"},
    "CC": {52: "CN CHINA CHINACYMBAL", 55: "SP SPL SPLASH SPLASHCYMBAL", 57: "C2 CC2 CR2 CRASH2"},
    "RC": {53: "RB BELL RIDEBELL"},
}
PEDAL, CHINA, SPLASH, BELL, SIDE_STICK = 44, 52, 55, 53, 37  # pitches that are asked for

_ALL_HATS = {"HH", *_ALIASES["HH"].split()} - {"CH"}


class Drum(NamedTuple):
    """The drum of a row: the symbol of its class in the kit, and the pitch that its hits have."""

    symbol: str
    pitch: int


def label_key(label: str) -> str:
    """What of a label counts: its letters in upper case, so that `Hi-Hat`, `hi hat` and `HiHat` are one. Several
    hyphens stay: they are rests that lack the bar line before them."""
    return re.sub(r"\s+|(?<=\w)[-_.](?![-_.])", "", label).upper()


ALL_LABELS = frozenset(
    {*_ALIASES, *(alias for aliases in _ALIASES.values() for alias in aliases.split())}
    | {alias for own in _OWN_PITCH.values() for aliases in own.values() for alias in aliases.split()}
)


def has_two_toms(labels: Iterable[str]) -> bool:
    """True if T and t are both rows of a tab: they are two toms, then."""
    return {"T", "t"} <= set(labels)


def find_drums(labels: Iterable[str], kit: Kit) -> dict[str, Drum]:
    """The drum of each label of a tab, as far as the kit has it: the kit's own symbols first, then what drummers write.

    What else is in the tab decides two of them: CH is a China cymbal beside a hi-hat row, and closed hi-hat without
    one; t is the mid tom and T the high one if both are there, and high toms alone.
    """
    labels = set(labels)
    known = {label_key(symbol): Drum(symbol, kit.write[k]) for k, symbol in enumerate(kit.symbols)}
    for symbol, pitches in _OWN_PITCH.items():
        for pitch, aliases in pitches.items() if symbol in kit.symbols else ():
            for alias in aliases.split():
                known.setdefault(alias, Drum(symbol, pitch_in(kit, symbol, pitch)))
    for symbol, names in _ALIASES.items():
        for alias in names.split() if symbol in kit.symbols else ():
            known.setdefault(alias, Drum(symbol, kit.write[kit.symbols.index(symbol)]))
    if _ALL_HATS & set(map(label_key, labels)) and "CC" in kit.symbols:
        known["CH"] = Drum("CC", pitch_in(kit, "CC", CHINA))
    found = {label: known[label_key(label)] for label in labels if label_key(label) in known}
    if has_two_toms(labels) and "TM" in known:
        found["t"] = known["TM"]
    return found


def pitch_in(kit: Kit, symbol: str, pitch: int) -> int:
    """The pitch if the kit reads it as the drum of that symbol, else what it writes for that drum."""
    k = kit.symbols.index(symbol)
    return pitch if pitch in kit.pitches[k] else kit.write[k]
