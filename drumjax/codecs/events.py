"""Music as notes: one step per note, and how long it is until the next.

For any single instrument, and for drums whose rolls and flams a grid would merge. A token holds a note's pitch (or its
drum), duration and velocity, and then how far the clock moves on; so the model knows where in the bar a note is before
it says which. Notes that begin together (a chord) follow each other from low to high at shifts of 0. The clock of
Performance RNN moves in the same way (Oore et al. 2018, "This Time with Feeling"), with a step of its own.
"""

import dataclasses
import functools
import math

import jax.numpy as jnp
import numpy as np

from drumjax.codecs.base import ABSENT, CENTRE, FREE, Field, Place
from drumjax.codecs.bins import velocity_in
from drumjax.codecs.features import length_features, pitch_features, pitch_sets, scale_features
from drumjax.codecs.vocabulary import Vocabulary, nearest_length
from drumjax.music.kits import Kit
from drumjax.music.metre import MAX_BEATS_PER_BAR
from drumjax.music.notes import EARLY_BEAT, USUAL_TEMPO_BPM, Array, Context, Notes, Window

# Of the field pitch: no note, where a rest is longer than one shift or the music begins with one.
REST = 0
# The slowest music that is read, to say how many steps long rests may take.
MIN_TEMPO_BPM = 10.0
# How far a note that is held where it is may move, if ticks are milliseconds; in beats it is a 32nd.
LEEWAY_MS = 30.0


