"""What happens at each evaluation of a run: its validation songs are scored, and a preview is played."""

import dataclasses
import logging
from pathlib import Path

import jax

from drumjax.midi.reader import write_midi
from drumjax.models.interface import Weights
from drumjax.models.song_scoring import encode_songs, make_song_scorer
from drumjax.music.notes import Song
from drumjax.music.text import write_text
from drumjax.runs.run import Run
from drumjax.sampling.blocks import play
from drumjax.sampling.controls import make_controls
from drumjax.sampling.piece import Piece

logger = logging.getLogger(__name__)

PREVIEW_BARS = 4


class Validator:
    """Holds the encoded validation songs and the preview's piece, so that an evaluation only computes.

    `run` says what the model and its codec are; the weights come with each call.
    """

    def __init__(self, run: Run, songs: list[Song]):
        self.run = run
        self.batches = encode_songs(songs, run.codec, run.styles) if songs else []
        self.score_songs = make_song_scorer(run.model, run.codec)
        controls = make_controls(run.settings.sample, run.codec.fields, num_notes=0)
        self.preview = Piece(dataclasses.replace(controls, bars=PREVIEW_BARS))

    def score(self, weights: Weights) -> dict[str, float]:
        """Figures of the validation songs, {} if there are none.

        loss               weighted as in training
        nll/<field>        nats per step
        nll_each/<field>   nats per variable that exists: per hit for velocity and offset
        accuracy/<field>   share of variables whose most likely value is right, at state carried from the song's start
        """
        if not self.batches:
            return {}
        scores = self.score_songs(weights, self.batches)
        steps, fields = float(scores[0].count.sum()), self.run.codec.fields
        shares = self.run.settings.train.weights_of([field.name for field in fields])
        figures = {"loss": 0.0}
        for field, score, share in zip(fields, scores, shares, strict=True):
            nll, count = float(score.nll.sum()), max(float(score.count.sum()), 1.0)
            figures["loss"] += share * nll / steps
            figures[f"nll/{field.name}"] = nll / steps
            figures[f"nll_each/{field.name}"] = nll / count
            figures[f"accuracy/{field.name}"] = float(score.correct.sum()) / count
        return {name: float(value) for name, value in figures.items()}

    def play(self, weights: Weights, key: jax.Array, path: Path) -> str:
        """Plays the preview, writes it as MIDI to `path`, and returns it as text."""
        run = dataclasses.replace(self.run, weights=weights)
        (song,) = play(run, key, [self.preview])
        path.parent.mkdir(exist_ok=True)
        write_midi(song, path)
        return write_text(song, run.codec.kit, min(run.settings.codec.steps_per_beat, 12), header=False)
