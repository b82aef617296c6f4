"""What is measured of rhythm: by hand, and as a slow loop over Python sets says."""

import functools
import itertools

import jax
import numpy as np
import pytest
from tiny import THREE_DRUMS, make_context, make_song

from drumjax.config.conditions import CONDITIONS, LEAST_SHARE, TIMEKEEPERS
from drumjax.data.corpus import max_notes, pack, window_at
from drumjax.data.starter import starter_songs
from drumjax.models.conditioning import measure
from drumjax.models.rhythm import HEARD_VELOCITY, MIN_KEPT
from drumjax.music.kits import ONE_DRUM, ROLAND_TD11
from drumjax.music.metre import METRES
from drumjax.music.notes import EARLY_BEAT, Notes, Window

MAX_BEATS = 16
NUM_NOTES = 16
PITCHES = tuple(pitch for pitches in ROLAND_TD11.pitches for pitch in pitches)
NAMES = ("steadiness", "backbeat", "timekeeper")
KICK, SNARE, HAT, OPEN, RIDE, CRASH, TOM = 36, 38, 42, 46, 51, 49, 43


def measure_all(songs, starts, kit=ROLAND_TD11, memory_beats=8):
    """Contexts of the windows of MAX_BEATS beats of songs [n] from starts [n] on, and the windows."""
    corpus = jax.device_put(pack(songs))
    num_notes = max_notes(pack(songs), MAX_BEATS + memory_beats)

    @jax.jit
    def found(song, start):
        window = window_at(corpus, song, start, MAX_BEATS, num_notes, memory_beats)
        return window, measure(window, kit, MAX_BEATS).context

    windows, contexts = jax.vmap(found)(np.arange(len(songs)), np.asarray(starts, np.int32))
    return jax.tree.map(np.asarray, contexts), jax.tree.map(np.asarray, windows)


def slowly(window, i, kit):
    """(steadiness, backbeat, timekeeper) of window number i, from its notes in the song."""
    notes, num_beats = jax.tree.map(lambda x: x[i], window.notes), float(window.num_beats[i])
    bar_beats, start = float(window.context.beats_per_bar[i]), float(window.context.start_beat[i])
    table = kit.class_table()
    loudest = {}
    for onset, pitch, velocity, there in zip(notes.onset_beat, notes.pitch, notes.velocity, notes.mask, strict=True):
        if there and -EARLY_BEAT <= onset < num_beats and table[pitch] >= 0:
            hit = int(np.floor((start + onset) * 4 + 0.5)), kit.names[table[pitch]]
            loudest[hit] = max(loudest.get(hit, 0), velocity)
    bars = [bar for bar in range(1000) if start <= bar * bar_beats and (bar + 1) * bar_beats <= start + num_beats]
    length = bar_beats * 4
    sets = [
        {(step - bar * length, drum) for step, drum in loudest if bar * length <= step < (bar + 1) * length}
        for bar in bars
    ]
    alike = [len(a & b) / len(a | b) if a | b else 1.0 for a, b in itertools.pairwise(sets)]
    steadiness = max(np.mean(alike), LEAST_SHARE) if alike else 0
    backbeat = 0.0
    if "snare" in kit.names and METRES[window.context.metre[i]] == (4, 4) and bars:
        heard = {step for (step, drum), velocity in loudest.items() if drum == "snare" and velocity >= HEARD_VELOCITY}
        two, three, four = ([16 * bar + 4 * beat in heard for bar in bars] for beat in (1, 2, 3))
        backbeat = np.mean([(a and c) or b for a, b, c in zip(two, three, four, strict=True)])
        backbeat = max(float(backbeat), LEAST_SHARE)
    eighths = range(int(start * 4), int(np.ceil((start + num_beats) * 4)), 2)
    counts = [sum(any((step, d) in loudest for d in drums) for step in eighths) for drums in TIMEKEEPERS.values()]
    best = int(np.argmax(counts))
    return steadiness, backbeat, best + 1 if counts[best] >= MIN_KEPT * max(len(eighths), 1) else 4


