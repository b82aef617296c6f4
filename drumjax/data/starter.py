"""The starter grooves: a small synthetic corpus bundled with the package, so that everything runs without a download.

`starter_grooves/*.tab` holds short grooves and fills written for drumjax. `starter_songs` arranges them into songs and
plays them somewhat like a person: a groove repeats with a kick or ghost note more or less, a fill ends each phrase and
a crash follows it, accents fall on the beat, and no hit is quite on time. Nobody performed these songs.

Both splits are made of the same grooves, in other variations. So validation figures on this corpus say that a model
learns, not how well it generalises, and cannot be compared with those of real performances.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from drumjax.data.starter_tabs import Bar, Groove, Hit, fills_for, read_grooves
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import FILL_NO, Song, make_notes
from drumjax.music.tab import ACCENT, GHOST, NORMAL

# One song in seven is for validation; 7 has no factor in common with the songs per groove, so all grooves take turns.
VALIDATION_EVERY = 7
TEMPO_SPREAD = 0.08  # songs are up to this much slower or faster than their groove
JITTER_MS, JITTER_VELOCITY, SONG_VELOCITY = 9.0, 5.0, 5.0  # standard deviations, per hit, per hit and per song

KICK, SNARE, CLOSED, OPEN, LOW, MID, HIGH, CRASH, RIDE = ROLAND_TD11.write
# By drum: how late (ms) and how loud (MIDI velocity) it is against what is written. Drummers push the hands and lay
# back the snare; cymbals are struck lighter than drums.
_LATE_MS = {KICK: -2.0, SNARE: 3.0, CLOSED: -4.0, OPEN: -4.0, RIDE: -4.0, CRASH: 0.0, LOW: -1.0, MID: -1.0, HIGH: -1.0}
_LOUDER = {KICK: 2, SNARE: 4, CLOSED: -8, OPEN: -4, RIDE: -6, CRASH: 0, LOW: 2, MID: 2, HIGH: 2}
_CRASH_CHANCE = {"jazz": 0.3, "hiphop": 0.3, "latin": 0.5, "reggae": 0.5, "afrocuban": 0.4}
_RIDES = ("rock", "pop", "punk", "country", "soul")  # styles that may swap the hi-hat for the ride, or thin it out


class _Dice:
    """Random numbers that stay the same on every platform and NumPy release.

    Only Generator.random is used, a plain function of PCG64's bits; the other distributions may change (NEP 19).
    """

    def __init__(self, *seeds: int):
        self.generator = np.random.Generator(np.random.PCG64(seeds))

    def chance(self, probability: float) -> bool:
        return bool(self.generator.random() < probability)

    def pick(self, choices: Sequence):
        return choices[int(self.generator.random() * len(choices))]

    def bell(self, size: int) -> np.ndarray:
        """[size] of mean 0 and standard deviation 1, never beyond 3.5: nearly normal, from four uniform numbers."""
        return (self.generator.random((4, size)).sum(0) - 2.0) * np.sqrt(3.0)


def starter_songs(seed: int = 0, songs_per_groove: int = 4) -> list[Song]:
    """Synthetic songs of 16 to 32 bars on every starter groove, the same for the same seed (>= 0).

    Named starter/<file>/<title>/<number>, in the style, metre and roughly the tempo of the groove, with split "train"
    or "validation" and drummer "synthetic". Raises ValueError for a negative seed.
    """
    if seed < 0:
        raise ValueError(f"the seed of the starter songs must be 0 or more, not {seed}")
    songs: list[Song] = []
    for groove in read_grooves():
        for number in range(songs_per_groove):
            split = "validation" if len(songs) % VALIDATION_EVERY == VALIDATION_EVERY // 2 else "train"
            # Seeded by name, so that a groove's songs stay as they are when another groove comes or goes.
            dice = _Dice(seed, zlib.crc32(groove.name.encode()), number)
            songs.append(_play(groove, _arrange(groove, dice), dice, f"starter/{groove.name}/{number}", split))
    return songs


def _arrange(groove: Groove, dice: _Dice) -> list[Bar]:
    """16 to 32 bars: phrases of the groove that end with a fill, a crash after each."""
    bars = [_vary(bar, groove.grid, dice) if dice.chance(0.5) else bar for bar in groove.bars]
    fits = fills_for(groove.song.time_signature, groove.triplet, groove.song.style, groove.swing)
    fills = [dice.pick(fits) for _ in range(2)] if fits else []
    crash_chance = _CRASH_CHANCE.get(groove.song.style, 0.9)
    num_bars, phrase = dice.pick((16, 24, 32)), dice.pick((4, 8))
    free = groove.song.style in _RIDES and groove.song.time_signature[1] == 4
    hats = [dice.pick((_same, _same, _thin_hats, _to_ride) if free else (_same,)) for _ in range(2)]
    song: list[Bar] = []
    for i in range(num_bars):
        bar = hats[2 * i // num_bars](bars[i % len(bars)])  # another sound for the second half, as for a chorus
        if fills and (i + 1) % phrase == 0:
            bar = _with_fill(bar, dice.pick(fills), 0.0 if dice.chance(0.6) else groove.song.beats_per_bar / 2)
        elif dice.chance(0.12):
            bar = _vary(bar, groove.grid, dice)
        if i % phrase == 0 and dice.chance(crash_chance):
            bar = _with_crash(bar)
        song.append(bar)
    return song


def _vary(bar: Bar, grid: Sequence[float], dice: _Dice) -> Bar:
    """The bar with one small change, if there is room for it."""
    return dice.pick((_drop_kick, _add_kick, _add_ghost, _open_hat))(bar, grid, dice)


def _drop_kick(bar: Bar, grid: Sequence[float], dice: _Dice) -> Bar:
    kicks = [hit for hit in bar if hit.pitch == KICK and hit.beat > 0.01]
    dropped = dice.pick(kicks) if kicks else None
    return tuple(hit for hit in bar if hit != dropped)


def _add_kick(bar: Bar, grid: Sequence[float], dice: _Dice) -> Bar:
    free = _free(bar, grid)
    return (*bar, Hit(dice.pick(free), KICK, NORMAL)) if free else bar


def _add_ghost(bar: Bar, grid: Sequence[float], dice: _Dice) -> Bar:
    free = [beat for beat in _free(bar, grid) if beat > 0.01]
    return (*bar, Hit(dice.pick(free), SNARE, GHOST)) if free else bar


def _free(bar: Bar, grid: Sequence[float]) -> list[float]:
    """The cells where neither kick nor snare plays."""
    taken = [hit.beat for hit in bar if hit.pitch in (KICK, SNARE)]
    return [beat for beat in grid if all(abs(beat - other) > 0.01 for other in taken)]


def _open_hat(bar: Bar, grid: Sequence[float], dice: _Dice) -> Bar:
    """The last closed hi-hat of the bar open."""
    last = max((hit.beat for hit in bar if hit.pitch == CLOSED), default=-1.0)
    return tuple(hit._replace(pitch=OPEN) if hit.pitch == CLOSED and hit.beat == last else hit for hit in bar)


def _same(bar: Bar) -> Bar:
    return bar


def _thin_hats(bar: Bar) -> Bar:
    """Hi-hats on the beats only."""
    return tuple(hit for hit in bar if hit.pitch != CLOSED or abs(hit.beat - round(hit.beat)) < 0.01)


def _to_ride(bar: Bar) -> Bar:
    """The hi-hat's part on the ride, if the ride has none."""
    if any(hit.pitch == RIDE for hit in bar):
        return bar
    return tuple(hit._replace(pitch=RIDE) if hit.pitch in (CLOSED, OPEN) else hit for hit in bar)


