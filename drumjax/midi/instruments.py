"""Which notes of a MIDI file are the instrument that is learned."""

import dataclasses

WAYS = ("drums", "all", "pitched", "program=0-7", "track=piano")


@dataclasses.dataclass(frozen=True)
class Instrument:
    """A choice of notes.

    way       "drums": channel 10; "all": every note; "pitched": every note that is not on channel 10; "program" and
              "track": those of them that a General MIDI program plays, or whose track's name holds a text
    programs  the first and the last program, 0..127
    name      the text, in lower case
    """

    way: str
    programs: tuple[int, int] = (0, 127)
    name: str = ""

    def takes(self, *, is_drum: bool, program: int, track: str) -> bool:
        """Whether notes with this channel, program and track name are chosen."""
        if self.way in ("drums", "all"):
            return is_drum or self.way == "all"
        first, last = self.programs
        return not is_drum and first <= program <= last and self.name in track.lower()


def parse_instrument(text: str) -> Instrument:
    """`drums`, `all`, `pitched`, `program=0`, `program=0-7` or `track=piano`. Raises ValueError for anything else."""
    way, has_value, value = text.partition("=")
    if not has_value and way in ("drums", "all", "pitched"):
        return Instrument(way)
    first, _, last = value.partition("-")
    if way == "program" and first.isdecimal() and (last or first).isdecimal():
        programs = int(first), int(last or first)
        if 0 <= programs[0] <= programs[1] <= 127:
            return Instrument(way, programs)
    if way == "track" and value.strip():
        return Instrument(way, name=value.strip().lower())
    raise ValueError(f"unknown instrument {text!r}; there are: {', '.join(map(repr, WAYS))}")
