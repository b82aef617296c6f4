"""What is played beside given notes does not take their place."""

import numpy as np
from tiny import CODEC

from drumjax.config.controls import Controls
from drumjax.music.notes import make_notes
from drumjax.sampling.decode import collect_songs
from drumjax.sampling.edits import Edit
from drumjax.sampling.piece import Piece


def test_a_given_note_that_is_played_once_more_stays_as_it_is():
    kept = make_notes([0.0, 1.0], [0.5, 0.5], [36, 38], [20, 30])
    played = make_notes([1.0, 1.0, 2.0], [1.0, 1.0, 1.0], [38, 42, 38], [90, 90, 90])
    clamp = np.full((8, 1), -2, np.int32)
    edit = Edit("prompt", clamp, np.full(8, -1, np.int32), kept=kept)
    piece = Piece(Controls(style="rock", temperature={}))
    (song,) = collect_songs(CODEC, [piece], played._replace(**{k: v[None] for k, v in played._asdict().items()}), edit)
    notes = song.notes
    found = list(zip(notes.onset_beat.tolist(), notes.pitch.tolist(), notes.velocity.tolist(), strict=True))
    assert found == [(0.0, 36, 20), (1.0, 38, 30), (1.0, 42, 90), (2.0, 38, 90)]
