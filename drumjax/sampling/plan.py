"""A task as it is asked for on a command line: which music, and what to do with it."""

import dataclasses
import logging

from drumjax.codecs.events import EventCodec
from drumjax.config.settings import SampleSettings
from drumjax.data.datasets import load_dataset
from drumjax.music.notes import Song
from drumjax.runs.run import Run
from drumjax.sampling.controls import humanize_defaults
from drumjax.sampling.edits import (
    Task,
    TaskError,
    add_drums,
    continue_song,
    humanize_song,
    infill_song,
    need_kit,
    vary_song,
)
from drumjax.sampling.given_music import check_pitches, read_notes, read_pattern
from drumjax.sampling.piece import TEMPO_LIMITS, Groove
from drumjax.sampling.prompts import choose_prompt

logger = logging.getLogger(__name__)

# Bars after an infill that judge it: as far as the model's lookback usually reaches.
JUDGED_BARS = 4
RANDOM = "random"


@dataclasses.dataclass(frozen=True)
class Wish:
    """At most one of prompt, humanize, vary, add and infill is not None or empty; add and infill need `to`.

    prompt, humanize, vary, to   paths of music; prompt can be "random": a stretch of a held-out performance
    prompt_bars     of a random prompt
    add             names of drums
    infill          bars such as "5-6" or "5", counted from 1
    include_prompt  whether the prompt is written too
    amount          of what is varied, 0..1
    draws           versions that are tried for each infill
    """

    prompt: str | None = None
    prompt_bars: int = 4
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
        if not 1 <= self.prompt_bars <= 64:
            raise TaskError(f"--prompt_bars is {self.prompt_bars}; it must be in 1..64")
        if self.to and not needs_to:
            raise TaskError("--to goes with --add or --infill only")

    @property
    def path(self) -> str:
        """The music to work on, "" if there is none."""
        return self.prompt or self.humanize or self.vary or self.to or ""

    def read(self, run: Run, seed: int, kit: str, time_signature: str | None) -> Song | None:
        """The music to work on, None if there is none; `kit` says which pitch of a file is which drum.

        Raises PatternError, PromptError, TaskError, DatasetError, MidiError, TabError, KitError or OSError.
        """
        settings, drums = run.settings, run.codec.kit
        if self.prompt == RANDOM:
            metres = (time_signature,) if time_signature else run.time_signatures
            low, high = TEMPO_LIMITS
            songs = [
                song
                for song in load_dataset(settings.data).songs
                if song.split == "validation"
                and "{}/{}".format(*song.time_signature) in metres
                and run.codec.accepts(song.beats_per_bar)
                and low <= song.tempo_bpm <= high
            ]
            song = choose_prompt(songs, self.prompt_bars, seed)
            logger.info("going on from %s", song.name)
            return song
        if not self.path:
            return None
        if drums:
            return read_pattern(self.path, drums, kit, time_signature)
        if kit:
            raise TaskError("--kit is for drums, and this model plays a pitched instrument")
        data = settings.data
        song = read_notes(self.path, data.instrument, sustain=data.sustain, time_signature=time_signature)
        if isinstance(run.codec, EventCodec):
            check_pitches(song, run.codec.vocabulary.pitches, self.path)
        return song

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

    def sample_settings(self, run: Run) -> SampleSettings:
        """The run's, as they are for what is asked."""
        return humanize_defaults(run.settings.sample) if self.humanize else run.settings.sample

    def task(self, song: Song, groove: Groove, run: Run) -> Task:
        """What is asked for, done to the song, in the groove's tempo."""
        codec = run.codec
        song = dataclasses.replace(song, tempo_bpm=groove.bpm)
        if not codec.accepts(song.beats_per_bar):
            raise TaskError(f"{self.path}: bars of {groove.time_signature} do not fit the steps of this model")
        if self.prompt:
            return continue_song(song, codec, self.include_prompt)
        if self.humanize:
            return humanize_song(song, codec, run.can_do_without)
        if self.vary:
            return vary_song(song, codec, need_kit(codec), self.amount)
        if self.add:
            return add_drums(song, codec, need_kit(codec), self.add)
        first, _, last = (self.infill or "").partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise TaskError(f"--infill is {self.infill!r}; give bars such as 5-6")
        return infill_song(song, codec, int(first), int(last or first), self.draws, JUDGED_BARS)