@dataclasses.dataclass(frozen=True)
class EventCodec:
    """Fields `pitch`, `duration` (if the vocabulary has any), `velocity` (if it has bins) and `shift`.

    kit             of drums; None for pitched instruments
    ticks_per_beat  onsets, shifts and durations are rounded to them; a beat has as many places, too
    tick_ms         if above 0, a tick is so many milliseconds instead: for music that was not played to a beat
    timed           False counts chords and does not measure time: each follows the one before after half a beat

    Of notes with the same pitch and tick the loudest is kept; pitches that the vocabulary lacks are left out. A note up
    to EARLY_BEAT before the window begins with it.
    """

    kit: Kit | None
    vocabulary: Vocabulary
    ticks_per_beat: int = 24
    tick_ms: float = 0.0
    velocity_bins: int = 32
    timed: bool = True
    lookback_bars: int = 4
    lookback_beats: tuple[float, ...] = ()
    lookback_notes: int = 256

    @property
    def fields(self) -> tuple[Field, ...]:
        return _make_fields(self)

    @functools.cached_property
    def _column(self) -> dict[str, int]:
        """Where each field is in a token."""
        return {field.name: i for i, field in enumerate(self.fields)}

    @property
    def pitches(self) -> tuple[int, ...]:
        """The pitch that is written for each value of the field pitch, REST left out."""
        return self.kit.write if self.kit else self.vocabulary.pitches

    @property
    def _max_shift(self) -> int:
        return self.vocabulary.max_shift if self.timed else 1

    def _value_table(self) -> np.ndarray:
        """[128] int32: the value of each MIDI pitch, -1 for those that are left out."""
        if self.kit:
            drum = self.kit.class_table()
            return np.where(drum >= 0, drum + 1, -1).astype(np.int32)
        table = np.full(128, -1, np.int32)
        table[list(self.vocabulary.pitches)] = 1 + np.arange(len(self.vocabulary.pitches))
        return table

    @property
    def _usual_beat(self) -> int:
        """Ticks of a beat, at a usual tempo if they are milliseconds."""
        return round(60_000 / (USUAL_TEMPO_BPM * self.tick_ms)) if self.tick_ms else self.ticks_per_beat

    @property
    def program(self) -> int:
        return self.vocabulary.program

    @property
    def num_positions(self) -> int:
        return MAX_BEATS_PER_BAR * self.ticks_per_beat

    @property
    def num_lookbacks(self) -> int:
        return self.lookback_bars + len(self.lookback_beats)

    @property
    def memory_steps(self) -> int:
        return self.lookback_notes if self.num_lookbacks else 1

    @property
    def grid(self) -> int:
        return 0

    @property
    def is_timed(self) -> bool:
        return self.timed

    @property
    def notes_per_step(self) -> int:
        return 1

    @property
    def num_voices(self) -> int:
        return 0

    def voices(self, values: Array) -> Array:
        return jnp.zeros((*values.shape, 0), bool)

    @property
    def partial_field(self) -> int:
        return self._column["shift"]

    def _per_beat(self, context: Context) -> Array | int:
        """Ticks in a beat."""
        if not self.timed:
            return 2
        if not self.tick_ms:
            return self.ticks_per_beat
        tempo = jnp.where(context.tempo_bpm > 0, context.tempo_bpm, USUAL_TEMPO_BPM)
        return 60_000 / (tempo * self.tick_ms)

    def num_steps(self, num_beats: float, num_notes: int) -> int:
        if not self.timed:
            return num_notes
        per_beat = 60_000 / (MIN_TEMPO_BPM * self.tick_ms) if self.tick_ms else self.ticks_per_beat
        return num_notes + math.ceil(num_beats * per_beat / self._max_shift)

    def accepts(self, beats_per_bar: float) -> bool:
        ticks_per_bar = beats_per_bar * self.ticks_per_beat
        return beats_per_bar <= MAX_BEATS_PER_BAR and ticks_per_bar >= 1 and abs(ticks_per_bar % 1) < 1e-6

    def to_ticks(self, context: Context, beats: Array | float) -> Array:
        return jnp.round(jnp.asarray(beats) * self._per_beat(context)).astype(jnp.int32)

    def ticks(self, tokens: Array) -> Array:
        return jnp.maximum(tokens[..., self._column["shift"]], 0)

    def place(self, context: Context, tick: Array) -> Place:
        per_beat = self._per_beat(context)
        now = jnp.round(context.start_beat * self.ticks_per_beat + tick * (self.ticks_per_beat / per_beat))
        bar = jnp.maximum(jnp.round(context.beats_per_bar * self.ticks_per_beat), 1).astype(jnp.int32)
        bars = jnp.arange(1, self.lookback_bars + 1) * context.beats_per_bar
        beats = jnp.concatenate([bars, jnp.asarray(self.lookback_beats, jnp.float32)])
        distance = jnp.maximum(jnp.round(beats * per_beat), 1).astype(jnp.int32)
        return Place(
            tick=tick,
            position=now.astype(jnp.int32) % bar,
            bar=now.astype(jnp.int32) // bar,
            bar_ticks=jnp.broadcast_to(jnp.maximum(jnp.round(context.beats_per_bar * per_beat), 1), tick.shape).astype(
                jnp.int32
            ),
            lookback=jnp.broadcast_to(distance, (*tick.shape, self.num_lookbacks)),
        )

    def encode(self, window: Window, num_steps: int) -> Array:
        notes, ticks, value, count = self._order(window)
        size = len(ticks)
        if not self.timed:
            is_new = jnp.concatenate([jnp.zeros(1, jnp.int32), (ticks[1:] > ticks[:-1]).astype(jnp.int32)])
            ticks = jnp.cumsum(is_new)
        # A step per note, and more where a gap is longer than one shift can last. With a longest shift of 8, the notes
        # at ticks 0, 2 and 21 are five steps:
        #     step      0      1       2     3     4
        #     pitch     first  second  REST  REST  third
        #     shift     2      8       8     3     (unknown)
        # so gap = 2, 19, 0; rests = 0, 2, -; and step_of = 0, 1, 4.
        gap = jnp.append(ticks[1:] - ticks[:-1], 0)
        gap = jnp.where(jnp.arange(size) < count - 1, gap, 0)
        rests = -(-gap // self._max_shift) - 1
        lead = -(-ticks[0] // self._max_shift)  # rests before the first note; -(-a // b) rounds up
        step_of = lead + jnp.arange(size) + jnp.cumsum(jnp.maximum(rests, 0)) - jnp.maximum(rests, 0)
        step_of = jnp.where(jnp.arange(size) < count, step_of, num_steps + 1)
        step = jnp.arange(num_steps)
        # The other way round, from steps to notes: the last note that began by each step, -1 before the first.
        note = jnp.searchsorted(step_of, step, side="right") - 1
        last = jnp.maximum(note, 0)
        is_note = (note >= 0) & (step == step_of[last])
        # How much of the gap the steps since that note have covered already, and how much is left.
        passed = jnp.where(note >= 0, step - step_of[last], step) * self._max_shift
        left = jnp.where(note >= 0, gap[last], ticks[0]) - passed
        is_end = (note >= count - 1) & (count > 0)  # when the next would begin nobody knows
        shift = jnp.where(is_end, ABSENT, jnp.clip(left, 0, self._max_shift))
        exists = is_note | ((left > 0) & ~is_end)
        columns = {"pitch": jnp.where(is_note, value[last], REST), "shift": shift}
        columns |= {
            name: jnp.where(is_note, column[last], ABSENT) for name, column in self._played(notes, window).items()
        }
        tokens = jnp.stack([columns[field.name] for field in self.fields], axis=1)
        return jnp.where((exists & (count > 0))[:, None], tokens, ABSENT).astype(jnp.int32)

    def _order(self, window: Window) -> tuple[Notes, Array, Array, Array]:
        """The notes that are encoded, in order, in front of the others; their ticks and values [N], and how many."""
        notes = window.notes
        ticks = self.to_ticks(window.context, notes.onset_beat)
        if not self.timed:  # so that what is struck together is a chord
            ticks = jnp.round(notes.onset_beat * self.ticks_per_beat).astype(jnp.int32)
        value = jnp.asarray(self._value_table())[jnp.clip(notes.pitch, 0, 127)]
        # A note a little before the window anticipates its first beat.
        ticks = jnp.where(notes.onset_beat > -EARLY_BEAT, jnp.maximum(ticks, 0), ticks)
        usable = notes.mask & (value > REST) & (ticks >= 0) & (notes.onset_beat < window.num_beats)
        never = jnp.int32(2**30)
        order = jnp.lexsort((-notes.velocity, value, jnp.where(usable, ticks, never)))
        ticks, value, usable = ticks[order], value[order], usable[order]
        is_same = (ticks[1:] == ticks[:-1]) & (value[1:] == value[:-1])
        kept = usable & ~jnp.concatenate([jnp.zeros(1, bool), is_same])  # the loudest comes first of equals
        front = jnp.argsort(~kept, stable=True)
        ticks = jnp.where(kept, ticks, never)[front]
        count = jnp.sum(kept)
        notes = Notes(*(column[order][front] for column in notes))
        return notes, jnp.where(count > 0, ticks, 0), value[front], count

    def locate(self, tokens: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
        notes, context = window.notes, window.context
        onset = np.asarray(notes.onset_beat)
        ticks = np.asarray(self.to_ticks(context, onset))
        ticks = np.where(onset > -EARLY_BEAT, np.maximum(ticks, 0), ticks)
        value = self._value_table()[np.asarray(notes.pitch)]
        usable = np.asarray(notes.mask) & (value > REST) & (ticks >= 0) & (onset < np.asarray(window.num_beats))
        # Notes of equal tick and value share a step, and steps come in their order.
        _, number = np.unique(ticks[usable] * np.int64(2**10) + value[usable], return_inverse=True)
        step = np.full(len(onset), -1, np.int64)
        step[usable] = np.flatnonzero(tokens[:, 0] > REST)[number]
        return step, ticks / np.asarray(self._per_beat(context))

    def _played(self, notes: Notes, window: Window) -> dict[str, Array]:
        """Tokens [N] of how the notes are played, by field."""
        columns: dict[str, Array] = {}
        if self.vocabulary.durations:
            nearest = nearest_length(np.asarray(self.vocabulary.durations))
            length = self.to_ticks(window.context, notes.duration_beat)
            columns["duration"] = jnp.asarray(nearest)[jnp.clip(length, 0, len(nearest) - 1)]
        if self.velocity_bins:
            columns["velocity"] = jnp.clip(notes.velocity * self.velocity_bins // 128, 0, self.velocity_bins - 1)
        return columns

    def decode(self, tokens: Array, context: Context, points: Array | float = CENTRE) -> Notes:
        """Notes [T]; without durations a 32nd long, or half a beat where time is not encoded; without velocities 90."""
        lasts = self.ticks(tokens)
        per_beat = self._per_beat(context)
        value = tokens[:, 0]
        duration = jnp.full(value.shape, 0.125 if self.timed else 0.5)
        velocity = jnp.full(value.shape, 90.0)
        if self.vocabulary.durations:
            lengths = jnp.asarray(self.vocabulary.durations, jnp.float32)
            duration = lengths[jnp.maximum(tokens[:, self._column["duration"]], 0)] / per_beat
        if self.velocity_bins:
            column, within = self._column["velocity"], jnp.broadcast_to(points, tokens.shape)
            velocity = velocity_in(tokens[:, column], within[:, column], self.velocity_bins)
        return Notes(
            onset_beat=(jnp.cumsum(lasts) - lasts).astype(jnp.float32) / per_beat,
            duration_beat=duration,
            pitch=jnp.asarray((0, *self.pitches), jnp.int32)[jnp.maximum(value, 0)],
            velocity=jnp.clip(velocity, 1, 127).astype(jnp.int32),
            mask=value > REST,
        )

    def present(self, field: int, tokens: Array) -> Array:
        always = self.fields[field].name in ("pitch", "shift")
        return jnp.ones((*tokens.shape[:-1], 1), bool) if always else tokens[..., :1] > REST

    def allows(self, given: Array, keep: Array, tick: Array) -> Array:
        """Shifts after which the next note begins within a 32nd (or LEEWAY_MS) of tick `keep` - 1, or as near to it as
        can be; all of them where keep is 0."""
        leeway = round(LEEWAY_MS / self.tick_ms) if self.tick_ms else self.ticks_per_beat // 8
        arrival = tick + jnp.arange(self._max_shift + 1)
        far = jnp.abs(arrival - (keep - 1))
        return (keep == 0) | (far <= jnp.maximum(leeway, jnp.min(far)))

    def loosen(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Velocities are free, and shifts as far as allows lets them. Behind the last note there is a rest."""
        shift = tokens[:, self.partial_field]
        is_known = shift >= 0
        clamp = tokens.copy()
        if self.velocity_bins:
            clamp[:, self._column["velocity"]] = FREE
        clamp[tokens[:, 0] == ABSENT, 0] = REST
        clamp[~is_known, self.partial_field] = self._max_shift
        arrival = np.cumsum(np.maximum(shift, 0))
        return clamp, np.where(is_known, 1 + arrival, -1).astype(np.int32)


@functools.lru_cache(maxsize=64)  # so that models of equal codecs are equal, and what is compiled for one serves all
def _make_fields(codec: EventCodec) -> tuple[Field, ...]:
    lengths = np.asarray(codec.vocabulary.durations)
    pitches = codec.pitches
    fields = [Field("pitch", 1 + len(pitches), pitch_features(pitches), rest=REST, sets=pitch_sets(pitches))]
    if len(lengths):
        fields.append(Field("duration", len(lengths), length_features(lengths, codec._usual_beat)))
    if codec.velocity_bins:
        features = scale_features(codec.velocity_bins)
        fields.append(Field("velocity", codec.velocity_bins, features, is_expression=True))
    shifts = np.arange(codec._max_shift + 1)
    return (*fields, Field("shift", len(shifts), length_features(shifts, codec._usual_beat)))
