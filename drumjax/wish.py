"""A task as it is asked for on a command line: which music, and what to do with it."""

import dataclasses

from drumjax.codecs import Codec
from drumjax.grooves import Groove
from drumjax.kits import Kit
from drumjax.notes import Song
from drumjax.tasks import Task, TaskError, add_drums, continue_song, humanize_song, infill_song, vary_song

# Bars after an infill that judge it: as far as the model's lookback usually reaches.
JUDGED_BARS = 4


@dataclasses.dataclass(frozen=True)
class Wish:
    """At most one of prompt, humanize, vary, add and infill is not None or empty; add and infill need `to`.

    prompt, humanize, vary, to   paths of music
    add             names of drums
    infill          bars such as "5-6" or "5", counted from 1
    include_prompt  whether the prompt is written too
    amount          of what is varied, 0..1
    draws           versions that are tried for each infill
    """

    prompt: str | None = None
    humanize: str | None = None
    vary: str | None = None
    add: tuple[str, ...] = ()
    infill: str | None = None
    to: str | None = None
    include_prompt: bool = True
    amount: float = 0.3
    draws: int = 8

    def __post_init__(self):
        asked = [name for name in ("prompt", "humanize", "vary", "add", "infill") if getattr(self, name)]
        if len(asked) > 1:
            raise TaskError(f"--{asked[0]} and --{asked[1]} do not go together; ask for one of them")
        needs_to = bool(asked) and asked[0] in ("add", "infill")
        if needs_to and not self.to:
            raise TaskError(f"--{asked[0]} needs --to, the file to work on")
        if self.to and not needs_to:
            raise TaskError("--to goes with --add or --infill only")

    @property
    def path(self) -> str:
        """The music to work on, "" if there is none."""
        return self.prompt or self.humanize or self.vary or self.to or ""

    def num_bars(self, song: Song, asked: int | None, usual: int) -> int:
        """Bars of the groove, all told. Raises TaskError if those asked for do not go with the song's."""
        if self.prompt:
            bars = song.num_bars + usual if asked is None else asked
            if bars <= song.num_bars:
                raise TaskError(
                    f"{self.prompt} has {song.num_bars} bars, which leaves nothing to play of {bars}; "
                    f"ask for more: --bars={song.num_bars + usual}"
                )
            return bars
        if asked is not None and asked != song.num_bars:
            raise TaskError(f"{self.path} has {song.num_bars} bars; --bars goes with --prompt only")
        return song.num_bars

    def task(self, song: Song, groove: Groove, codec: Codec, kit: Kit) -> Task:
        """What is asked for, done to the song."""
        if not codec.accepts(song.beats_per_bar):
            raise TaskError(f"{self.path}: bars of {groove.time_signature} do not fit the steps of this model")
        if self.prompt:
            return continue_song(song, codec, self.include_prompt)
        if self.humanize:
            return humanize_song(song, codec, kit)
        if self.vary:
            return vary_song(song, codec, kit, self.amount)
        if self.add:
            return add_drums(song, codec, kit, self.add)
        first, _, last = (self.infill or "").partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise TaskError(f"--infill is {self.infill!r}; give bars such as 5-6")
        return infill_song(song, codec, int(first), int(last or first), self.draws, JUDGED_BARS)
