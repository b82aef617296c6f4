"""How syncopated a bar of 4/4 is, by two published measures. Both count per bar, on 16 steps."""

import numpy as np

# Depth in the tree of halves: the bar, the half bar, the beat, the 8th, the 16th.
LHL_WEIGHTS = np.asarray([0, -4, -3, -4, -2, -4, -3, -4, -1, -4, -3, -4, -2, -4, -3, -4])
# Beats weigh alike but for the first, and 8ths and 16ths follow.
WITEK_WEIGHTS = np.asarray([0, -3, -2, -3] + 3 * [-1, -3, -2, -3])
# How much stronger a syncopation is felt by what sounds on the stronger step.
KICK_AGAINST_SNARE, SNARE_AGAINST_KICK, AGAINST_CYMBALS, AGAINST_REST = 2, 1, 5, 6


def longuet_higgins_lee(line: np.ndarray) -> float:
    """Of one drum's bars [n, 16] bool: strength per bar.

    Longuet-Higgins & Lee, "The rhythmic interpretation of monophonic music", Music Perception 1984: a bar is split in
    halves until each part is a rest or begins with its only note. A rest at least as strong as the note before it is a
    syncopation, of the strength of the rest less that of the note. The note may lie in the bar before.
    """
    note, strength = None, 0
    for bar in line:
        for place, is_note in _split(bar, 0):
            weight = int(LHL_WEIGHTS[place])
            if is_note:
                note = weight
            elif note is not None and weight >= note:
                strength += weight - note
    return strength / len(line)


def _split(part: np.ndarray, start: int) -> list[tuple[int, bool]]:
    """(its place in the bar, whether it is a note) of each leaf of the tree, in order of time."""
    if not part[1:].any():
        return [(start, bool(part[0]))]
    half = len(part) // 2
    return _split(part[:half], start) + _split(part[half:], start + half)


def witek(kick: np.ndarray, snare: np.ndarray, cymbals: np.ndarray) -> float:
    """Of the bars [n, 16] bool of three streams that are heard against each other: strength per bar.

    Witek et al., "Syncopation, body-movement and pleasure in groove music", PLoS ONE 2014: where kick or snare is hit,
    and what follows on a step at least as strong is another stream (or, on a stronger one, silence), the strength is
    that of the step that follows, less that of the hit, plus how much the streams differ: 2 for the kick against the
    snare, 1 for the snare against the kick, 5 for either against hi-hat or ride alone. For silence we add 6, as
    Bruford et al. (GrooveToolbox, 2020) do. The bars are heard as a loop.
    """
    streams = np.stack([kick.reshape(-1), snare.reshape(-1), cymbals.reshape(-1)], axis=1)
    weight = np.tile(WITEK_WEIGHTS, len(kick))
    sounding = np.flatnonzero(streams.any(axis=1))
    strength = 0
    for i, j in zip(sounding, np.roll(sounding, -1), strict=True):
        between = np.arange(i + 1, j if j > i else j + len(weight)) % len(weight)
        rest = weight[between].max(initial=-9)
        for stream, other, felt in ((0, 1, KICK_AGAINST_SNARE), (1, 0, SNARE_AGAINST_KICK)):
            if not streams[i, stream]:
                continue
            if rest > weight[i]:
                strength += rest - weight[i] + AGAINST_REST
            elif not streams[j, stream] and weight[j] >= weight[i]:
                strength += weight[j] - weight[i] + (felt if streams[j, other] else AGAINST_CYMBALS)
    return float(strength) / len(kick)
