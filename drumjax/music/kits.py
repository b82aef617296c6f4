"""Kits: which MIDI pitches are which drum, and which pitch is written for each drum.

Reading and writing are separate, because players' electronic kits send pitches that General MIDI does not define
(22, 26 and 58 on a Roland TD-11) while what we write must sound right on any synthesizer.
"""

import dataclasses

import numpy as np

from drumjax.system.errors import UserError


@dataclasses.dataclass(frozen=True)
class Kit:
    """A partition of MIDI pitches into drum classes.

    names       one name per class; class k is bit k of a `hits` token
    symbols     one row label per class for drum tabs
    pitches     per class, the MIDI pitches read as it
    write       per class, the General MIDI pitch written for it
    """

    name: str
    names: tuple[str, ...]
    symbols: tuple[str, ...]
    pitches: tuple[tuple[int, ...], ...]
    write: tuple[int, ...]

    @property
    def num_classes(self) -> int:
        return len(self.names)

    def class_table(self) -> np.ndarray:
        """[128] int32: the class of each MIDI pitch, -1 for pitches the kit does not know."""
        table = np.full(128, -1, np.int32)
        for k, pitches in enumerate(self.pitches):
            table[list(pitches)] = k
        return table

    def pitch_table(self) -> np.ndarray:
        """[num_classes] int32: the pitch to write for each class."""
        return np.asarray(self.write, np.int32)


NINE_DRUMS = ("kick", "snare", "closed hi-hat", "open hi-hat", "low tom", "mid tom", "high tom", "crash", "ride")
_NINE_SYMBOLS = ("BD", "SD", "HH", "OH", "LT", "MT", "HT", "CC", "RC")
_NINE_WRITE = (36, 38, 42, 46, 43, 47, 50, 49, 51)

# Gillick et al., "Learning to Groove with Inverse Sequence Transformations", ICML 2019, Table 5 (Roland TD-11).
ROLAND_TD11 = Kit(
    name="roland_td11",
    names=NINE_DRUMS,
    symbols=_NINE_SYMBOLS,
    pitches=(
        (36,),
        (38, 40, 37),
        (42, 22, 44),
        (46, 26),
        (43, 58),
        (47, 45),
        (50, 48),
        (49, 52, 55, 57),
        (51, 53, 59),
    ),
    write=_NINE_WRITE,
)

# General MIDI level 1 percussion (pitches 35..81) folded into the same nine classes; hand percussion goes to the
# drum whose role it takes. 48 is a mid tom and 45 a low tom here, unlike on the TD-11.
GENERAL_MIDI = Kit(
    name="general_midi",
    names=NINE_DRUMS,
    symbols=_NINE_SYMBOLS,
    pitches=(
        (36, 35),
        (38, 27, 28, 31, 32, 33, 34, 37, 39, 40, 56, 65, 66, 75, 85),
        (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 22),
        (46, 67, 72, 74, 79, 81, 26),
        (45, 29, 41, 43, 61, 64, 84),
        (48, 47, 60, 63, 77, 86, 87),
        (50, 30, 62, 76, 83),
        (49, 52, 55, 57, 58),
        (51, 53, 59, 82),
    ),
    write=(36, 38, 42, 46, 45, 48, 50, 49, 51),
)

# Every pitch is the same drum: rhythm alone.
ONE_DRUM = Kit(
    name="one_drum",
    names=("drum",),
    symbols=("DR",),
    pitches=(tuple(range(128)),),
    write=(38,),
)

KITS = {kit.name: kit for kit in (ROLAND_TD11, GENERAL_MIDI, ONE_DRUM)}


class KitError(UserError):
    """A kit or drum that does not exist, or a drum map that cannot be used; the message says which there are."""


def get_kit(name: str) -> Kit:
    """The kit of that name. Raises KitError naming the ones there are."""
    if name not in KITS:
        raise KitError(f"unknown kit {name!r}; there are: {', '.join(sorted(KITS))}")
    return KITS[name]


# Names for several drums at once, and the part of their names that they have in common.
_GROUPS = {"toms": " tom", "hihats": "hi-hat", "hats": "hi-hat"}


def find_drums(kit: Kit, names: str) -> list[int]:
    """The classes of the drums in a text such as "crash,toms": each as in find_drum, or a group of them. Raises
    KitError."""
    found: set[int] = set()
    for name in names.split(","):
        part = _GROUPS.get(name.strip().lower().replace("-", ""))
        group = [k for k, known in enumerate(kit.names) if part and part in known]
        found |= set(group or [find_drum(kit, name)])
    return sorted(found)


def find_drum(kit: Kit, name: str) -> int:
    """The class of a drum by its name in the kit ("closed hi-hat"), its tab symbol ("HH") or a part of its name that no
    other drum has ("ride"); "hihat" is the closed one. Raises KitError naming all there are.
    """
    wanted = name.strip().lower().replace("-", "").replace("_", " ")
    names = [known.replace("-", "") for known in kit.names]
    exact = [k for k, known in enumerate(names) if wanted in (known, kit.symbols[k].lower())]
    found = exact or [k for k, known in enumerate(names) if wanted in known]
    if len(found) > 1 and wanted == "hihat":
        found = [k for k in found if "closed" in names[k]]
    if len(found) != 1:
        known = ", ".join(f"{n} ({symbol})" for n, symbol in zip(kit.names, kit.symbols, strict=True))
        raise KitError(f"{'no' if not found else 'more than one'} drum is called {name!r}; there are: {known}")
    return found[0]
