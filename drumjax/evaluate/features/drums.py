"""What a drummer would say of some bars, as numbers: how busy, how syncopated, how swung, how loud, how steady.

Every figure is of one excerpt in 4/4, and NaN where the excerpt does not say (no swing without off-beats).
"""

from collections.abc import Callable

import numpy as np

from drumjax.evaluate.features.feature import Feature
from drumjax.evaluate.features.syncopation import longuet_higgins_lee, witek
from drumjax.music.grid_view import STEPS_PER_BEAT, Excerpt
from drumjax.music.kits import Kit

BAR_STEPS = 4 * STEPS_PER_BEAT
# What keeps time: swing is heard in it, and syncopation against it.
TIMEKEEPERS = ("closed hi-hat", "open hi-hat", "ride")
# An off-beat 8th lies here in its beat: straight at 0.5, in triplets at 0.667.
OFF_BEAT = (0.42, 0.8)


def density(excerpt: Excerpt, kit: Kit) -> float:
    return float(excerpt.hits.sum()) / _beats(excerpt)


def density_of(voice: str) -> Callable[[Excerpt, Kit], float]:
    return lambda excerpt, kit: float(_voice(excerpt.hits, kit, voice).sum()) / _beats(excerpt)


def syncopation_of_line(excerpt: Excerpt, kit: Kit) -> float:
    return longuet_higgins_lee(_voice(excerpt.hits, kit, "kick") | _voice(excerpt.hits, kit, "snare"))


def syncopation_between(excerpt: Excerpt, kit: Kit) -> float:
    cymbals = np.any([_voice(excerpt.hits, kit, name) for name in TIMEKEEPERS], axis=0)
    return witek(_voice(excerpt.hits, kit, "kick"), _voice(excerpt.hits, kit, "snare"), cymbals)


def swing_ratio(excerpt: Excerpt, kit: Kit) -> float:
    """Median over the beats whose timekeeper plays two 8ths, the second alone between the beats."""
    beat_ms = 60_000 / excerpt.tempo_bpm
    keeper = np.stack([_voice(excerpt.hits, kit, name) for name in TIMEKEEPERS], axis=-1).reshape(-1, 4, 3)
    late = np.stack([_voice(excerpt.offset_ms, kit, name) for name in TIMEKEEPERS], axis=-1).reshape(-1, 4, 3)
    onset = np.arange(4)[None, :, None] / 4 + late / beat_ms
    ratios = []
    for hit, place in zip(keeper, onset, strict=True):
        off = place[1:][hit[1:]]
        if not hit[0].any() or len(off) != 1:
            continue
        length = off[0] - place[0][hit[0]].mean()  # of the first 8th: a drummer who is late is so at both
        if OFF_BEAT[0] <= length <= OFF_BEAT[1]:
            ratios.append(length / (1 - length))
    return float(np.median(ratios)) if len(ratios) >= 4 else np.nan


def push_ms(excerpt: Excerpt, kit: Kit) -> float:
    return _mean(excerpt.offset_ms[excerpt.hits])


def timing_error_ms(excerpt: Excerpt, kit: Kit) -> float:
    return _mean(np.abs(excerpt.offset_ms[excerpt.hits]))


def velocity_mean(excerpt: Excerpt, kit: Kit) -> float:
    return _mean(excerpt.velocity[excerpt.hits])


def velocity_spread(excerpt: Excerpt, kit: Kit) -> float:
    loud = excerpt.velocity[excerpt.hits]
    return float(loud.std()) if len(loud) > 1 else np.nan


def accent(excerpt: Excerpt, kit: Kit) -> float:
    on_beat = np.zeros_like(excerpt.hits)
    on_beat[:, ::STEPS_PER_BEAT] = True
    return _mean(excerpt.velocity[excerpt.hits & on_beat]) - _mean(excerpt.velocity[excerpt.hits & ~on_beat])