def _with_fill(bar: Bar, fill: Bar, start: float) -> Bar:
    return tuple(hit for hit in bar if hit.beat < start - 0.01) + tuple(hit for hit in fill if hit.beat >= start - 0.01)


def _with_crash(bar: Bar) -> Bar:
    """A crash and a kick on the first beat, in place of what the cymbals play there."""
    rest = [hit for hit in bar if hit.beat > 0.01 or hit.pitch not in (CLOSED, OPEN, RIDE, CRASH, KICK)]
    return (Hit(0.0, CRASH, ACCENT), Hit(0.0, KICK, NORMAL), *rest)


def _play(groove: Groove, bars: list[Bar], dice: _Dice, name: str, split: str) -> Song:
    """The bars as a person might play them: tempo, accents by position, and no two hits alike."""
    song = groove.song
    tempo_bpm = float(round(song.tempo_bpm * (1 + TEMPO_SPREAD * (2 * float(dice.generator.random()) - 1))))
    beat = np.array([hit.beat for bar in bars for hit in bar])
    bar_beat = np.repeat(np.arange(len(bars)) * song.beats_per_bar, [len(bar) for bar in bars])
    pitch = np.array([hit.pitch for bar in bars for hit in bar])
    velocity = np.array([hit.velocity for bar in bars for hit in bar], float)

    late_ms = np.array([_LATE_MS[p] for p in pitch.tolist()]) + JITTER_MS * dice.bell(len(beat))
    onset = np.maximum(bar_beat + beat + late_ms * tempo_bpm / 60_000, 0.0)

    # What falls on a beat is louder than on an eighth, and that than what lies between; most so on hi-hat and ride. The
    # beat that is felt in 6/8, 9/8 and 12/8 is a dotted quarter.
    depth = np.where(np.isin(pitch, (CLOSED, OPEN, RIDE)), 1.0, 0.4)
    felt_beat = 1.5 if song.time_signature in ((6, 8), (9, 8), (12, 8)) else 1.0
    on_beat, on_eighth = (np.abs(beat / unit - np.round(beat / unit)) < 0.02 for unit in (felt_beat, 0.5))
    velocity += depth * np.where(on_beat, 6, np.where(on_eighth, -4, -9))
    velocity += np.array([_LOUDER[p] for p in pitch.tolist()]) + SONG_VELOCITY * dice.bell(1)[0]
    velocity = np.clip(np.round(velocity + JITTER_VELOCITY * dice.bell(len(beat))), 1, 127)

    notes = make_notes(onset, np.full(len(onset), 0.25), pitch, velocity)
    return Song(notes, tempo_bpm, song.time_signature, song.style, FILL_NO, True, name, split, "synthetic")