def check(songs, starts, kit=ROLAND_TD11):
    contexts, windows = measure_all(songs, starts, kit)
    expected = np.asarray([slowly(windows, i, kit) for i in range(len(songs))])
    for name, column in zip(NAMES, expected.T, strict=True):
        if set(CONDITIONS[name].drums) <= set(kit.names):
            np.testing.assert_allclose(getattr(contexts, name), column, rtol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(getattr(contexts, name), 0)
    return expected


@pytest.mark.parametrize("kit", [ROLAND_TD11, THREE_DRUMS, ONE_DRUM], ids=lambda kit: kit.name)
def test_random_windows_of_all_metres(kit):
    rng = np.random.default_rng(0)
    metres = [*METRES[1:], (4, 4), (4, 4), (4, 4)]
    songs = [
        make_song(i, int(rng.integers(1, 9)), metres[i % len(metres)], notes_per_beat=6, pitches=PITCHES)
        for i in range(60)
    ]
    starts = [rng.integers(0, max(1, int(song.num_bars * song.beats_per_bar) - 1)) for song in songs]
    expected = check(songs, starts, kit)
    assert (expected[:, 0] == 0).any()
    assert (expected[:, 0] > 0).any()


def test_windows_of_the_starter_grooves():
    songs = starter_songs()[::3]
    rng = np.random.default_rng(1)
    expected = check(songs, [rng.integers(0, 8) for _ in songs])
    assert set(expected[:, 2]) >= {1, 2}
    assert (expected[:, 1] > 0.9).any()


def test_jit_and_vmap_say_the_same_as_neither():
    songs = [make_song(i, 4, pitches=PITCHES) for i in range(3)]
    contexts, windows = measure_all(songs, [0, 1, 5])
    for i in range(3):
        alone = measure(jax.tree.map(lambda x, i=i: x[i], windows), ROLAND_TD11, MAX_BEATS).context
        for name in NAMES:
            np.testing.assert_allclose(getattr(contexts, name)[i], getattr(alone, name), rtol=1e-6)


@functools.cache
def compiled(kit):
    return jax.jit(lambda window: measure(window, kit, MAX_BEATS).context)


def measured(*hits, bars=1, metre=(4, 4), start=0, velocity=90, kit=ROLAND_TD11):
    """The context of a song of (beat, pitch) hits, and a tom in the last 16th of so many bars, from `start` on."""
    beats = bars * 4 * metre[0] / metre[1]
    onset, pitch = zip(*sorted((*hits, (beats - 0.25, TOM))), strict=True)
    size = len(onset)
    notes = Notes(*(np.zeros(NUM_NOTES, kind) for kind in (np.float32, np.float32, np.int32, np.int32, bool)))
    notes.onset_beat[:size] = np.asarray(onset) - start
    notes.pitch[:size], notes.velocity[:size], notes.mask[:size] = pitch, velocity, True
    context = make_context(time_signature=metre, start_beat=start)
    return compiled(kit)(Window(notes, context, np.float32(beats - start)))


def test_the_same_bar_again_is_steady_and_another_is_not():
    bar = ((0, KICK), (1, SNARE), (3.75, TOM))
    again = [(4 + beat, pitch) for beat, pitch in bar]
    assert measured(*bar, *again, bars=2).steadiness == 1
    # Of (kick, snare, tom) and (kick, tom) two of three are common.
    assert measured(*bar, again[0], bars=2).steadiness == pytest.approx(2 / 3)
    assert measured((0, KICK), (5, SNARE), bars=2).steadiness == LEAST_SHARE  # nothing is: known all the same
    assert measured(*bar).steadiness == 0  # one bar is like nothing
    assert measured(*bar, *again, bars=2, start=1).steadiness == 0  # nor is one, and the end of another


def test_early_hits_belong_to_the_bar_that_they_anticipate():
    steady = measured((0, KICK), (3.9, KICK), (3.75, TOM), bars=2)
    assert steady.steadiness == 1
    assert measured((3.9, KICK), (8, KICK), (7.75, TOM), bars=3, start=4).steadiness == pytest.approx(1)


def test_silent_bars_are_alike():
    assert measured(bars=4, metre=(2, 4)).steadiness == pytest.approx(2 / 3)


def test_bars_of_no_whole_number_of_16ths_are_not_compared():
    assert measured((0, KICK), (0.375, KICK), (0.75, KICK), (3, KICK), bars=12, metre=(3, 32)).steadiness == 0


@pytest.mark.parametrize(
    ("hits", "velocity", "share"),
    [
        (((1, SNARE), (3, SNARE)), 90, 1),
        (((1, SNARE), (3, 37)), 90, 1),  # a side stick counts
        (((2, SNARE),), 90, 1),  # half-time
        (((1, SNARE),), 90, LEAST_SHARE),
        (((1, SNARE), (3, SNARE)), HEARD_VELOCITY - 1, LEAST_SHARE),  # ghost notes
        (((1, SNARE), (3, SNARE)), HEARD_VELOCITY, 1),
        (((1, KICK), (3, KICK)), 90, LEAST_SHARE),
        (((0.9, SNARE), (3.1, SNARE)), 90, 1),
        (((0.8, SNARE), (3, SNARE)), 90, LEAST_SHARE),
    ],
)
def test_a_backbeat(hits, velocity, share):
    assert measured(*hits, velocity=velocity).backbeat == np.float32(share)


def test_the_share_of_bars_with_a_backbeat():
    assert measured((1, SNARE), (3, SNARE), (6, SNARE), bars=4).backbeat == 0.5
    # From the second beat on, the first whole bar is the second.
    assert measured((1, SNARE), (3, SNARE), bars=2, start=1).backbeat == np.float32(LEAST_SHARE)
    assert measured((5, SNARE), (7, SNARE), bars=2, start=1).backbeat == 1


def test_backbeat_is_unknown_in_other_metres_and_kits():
    hits = (1, SNARE), (3, SNARE)
    for metre in ((3, 4), (2, 2), (12, 8)):
        assert measured(*hits, bars=2, metre=metre).backbeat == 0
    assert measured(*hits, start=1, bars=1).backbeat == 0
    assert measured(*hits, kit=ONE_DRUM).backbeat == measured(*hits, kit=None).backbeat == 0


@pytest.mark.parametrize(
    ("hits", "keeps"),
    [
        ([(beat, HAT) for beat in range(4)], "hi-hat"),
        ([(0, HAT), (1, OPEN), (1.5, OPEN), (2, RIDE), (3, RIDE)], "hi-hat"),  # open or closed
        ([(beat, RIDE) for beat in range(4)] + [(1, HAT), (3, HAT)], "ride"),
        ([(beat / 2, CRASH) for beat in range(8)], "crash"),
        ([(0, HAT), (2, HAT)], "hi-hat"),
        ([(0, CRASH)], "none"),
        ([(beat / 2 + 0.25, HAT) for beat in range(7)], "none"),  # off the 8ths
        ([(beat / 2, TOM) for beat in range(7)], "none"),
    ],
)
def test_the_timekeeper(hits, keeps):
    assert CONDITIONS["timekeeper"].rows[int(measured(*hits).timekeeper)] == keeps


def test_steadiness_of_a_pitched_instrument_is_that_of_its_rhythm():
    context = measured((0, 60), (1, 62), (3.75, 64), (4, 72), (5, 30), bars=2, kit=None)
    assert context.steadiness == 1
    assert (context.backbeat, context.timekeeper) == (0, 0)
    assert "snare" not in ONE_DRUM.names


def test_what_was_before_the_window_does_not_count():
    hits = [(beat, HAT) for beat in range(8)] + [(8 + beat, RIDE) for beat in range(2)]
    assert measured(*hits, bars=4).timekeeper == 1
    assert measured(*hits, bars=3, start=8).timekeeper == 2
