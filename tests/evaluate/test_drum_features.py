"""Figures of grooves on constructed bars whose answers are known."""

import numpy as np
import pytest
from bars import ROCK, TOMS, make_song

from drumjax.evaluate.features.drums import accent_profile, bar_patterns, features_of, measure
from drumjax.music.grid_view import excerpt_of
from drumjax.music.kits import ONE_DRUM, ROLAND_TD11

FEATURES = features_of(ROLAND_TD11)


def figures(song):
    """{name: value}."""
    found = measure([excerpt_of(song, ROLAND_TD11)], FEATURES, ROLAND_TD11)[0]
    return dict(zip([feature.name for feature in FEATURES], found, strict=True))


def hats(ratio, velocity=(100, 60)):
    """8ths on the hi-hat; the first of each beat is `ratio` times as long."""
    off = ratio / (1 + ratio)
    return [(beat + part, 42, loud) for beat in range(4) for part, loud in zip((0, off), velocity, strict=True)]


@pytest.mark.parametrize("ratio", [1.0, 1.3, 1.5, 2.0])
def test_swing(ratio):
    assert figures(make_song([hats(ratio)] * 4))["swing ratio"] == pytest.approx(ratio, rel=1e-3)


@pytest.mark.parametrize("late", [0.04, -0.04])
def test_swing_does_not_depend_on_who_is_late(late):
    song = make_song([[(beat + late, *rest) for beat, *rest in hats(1.0)]] * 4)
    assert figures(song)["swing ratio"] == pytest.approx(1, rel=1e-3)


def test_swing_takes_two_eighths():
    """16ths and quarters say nothing of swing."""
    sixteenths = [(beat / 4, 42) for beat in range(16)]
    assert np.isnan(figures(make_song([sixteenths] * 4))["swing ratio"])
    assert np.isnan(figures(make_song([[(beat, 42) for beat in range(4)]] * 4))["swing ratio"])


def test_identical_bars_and_random_ones():
    generator = np.random.default_rng(0)
    pitches = [36, 38, 42, 46, 51]
    random = [
        [(step / 4, pitch) for step in range(16) for pitch in pitches if generator.random() < 0.3] for _ in range(8)
    ]
    loop, noise = figures(make_song([ROCK] * 8)), figures(make_song(random))
    assert (loop["stability"], loop["distinct bars"], loop["backbeat"]) == (1, 1 / 8, 1)
    assert noise["stability"] < 0.35
    assert noise["distinct bars"] == 1
    assert loop["pulse clarity"] == pytest.approx(1, abs=1e-6)
    assert noise["pulse clarity"] < 0.5


def test_half_of_the_hits_in_common():
    found = figures(make_song([ROCK, [*ROCK[:2], (2.5, 36), (3.5, 38)]]))
    assert found["stability"] == pytest.approx(2 / 6)
    assert (found["distinct bars"], found["backbeat"]) == (1, 0.5)


def test_density_by_drum():
    found = figures(make_song([[*ROCK, *TOMS[:3]]] * 2))
    assert found["density"] == 7 / 4
    assert found["density, kick"] == found["density, snare"] == 2 / 4
    assert found["density, ride"] == 0
    assert found["toms and crash"] == pytest.approx(3 / 7)


def test_on_the_beat_and_syncopated():
    steady = [*ROCK, *hats(1)]
    pushed = [(0, 36), (0.75, 36), (1, 38), (1.75, 36), (2.75, 38), *hats(1)]
    straight, syncopated = (figures(make_song([bar] * 4)) for bar in (steady, pushed))
    for name in ("syncopation, LHL", "syncopation, Witek"):
        assert straight[name] == 0
        assert syncopated[name] > 3


def test_laid_back_and_ahead():
    late, early = (figures(make_song([[(beat + shift, 38) for beat in range(4)]] * 2, tempo_bpm=120))
                   for shift in (0.04, -0.04))  # fmt: skip
    assert (late["push"], late["timing error"]) == (pytest.approx(20, abs=0.01), pytest.approx(20, abs=0.01))
    # The first hit of all is before the beginning, and belongs to its first 16th all the same.
    assert (early["push"], early["timing error"]) == (pytest.approx(-20, abs=0.01), pytest.approx(20, abs=0.01))


def test_velocity_and_accents():
    found = figures(make_song([hats(1, (100, 60))] * 2))
    assert (found["velocity"], found["velocity spread"], found["accent"]) == (80, 20, 40)
    profile = accent_profile([excerpt_of(make_song([hats(1, (100, 60))] * 2), ROLAND_TD11)])
    np.testing.assert_array_equal(profile[::2], [100, 60] * 4)
    assert np.isnan(profile[1::2]).all()


def test_patterns_of_one_drum():
    parts = [excerpt_of(make_song([ROCK, ROCK, TOMS]), ROLAND_TD11)]
    kick = bar_patterns(parts, ROLAND_TD11, "kick")
    assert len(kick) == 3
    assert kick[0] == kick[1] != kick[2]


def test_silence_has_no_figures_that_it_cannot_have():
    silent = excerpt_of(make_song([ROCK]), ROLAND_TD11)
    silent = silent._replace(hits=silent.hits & False, velocity=silent.velocity * 0)
    found = dict(zip([f.name for f in FEATURES], measure([silent], FEATURES, ROLAND_TD11)[0], strict=True))
    assert found["density"] == found["syncopation, LHL"] == 0
    assert np.isnan([found[name] for name in ("velocity", "push", "accent", "pulse clarity", "swing ratio")]).all()


def test_one_drum_has_the_figures_it_can_have():
    names = [feature.name for feature in features_of(ONE_DRUM)]
    assert "density" in names
    assert "push" in names
    assert not [name for name in names if "kick" in name or "syncopation" in name]
    plain = [feature.name for feature in features_of(ROLAND_TD11, played=False)]
    assert "velocity" not in plain
    assert "density, kick" in plain
    measure([excerpt_of(make_song([ROCK] * 2), ONE_DRUM)], features_of(ONE_DRUM), ONE_DRUM)
