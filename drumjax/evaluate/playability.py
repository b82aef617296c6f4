"""The drummer's verdict on a run: of pieces asked for as a user would, how many hold a beat, how various they are."""

import jax

from drumjax.evaluate.features.playable import Playability, has_needed_drums, judge
from drumjax.music.grid_view import NUM_BARS, excerpt_of
from drumjax.music.notes import Song
from drumjax.runs.run import Run
from drumjax.sampling.blocks import play
from drumjax.sampling.controls import make_controls
from drumjax.sampling.piece import Piece

TEMPOS_BPM = (70.0, 100.0, 130.0, 160.0)
NUM_PIECES = 256
BATCH = 64  # of one tempo


def can_be_judged(run: Run) -> bool:
    """Whether the figures make sense: a drum kit with all that is looked for, in 4/4."""
    known = run.time_signatures
    return run.codec.kit is not None and has_needed_drums(run.codec.kit) and (not known or "4/4" in known)


def play_as_asked(run: Run, seed: int = 0, num_pieces: int = NUM_PIECES) -> list[Song]:
    """Pieces of 8 bars in 4/4 by the run's own defaults, a quarter of them at each of the tempos; in its own style, or
    rock where it has none and knows it."""
    style = run.settings.sample.style or ("rock" if "rock" in run.styles else "")
    each = -(-num_pieces // len(TEMPOS_BPM))
    songs: list[Song] = []
    for i, bpm in enumerate(TEMPOS_BPM):
        controls = make_controls(
            run.settings.sample, run.codec.fields, style=style, bpm=bpm, bars=NUM_BARS, time_signature="4/4"
        )
        for first in range(0, each, BATCH):
            number = range(i * each + first, i * each + first + BATCH)
            some = play(run, jax.random.key(seed), [Piece(controls)] * BATCH, number)
            songs += some[: each - first]
    return songs[:num_pieces]


def judge_run(run: Run, seed: int = 0) -> Playability:
    """The figures of what the run plays as asked for."""
    assert run.codec.kit is not None
    return judge([excerpt_of(song, run.codec.kit, NUM_BARS) for song in play_as_asked(run, seed)], run.codec.kit)
