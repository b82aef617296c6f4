"""The currency of drumjax: notes, the song they form, and the window a model sees.

Axes, here and everywhere else:

    B batch    N notes of a window (padded)    T steps of a window    F token fields
    H hidden   L lookback distances            K train steps per compiled call

Units are in the names. A *beat* is a quarter note, whatever the metre; a bar of 6/8 has 3 beats.
In every context `0` means "unknown", so a model can be trained with parts of the context dropped.
"""

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drumjax.music.metre import Metre, beats_per_bar, metre_id

if TYPE_CHECKING:  # not imported when running: who only reads MIDI files does not wait for JAX
    import jax

    # The same tuples travel on the host and on the device.
    Array = jax.Array | np.ndarray
else:
    Array = np.ndarray

FILL_UNKNOWN, FILL_NO, FILL_YES = 0, 1, 2

# A note less than this before a bar line belongs to the bar that it anticipates: half a 16th.
EARLY_BEAT = 0.125
# Of the files we write; also that of the Groove MIDI Dataset.
TICKS_PER_BEAT = 480
# Where the tempo is unknown.
USUAL_TEMPO_BPM = 120.0


class Notes(NamedTuple):
    """Notes ordered by (onset, pitch).

    onset_beat    [N] float32, beats from the start of the song (or of the window)
    duration_beat [N] float32, beats, >= 0
    pitch         [N] int32, MIDI pitch 0..127
    velocity      [N] int32, MIDI velocity 1..127
    mask          [N] bool, False for padding
    """

    onset_beat: Array
    duration_beat: Array
    pitch: Array
    velocity: Array
    mask: Array


class Context(NamedTuple):
    """What a window is played in; scalars, or [B] when batched. By default nothing is known, in bars of 4/4.

    tempo_bpm       float32, quarter notes per minute; 0 is unknown
    beats_per_bar   float32, quarter notes per bar; always known, since positions need it
    metre           int32, index into metre.METRES; 0 is unknown
    style           int32, index into the run's style vocabulary; 0 is unknown
    fill            int32, FILL_UNKNOWN, FILL_NO or FILL_YES
    start_beat      float32, where the window starts in its song, in beats from bar 0
    density         float32, notes per beat; 0 is unknown
    dynamics        float32, mean MIDI velocity, 1..127; 0 is unknown
    steadiness      float32, how alike neighbouring bars are, up to 1; 0 is unknown
    backbeat        float32, share of the bars with a backbeat, up to 1; 0 is unknown
    timekeeper      int32, what carries the 8ths: 0 is unknown, see config.conditions
    player          int32, index into the run's vocabulary of players; 0 is unknown
    """

    tempo_bpm: Array = np.asarray(0, np.float32)
    beats_per_bar: Array = np.asarray(4, np.float32)
    metre: Array = np.asarray(0, np.int32)
    style: Array = np.asarray(0, np.int32)
    fill: Array = np.asarray(0, np.int32)
    start_beat: Array = np.asarray(0, np.float32)
    density: Array = np.asarray(0, np.float32)
    dynamics: Array = np.asarray(0, np.float32)
    steadiness: Array = np.asarray(0, np.float32)
    backbeat: Array = np.asarray(0, np.float32)
    timekeeper: Array = np.asarray(0, np.int32)
    player: Array = np.asarray(0, np.int32)


class Window(NamedTuple):
    """A stretch of one song: its notes, with onsets counted from the window's start, and their context.

    num_beats (float32 scalar) is how much of the window lies inside the song; the rest is padding. memory_beats is how
    far before the window, at onsets below 0, its notes go back.
    """

    notes: Notes
    context: Context
    num_beats: Array
    memory_beats: Array | float = 0.0


def make_notes(onset_beat, duration_beat, pitch, velocity) -> Notes:
    """Sorted, unpadded numpy Notes from four sequences of equal length [N]."""
    onset = np.asarray(onset_beat, np.float32).reshape(-1)
    pitch = np.asarray(pitch, np.int32).reshape(-1)
    order = np.lexsort((pitch, onset))
    return Notes(
        onset_beat=onset[order],
        duration_beat=np.asarray(duration_beat, np.float32).reshape(-1)[order],
        pitch=pitch[order],
        velocity=np.asarray(velocity, np.int32).reshape(-1)[order],
        mask=np.ones(len(order), bool),
    )


@dataclasses.dataclass(frozen=True)
class Notice:
    """Something about a file that did not come through as it was written: the reason, in words that can be counted over
    many files, and how many notes, messages or bars it is about."""

    reason: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.count} {self.reason}"


class Timeline(NamedTuple):
    """What a file has beside notes, so that it can be written back; beats are counted from bar 0 of the song.

    start_beat      where the file begins: above 0 with a pickup, which is the end of bar 0; below 0 where silent bars
                    come before the song
    ticks_per_beat  its resolution
    tempos          (beat, bpm) from each change on; () is the song's tempo throughout
    metres          (beat, time signature) from each change on; () is the song's metre throughout
    messages        (beat, bytes) of the drum channel: hi-hat pedal, chokes, programs
    """

    start_beat: float = 0.0
    ticks_per_beat: int = TICKS_PER_BEAT
    tempos: tuple[tuple[float, float], ...] = ()
    metres: tuple[tuple[float, Metre], ...] = ()
    messages: tuple[tuple[float, bytes], ...] = ()


NO_TIMELINE = Timeline()


@dataclasses.dataclass(frozen=True)
class Song:
    """One performance, whole: unpadded numpy notes, and what is known about it.

    tempo_bpm       quarter notes per minute, > 0
    time_signature  (numerator, denominator)
    style           primary style, "" if unknown
    fill            FILL_UNKNOWN, FILL_NO (a beat) or FILL_YES (a fill)
    is_drums        True if the pitches are drums (MIDI channel 10)
    name            where it came from: a path relative to its dataset, or a title
    split           "train", "validation", "test", or "" if not assigned
    drummer         who played it, "" if unknown
    program         General MIDI program 0..127 of a pitched instrument
    timeline        what its file has beside notes
    notices         what did not come through as its file has it
    """

    notes: Notes
    tempo_bpm: float = 120.0
    time_signature: tuple[int, int] = (4, 4)
    style: str = ""
    fill: int = FILL_UNKNOWN
    is_drums: bool = True
    name: str = ""
    split: str = ""
    drummer: str = ""
    program: int = 0
    timeline: Timeline = NO_TIMELINE
    notices: tuple[Notice, ...] = ()

    @property
    def beats_per_bar(self) -> float:
        return beats_per_bar(self.time_signature)

    @property
    def num_bars(self) -> int:
        """Bars from bar 0 to the end of the one that holds the last onset, rounded to the nearest 16th."""
        if len(self.notes.onset_beat) == 0:
            return 0
        last_step = math.floor(float(self.notes.onset_beat.max()) * 4 + 0.5)
        return int(last_step // (4 * self.beats_per_bar)) + 1

    @property
    def metre(self) -> int:
        """Index of the time signature in metre.METRES, 0 if it is not there."""
        return metre_id(self.time_signature)
