"""Settings that suit a dataset, with the reason for each."""

import collections
import shlex
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from drumjax.config.settings import Settings
from drumjax.explore.grid_loss import GRIDS, lost_hits
from drumjax.explore.pitches import best_kit, count_pitches, unmapped_share
from drumjax.music.kits import Kit
from drumjax.music.notes import FILL_YES, Song
from drumjax.report.tables import Table

# A grid may lose this share of the notes; a kit may not know this share.
MAX_LOST, MAX_UNMAPPED = 0.08, 0.01
# Windows that most training songs fill.
WINDOW_BEATS = (64, 32, 16, 8, 4)


class Advice(NamedTuple):
    """A setting, its value, and why."""

    setting: str
    value: str
    reason: str


def advise(songs: Sequence[Song], settings: Settings, kit: Kit | None) -> list[Advice]:
    """What to set for these songs."""
    advice = []
    if kit:
        counts = count_pitches(songs)
        better = best_kit(counts)
        mine, best = unmapped_share(counts, kit), unmapped_share(counts, better)
        if kit.num_classes > 1 and mine > max(MAX_UNMAPPED, 2 * best):
            reason = f"{kit.name} does not know {100 * mine:.1f}% of the notes, {better.name} {100 * best:.1f}%"
            advice.append(Advice("codec.kit", better.name, reason))
    if settings.codec.name == "grid":
        losses = {grid: lost_hits(songs, grid, kit) for grid in GRIDS}
        grid = next((grid for grid in GRIDS if losses[grid] <= MAX_LOST), GRIDS[-1])
        advice.append(Advice("codec.steps_per_beat", str(grid), f"loses {100 * losses[grid]:.1f}% of the notes"))
    train = [song for song in songs if song.split == "train" and song.fill != FILL_YES] or list(songs)
    beats = np.asarray([song.num_bars * song.beats_per_bar for song in train])
    covered = [beats[beats >= window].sum() / beats.sum() for window in WINDOW_BEATS]
    window = next((w for w, share in zip(WINDOW_BEATS, covered, strict=True) if share >= 0.75), WINDOW_BEATS[-1])
    advice.append(Advice("train.window_beats", str(window), "three quarters of what there is comes in songs as long"))
    t = settings.train
    windows = beats.sum() / window
    if t.window_notes:
        windows = max(windows, sum(len(song.notes.pitch) for song in train) / t.window_notes)
    passes = t.num_steps * t.batch_size / max(windows, 1)
    if not 10 <= passes <= 60:
        num_steps = max(50, round(30 * windows / t.batch_size / 50) * 50)
        reason = f"{settings.train.num_steps} steps would go through these songs {passes:.0f} times; about 30 is usual"
        advice.append(Advice("train.num_steps", str(num_steps), reason))
    style, count = collections.Counter(song.style for song in train).most_common(1)[0]
    if style:
        advice.append(Advice("sample.style", style, f"the commonest: {count} songs"))
    tempo = float(np.median([song.tempo_bpm for song in train]))
    advice.append(Advice("sample.bpm", f"{tempo:.0f}.0", "the median tempo"))
    return advice


def make_table(advice: Sequence[Advice]) -> Table:
    """As a table, and as flags to copy."""
    rows = [["setting", "value", "because"], *([a.setting, a.value, a.reason] for a in advice)]
    flags = " ".join(f"--config.{a.setting}={shlex.quote(a.value)}" for a in advice)
    return Table("Settings that suit", flags, rows)
