"""Plans: all that decides what sample i is. Made of what is asked for, on a command line or in Python."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import jax

from drumjax.codecs.base import Codec
from drumjax.config.controls import MAX_BARS, TEMPO_LIMITS, Controls
from drumjax.config.spelling import spell_name, spell_style
from drumjax.data.datasets import load_dataset
from drumjax.data.drum_rates import USUAL_RATES
from drumjax.midi.instruments import parse_instrument
from drumjax.music.metre import write_metre
from drumjax.music.notes import Song
from drumjax.runs.run import Run
from drumjax.sampling.buckets import padded_length
from drumjax.sampling.controls import make_controls
from drumjax.sampling.edits import (
    Edit,
    EditError,
    add_drums,
    continue_song,
    count_whole_bars,
    humanize_song,
    infill_song,
    need_kit,
    vary_song,
)  # fmt: skip
from drumjax.sampling.given_music import Given, give, in_kit, in_metre, read_given
from drumjax.sampling.piece import Piece, RequestError, check_known
from drumjax.sampling.random_prompt import choose_prompt
from drumjax.sampling.request import count_steps
from drumjax.sampling.style_mix import add_mix

logger = logging.getLogger(__name__)

# How many samples are drawn side by side. It is part of what a sample is: in a block of another size logits may differ
# by 1e-7, which can tip a close choice. A GPU waits for one step after another and not for arithmetic: to draw 1,024
# grooves by rock.py took an H200 1.4 times as long as to draw 64.
CPU_BLOCK, ACCELERATOR_BLOCK = 64, 1024
# Of all samples of a block: of longer pieces fewer are drawn at once, which takes no more memory.
MAX_BLOCK_STEPS = 2**17
RANDOM = "random"
# The edits, by the name of the field (and flag) that asks for each.
_EDITS = ("prompt", "humanize", "vary", "add", "infill")
Music = str | Path | Song


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sample i depends on the run, the controls, the edit, the seed, the block size and i alone.

    `given` is the music that is edited, to be shown beside the samples. Raises RequestError
    for what the run cannot play.
    """

    run: Run
    controls: Controls
    seed: int = 0
    edit: Edit | None = None
    block_size: int = CPU_BLOCK
    given: Given | None = dataclasses.field(default=None, compare=False)

    def __post_init__(self):
        if not 0 <= self.seed < 2**32:
            raise RequestError(f"seed is {self.seed}; it must be in 0..{2**32 - 1}")
        check_known(self.controls, self.run)


@dataclasses.dataclass(frozen=True)
class EditRequest:
    """What is to be done with which music. At most one of prompt, humanize, vary, add and infill is given; add and
    infill need `to`. Raises EditError for what does not go together.

    prompt, humanize, vary, to   music: a Song, or the path of one; prompt can be "random": a stretch of a held-out song
    prompt_bars     of a random prompt
    add             names of drums
    infill          bars such as "5-6" or "5", counted from 1
    include_prompt  whether the prompt is written too
    amount          of what is varied, 0..1
    draws           versions that are tried for each infill
    kit             which pitch of a file is which drum, as in drum_maps.read_map; "": the model's own kit
    instrument      which notes of a file, as in read_midi; "": as the model's own data are read
    keep_pitches    False gives notes the pitches of the model's kit, where a drum map is applied to them afterwards
    """

    prompt: Music | None = None
    prompt_bars: int = 4
    humanize: Music | None = None
    vary: Music | None = None
    add: tuple[str, ...] = ()
    infill: str | None = None
    to: Music | None = None
    include_prompt: bool = True
    amount: float = 0.3
    draws: int = 8
    kit: str = ""
    instrument: str = ""
    keep_pitches: bool = True

    def __post_init__(self):
        given = [name for name in _EDITS if getattr(self, name)]
        if len(given) > 1:
            raise EditError(f"--{given[0]} and --{given[1]} do not go together; ask for one of them")
        needs_to = bool(given) and given[0] in ("add", "infill")
        if needs_to and not self.to:
            raise EditError(f"--{given[0]} needs --to, the file to work on")
        if not 1 <= self.prompt_bars <= 64:
            raise EditError(f"--prompt_bars is {self.prompt_bars}; it must be in 1..64")
        if self.to and not needs_to:
            raise EditError("--to goes with --add or --infill only")
        if self.instrument:
            try:
                parse_instrument(self.instrument)
            except ValueError as error:
                raise EditError(f"--instrument: {error}") from error

    @property
    def music(self) -> Music | None:
        """What to work on."""
        return self.prompt or self.humanize or self.vary or self.to

    @property
    def name(self) -> str:
        """Of the music, for messages."""
        return (self.music.name or "the song") if isinstance(self.music, Song) else str(self.music or "")

    def read(self, run: Run, seed: int, time_signature: str | None) -> Given | None:
        """The music to work on, None if there is none.

        Raises MusicError, EditError, DatasetError, MidiError, TabError, KitError or OSError.
        """
        music, codec, data = self.music, run.codec, run.settings.data
        if music is None:
            return None
        if self.kit and codec.kit is None:
            raise EditError("--kit is for drums, and this model plays a pitched instrument")
        if self.prompt == RANDOM:
            music = _choose_prompt(run, self.prompt_bars, seed, time_signature)
        if isinstance(music, Song):
            given = give(music, codec, self.kit)
        else:
            instrument = self.instrument or data.instrument
            given = read_given(music, codec, instrument, sustain=data.sustain, drum_map=self.kit)
        given = dataclasses.replace(given, song=_in_reach(in_metre(given.song, time_signature), self.name))
        return given if self.keep_pitches or codec.kit is None else in_kit(given)

    def count_bars(self, song: Song, asked: int | None, usual: int) -> int:
        """Bars of the piece, all in all. Raises EditError if those asked for do not go with the song's."""
        if song.num_bars > MAX_BARS:
            raise EditError(f"{self.name} has {song.num_bars} bars, and {MAX_BARS} are the most at a time: cut it")
        if self.prompt:
            given = count_whole_bars(song)
            bars = given + usual if asked is None else asked
            if bars <= given:
                raise EditError(
                    f"{self.name} has {given} bars, which leaves nothing to play of {bars}; "
                    f"ask for more: --bars={given + usual}"
                )
            return bars
        if asked is not None and asked != song.num_bars:
            raise EditError(f"{self.name} has {song.num_bars} bars; --bars goes with --prompt only")
        return song.num_bars

    def make_edit(self, given: Given, controls: Controls, run: Run, seed: int) -> Edit:
        """The edit of the music, in the tempo that is asked for."""
        codec = run.codec
        if given.song.timeline.tempos and controls.bpm != given.song.tempo_bpm:
            logger.warning("%s: its changes of tempo are left out, since --bpm is given", self.name)
        given = given.at_tempo(controls.bpm)
        if not codec.accepts(given.song.beats_per_bar):
            raise EditError(f"{self.name}: bars of {controls.time_signature} do not fit the steps of this model")
        if self.prompt:
            return continue_song(given, codec, self.include_prompt)
        if self.humanize:
            return humanize_song(given, codec, run.hidden_fields)
        if self.vary:
            return vary_song(given, codec, self.amount, seed)
        if self.add:
            rates = run.drum_rates.get(controls.style) or run.drum_rates.get("") or USUAL_RATES
            return add_drums(given, codec, need_kit(codec), self.add, rates)
        first, _, last = (self.infill or "").partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise EditError(f"--infill is {self.infill!r}; give bars such as 5-6")
        return infill_song(given, codec, int(first), int(last or first), self.draws)


