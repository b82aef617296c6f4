"""What is played beside given notes does not take their place."""

import numpy as np

from drumjax.music.notes import make_notes
from drumjax.sampling.decode import _without


def test_a_given_note_that_is_played_once_more_stays_as_it_is():
    kept = make_notes([0.0, 1.0], [0.5, 0.5], [60, 62], [20, 30])
    new = make_notes([1.0, 1.0, 2.0], [1.0, 1.0, 1.0], [62, 64, 62], [90, 90, 90])
    left = _without(new, kept)
    assert left.pitch.tolist() == [64, 62]
    assert np.asarray(left.onset_beat).tolist() == [1.0, 2.0]
