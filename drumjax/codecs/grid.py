"""Drums on a grid: one step per 16th note (or finer), one token of which drums are hit, and how.

The `hits` field is one of 2^9 drum-set chords, as in Magenta's Drums RNN. The expressive codec adds, for each drum that
is hit, its `velocity` and its `offset` from the grid as distributions over bins, where GrooVAE (Gillick et al. 2019)
regresses one number each.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.codecs.base import ABSENT, CENTRE, FREE, Field, Place
from drumjax.codecs.bins import velocity_in
from drumjax.codecs.features import chord_features, scale_features
from drumjax.music.kits import Kit
from drumjax.music.metre import MAX_BEATS_PER_BAR
from drumjax.music.notes import Array, Context, Notes, Window


@dataclasses.dataclass(frozen=True)
class GridCodec:
    """Steps of 1/steps_per_beat beats; fields `hits`, then `velocity` and `offset` if expressive.

    A tick is a step. A note belongs to the nearest one, so a hit up to half a step early counts for the step it
    anticipates, across bar lines too. Of several hits of one drum in a step the loudest is kept. velocity bins split
    0..128 evenly; offset bins split [-0.5, 0.5) of a step evenly; decoding gives bin centres unless told
    where. Lookbacks are 1..lookback_bars bars and lookback_beats beats ago.
    """

    kit: Kit
    steps_per_beat: int = 4
    expressive: bool = True
    velocity_bins: int = 32
    offset_bins: int = 32
    lookback_bars: int = 4
    lookback_beats: tuple[float, ...] = ()

    @property
    def fields(self) -> tuple[Field, ...]:
        return _make_fields(self)

    @property
    def num_positions(self) -> int:
        return MAX_BEATS_PER_BAR * self.steps_per_beat

    @property
    def num_lookbacks(self) -> int:
        return self.lookback_bars + len(self.lookback_beats)

    @property
    def memory_steps(self) -> int:
        return 1 + max(0, self.lookback_bars * self.num_positions, *self._near)

    @property
    def _near(self) -> tuple[int, ...]:
        """The lookbacks in beats, in steps."""
        return tuple(max(1, round(beats * self.steps_per_beat)) for beats in self.lookback_beats)

    @property
    def pitches(self) -> tuple[int, ...]:
        return self.kit.write

    @property
    def program(self) -> int:
        return 0

    @property
    def grid(self) -> int:
        return self.steps_per_beat

    @property
    def is_timed(self) -> bool:
        return True

    @property
    def notes_per_step(self) -> int:
        return self.kit.num_classes

    @property
    def num_voices(self) -> int:
        return self.kit.num_classes

    @property
    def partial_field(self) -> int:
        return 0

    def num_steps(self, num_beats: float, num_notes: int = 0) -> int:
        return round(num_beats * self.steps_per_beat)

    def accepts(self, beats_per_bar: float) -> bool:
        steps_per_bar = beats_per_bar * self.steps_per_beat
        return beats_per_bar <= MAX_BEATS_PER_BAR and steps_per_bar >= 1 and abs(steps_per_bar % 1) < 1e-6

    def ticks(self, tokens: Array) -> Array:
        return jnp.ones(tokens.shape[:-1], jnp.int32)

    def to_ticks(self, context: Context, beats: Array | float) -> Array:
        return jnp.round(jnp.asarray(beats) * self.steps_per_beat).astype(jnp.int32)

    def place(self, context: Context, tick: Array) -> Place:
        steps_per_bar = jnp.maximum(jnp.round(context.beats_per_bar * self.steps_per_beat), 1).astype(jnp.int32)
        start = jnp.round(context.start_beat * self.steps_per_beat).astype(jnp.int32)
        now = start + tick.astype(jnp.int32)
        far = jnp.arange(1, self.lookback_bars + 1, dtype=jnp.int32) * steps_per_bar
        distance = jnp.concatenate([far, jnp.asarray(self._near, jnp.int32)])
        return Place(
            tick=tick,
            position=now % steps_per_bar,
            bar=now // steps_per_bar,
            bar_ticks=jnp.broadcast_to(steps_per_bar, tick.shape),
            lookback=jnp.broadcast_to(distance, (*tick.shape, self.num_lookbacks)),
        )

    def encode(self, window: Window, num_steps: int) -> Array:
        num = self.kit.num_classes
        winner, is_hit = self._loudest(window.notes, num_steps)
        inside = jnp.arange(num_steps) < jnp.round(window.num_beats * self.steps_per_beat)
        chord = jnp.sum(jnp.where(is_hit, (1 << jnp.arange(num))[None], 0), axis=1)
        columns = [jnp.where(inside, chord, ABSENT)[:, None]]
        if self.expressive:
            velocity = window.notes.velocity[winner] * (self.velocity_bins / 128)
            exact = window.notes.onset_beat[winner] * self.steps_per_beat
            offset = (exact - jnp.arange(num_steps, dtype=jnp.float32)[:, None] + 0.5) * self.offset_bins
            for value, bins in ((velocity, self.velocity_bins), (offset, self.offset_bins)):
                token = jnp.clip(jnp.floor(value).astype(jnp.int32), 0, bins - 1)
                columns.append(jnp.where(is_hit & inside[:, None], token, ABSENT))
        return jnp.concatenate(columns, axis=1).astype(jnp.int32)

    def _loudest(self, notes: Notes, num_steps: int) -> tuple[Array, Array]:
        """Per step and drum [T, C]: the index of the loudest note (the earlier of equals), and if there is one."""
        num, size = self.kit.num_classes, notes.mask.shape[0]
        drum = jnp.asarray(self.kit.class_table())[jnp.clip(notes.pitch, 0, 127)]
        step = jnp.floor(notes.onset_beat * self.steps_per_beat + 0.5).astype(jnp.int32)
        usable = notes.mask & (drum >= 0) & (step >= 0) & (step < num_steps)
        # Cells are claimed by the greatest of (loudness, earliness) packed into one integer; unusable notes go to a
        # cell of their own. Velocities count to 1/8, so 2^31 is not reached before two million notes.
        cell = jnp.where(usable, step * num + drum, num_steps * num)
        loudness = jnp.round(notes.velocity * 8).astype(jnp.int32)
        claim = loudness * size + (size - 1 - jnp.arange(size, dtype=jnp.int32))
        best = jnp.full(num_steps * num + 1, -1, jnp.int32).at[cell].max(claim)[:-1].reshape(num_steps, num)
        return jnp.where(best >= 0, size - 1 - best % size, 0), best >= 0

    def locate(self, tokens: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
        notes = window.notes
        step = np.floor(np.asarray(notes.onset_beat, np.float32) * self.steps_per_beat + np.float32(0.5)).astype(
            np.int64
        )
        drum = self.kit.class_table()[np.asarray(notes.pitch)]
        usable = np.asarray(notes.mask) & (drum >= 0) & (step >= 0) & (step < len(tokens))
        return np.where(usable, step * self.kit.num_classes + drum, -1), step / self.steps_per_beat

    def decode(self, tokens: Array, context: Context, points: Array | float = CENTRE) -> Notes:
        """Notes [T * C], each a 32nd long; a plain codec plays on the grid at velocity 90."""
        del context  # the grid is in beats, whatever the tempo
        num_steps, num = tokens.shape[0], self.kit.num_classes
        is_hit = self.voices(tokens[:, 0])
        step = jnp.arange(num_steps, dtype=jnp.float32)[:, None]
        velocity, offset = jnp.full((num_steps, num), 90.0), jnp.zeros((num_steps, num))
        if self.expressive:
            within = jnp.broadcast_to(points, tokens.shape)
            velocity = velocity_in(tokens[:, 1 : 1 + num], within[:, 1 : 1 + num], self.velocity_bins)
            offset = jnp.asarray((tokens[:, 1 + num :] + within[:, 1 + num :]) / self.offset_bins - 0.5)
        onset = (step + offset) / self.steps_per_beat
        return Notes(
            onset_beat=onset.reshape(-1),
            duration_beat=jnp.full(num_steps * num, 0.125),
            pitch=jnp.broadcast_to(jnp.asarray(self.kit.pitch_table()), (num_steps, num)).reshape(-1),
            velocity=jnp.clip(velocity, 1, 127).astype(jnp.int32).reshape(-1),
            mask=is_hit.reshape(-1),
        )

    def present(self, field: int, tokens: Array) -> Array:
        if field == 0:
            return jnp.ones((*tokens.shape[:-1], 1), bool)
        return self.voices(tokens[..., 0])

    def allows(self, given: Array, keep: Array, tick: Array) -> Array:
        """The chords that have the given drums where the bits of `keep` are set."""
        chords = jnp.arange(2**self.kit.num_classes, dtype=jnp.int32)
        return (chords ^ given) & keep == 0

    def loosen(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Velocities and offsets are free."""
        clamp = tokens.copy()
        clamp[:, 1:] = FREE
        return clamp, np.full(len(tokens), -1, np.int32)

    def voices(self, values: Array) -> Array:
        chord = jnp.broadcast_to(values[..., None], (*values.shape, self.kit.num_classes))
        bits = jax.lax.shift_right_logical(chord, jnp.broadcast_to(jnp.arange(self.kit.num_classes), chord.shape)) & 1
        return (bits == 1) & (chord >= 0)


@functools.lru_cache(maxsize=64)  # so that models of equal codecs are equal, and what is compiled for one serves all
def _make_fields(codec: GridCodec) -> tuple[Field, ...]:
    num = codec.kit.num_classes
    hits = Field("hits", 2**num, chord_features(num), rest=0, sets=np.arange(2**num, dtype=np.int32))
    if not codec.expressive:
        return (hits,)
    loud, late = codec.velocity_bins, codec.offset_bins
    velocity = Field("velocity", loud, scale_features(loud), num, is_expression=True)
    # Rock lies some milliseconds behind the mean of all styles; who asks for rock does not want it twice as late.
    offset = Field("offset", late, scale_features(late), num, is_expression=True, is_guided=False)
    return (hits, velocity, offset)