def make_plan(run: Run, request: EditRequest | None = None, *, seed: int = 0, **asked: Any) -> Plan:
    """The plan of a run for what is asked for: controls by name, None where the run's settings (or the music that is
    worked on) decide; and what to do with which music.

    Raises UserErrors for what cannot be played.
    """
    request = request or EditRequest()
    if request.music and not request.prompt and (asked.get("best_of") or 1) > 1:
        raise EditError("--best_of is for pieces of its own, and for --prompt (--infill has --draws)")
    if request.music and (asked.get("half_time") or asked.get("double_time")):
        raise EditError("half_time and double_time are for pieces of its own: music of yours has its speed")
    if request.music and asked.get("form"):
        raise EditError("form is for pieces of its own: music of yours has its form")
    if asked.get("keep_accents") and not request.humanize:
        raise EditError("--keep_accents goes with --humanize: elsewhere your notes keep their velocities anyway")
    if request.humanize and (asked.get("without") or asked.get("only")):
        raise EditError("--without and --only are for drums that are played anew; --humanize keeps all of your hits")
    settings = run.settings.sample.when_humanizing() if request.humanize else run.settings.sample
    given = request.read(run, seed, asked.get("time_signature"))
    song = given.song if given else None
    if song is not None:
        asked = {**asked, "bars": request.count_bars(song, asked.get("bars"), settings.bars)}
    controls = make_controls(settings, run.codec.fields, song, **asked)
    controls = dataclasses.replace(
        controls, style=spell_style(controls.style, run.styles), player=spell_name(controls.player, run.players)
    )
    run = add_mix(run, controls.style)
    edit = request.make_edit(given, controls, run, seed) if given else None
    size = choose_block_size(run.codec, controls, edit, jax.default_backend())
    return Plan(run, controls, seed, edit, size, given)


def choose_block_size(codec: Codec, controls: Controls, edit: Edit | None, platform: str) -> int:
    """How many samples are best drawn side by side on the devices of a platform, as JAX names it."""
    size = CPU_BLOCK if platform == "cpu" else ACCELERATOR_BLOCK
    while size > CPU_BLOCK and size * padded_length(count_steps(codec, Piece(controls), edit)) > MAX_BLOCK_STEPS:
        size //= 2
    return size


def _in_reach(song: Song, name: str) -> Song:
    """The song, for the model in a tempo that it can be asked for; its file keeps its own."""
    low, high = TEMPO_LIMITS
    tempo = min(max(song.tempo_bpm, low), high)
    if tempo == song.tempo_bpm:
        return song
    logger.warning("%s: its %.4g bpm are taken as %g, and written as they are", name, song.tempo_bpm, tempo)
    timeline = song.timeline
    if not timeline.tempos:
        timeline = timeline._replace(tempos=((timeline.start_beat, song.tempo_bpm),))
    return dataclasses.replace(song, tempo_bpm=tempo, timeline=timeline)


def _choose_prompt(run: Run, num_bars: int, seed: int, time_signature: str | None) -> Song:
    """A stretch of a held-out song in a metre and tempo that the model can play."""
    metres = (time_signature,) if time_signature else run.time_signatures
    low, high = TEMPO_LIMITS
    songs = [
        song
        for song in load_dataset(run.settings.data).songs
        if song.split == "validation"
        and write_metre(song.time_signature) in metres
        and run.codec.accepts(song.beats_per_bar)
        and low <= song.tempo_bpm <= high
    ]
    song = choose_prompt(songs, num_bars, seed)
    logger.info("going on from %s", song.name)
    return song