def pulse_clarity(excerpt: Excerpt, kit: Kit) -> float:
    """The highest autocorrelation of the summed velocities at lags from a beat to two bars."""
    loud = excerpt.velocity.sum(axis=2).reshape(-1)
    loud = loud - loud.mean()
    power = float(np.sum(loud**2))
    lags = range(STEPS_PER_BEAT, min(2 * BAR_STEPS, len(loud) // 2) + 1)
    if power == 0:
        return np.nan
    return max(float(np.mean(loud[lag:] * loud[:-lag])) for lag in lags) * len(loud) / power


def stability(excerpt: Excerpt, kit: Kit) -> float:
    if len(excerpt.hits) < 2:
        return np.nan
    both = (excerpt.hits[1:] & excerpt.hits[:-1]).sum(axis=(1, 2))
    either = (excerpt.hits[1:] | excerpt.hits[:-1]).sum(axis=(1, 2))
    return float(np.mean(np.where(either > 0, both / np.maximum(either, 1), 1.0)))


def distinct(excerpt: Excerpt, kit: Kit) -> float:
    return len({bar.tobytes() for bar in excerpt.hits}) / len(excerpt.hits)


def backbeat(excerpt: Excerpt, kit: Kit) -> float:
    snare = _voice(excerpt.hits, kit, "snare")
    return float(np.mean(snare[:, STEPS_PER_BEAT] & snare[:, 3 * STEPS_PER_BEAT]))


def toms_and_crash(excerpt: Excerpt, kit: Kit) -> float:
    named = [k for k, name in enumerate(kit.names) if "tom" in name or name == "crash"]
    return float(excerpt.hits[..., named].sum()) / max(int(excerpt.hits.sum()), 1)


def features_of(kit: Kit, *, played: bool = True) -> tuple[Feature, ...]:
    """All figures that the kit has the drums for; without those of how hits are `played` (velocity and timing), where
    a model knows no more."""
    is_set = {"kick", "snare", *TIMEKEEPERS} <= set(kit.names)
    hits = [
        Feature("density", "hits/beat", "at most one per drum and 16th", density),
        Feature("stability", "0..1", "hits that neighbouring bars share, of those in either", stability),
        Feature("distinct bars", "0..1", "share of different bars", distinct),
    ]
    how = [
        Feature("push", "ms", "mean lateness against the 16th; below 0 is ahead", push_ms),
        Feature("timing error", "ms", "mean distance from the 16th", timing_error_ms),
        Feature("velocity", "1..127", "mean", velocity_mean),
        Feature("velocity spread", "1..127", "standard deviation", velocity_spread),
        Feature("accent", "1..127", "how much louder hits on the beat are than the others", accent),
        Feature("pulse clarity", "0..1", "highest autocorrelation of loudness; Lartillot et al. 2008", pulse_clarity),
    ]
    if is_set:
        hits += [
            *(Feature(f"density, {name}", "hits/beat", f"{name} alone", density_of(name)) for name in kit.names),
            Feature("syncopation, LHL", "per bar", "kick and snare as one line; Longuet-Higgins & Lee 1984",
                    syncopation_of_line),
            Feature("syncopation, Witek", "per bar", "kick and snare against the rest; Witek et al. 2014",
                    syncopation_between),
            Feature("backbeat", "0..1", "bars with a snare on 2 and on 4", backbeat),
            Feature("toms and crash", "0..1", "share of the hits", toms_and_crash),
        ]  # fmt: skip
        how.append(Feature("swing ratio", "1..2", "long to short 8th: 1 straight, 2 triplets; Friberg & Sundström 2002",
                           swing_ratio))  # fmt: skip
    return (*hits, *how) if played else tuple(hits)


def measure(excerpts: list[Excerpt], features: tuple[Feature, ...], kit: Kit) -> np.ndarray:
    """[excerpts, features]."""
    rows = [[feature.measure(excerpt, kit) for feature in features] for excerpt in excerpts]
    return np.asarray(rows, float).reshape(len(excerpts), len(features))


def bar_patterns(excerpts: list[Excerpt], kit: Kit, voice: str) -> list[bytes]:
    """The rhythm of one drum in each bar of all excerpts."""
    return [bar.tobytes() for excerpt in excerpts for bar in _voice(excerpt.hits, kit, voice)]


def accent_profile(excerpts: list[Excerpt]) -> np.ndarray:
    """[16] mean velocity of the hits at each 16th of the bar, NaN where there are none."""
    velocity = np.concatenate([excerpt.velocity for excerpt in excerpts])
    count = (velocity > 0).sum(axis=(0, 2))
    return np.where(count > 0, velocity.sum(axis=(0, 2)) / np.maximum(count, 1), np.nan)


def _voice(cells: np.ndarray, kit: Kit, voice: str) -> np.ndarray:
    """[bars, steps] of cells [bars, steps, drums]."""
    return cells[:, :, kit.names.index(voice)]


def _beats(excerpt: Excerpt) -> float:
    return excerpt.hits.shape[0] * excerpt.hits.shape[1] / STEPS_PER_BEAT


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan
