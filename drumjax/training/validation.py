"""What happens at each evaluation of a run: its validation songs are scored, and a groove is played."""

import dataclasses
import logging
from pathlib import Path

import jax
import numpy as np

from drumjax.codecs.base import Codec
from drumjax.config.settings import Settings
from drumjax.midi.reader import write_midi
from drumjax.models.model import Model, Params
from drumjax.models.song_scoring import encode_songs, make_song_scorer
from drumjax.music.notes import Song
from drumjax.music.text import write_text
from drumjax.runs.run import known_defaults
from drumjax.sampling.controls import make_controls
from drumjax.sampling.decode import make_songs
from drumjax.sampling.piece import make_groove, make_request
from drumjax.sampling.sampler import make_sampler
from drumjax.training.data import TrainingData

logger = logging.getLogger(__name__)

PREVIEW_BARS = 4


class Evaluator:
    """Holds the encoded validation songs and the compiled functions, so that an evaluation only computes."""

    def __init__(self, settings: Settings, model: Model, codec: Codec, data: TrainingData):
        self.model, self.codec, self.data, self.settings = model, codec, data, settings
        self.batches = encode_songs(data.validation, codec, data.styles) if data.validation else []
        self.score_songs = make_song_scorer(model, codec)
        self.sampler = make_sampler(model, codec)
        sample = settings.sample
        if sample.style not in data.styles:  # a folder or a fallback dataset may lack it
            known = ", ".join(filter(None, data.styles)) or "none"
            logger.warning("config.sample.style is %r, which no training song has (there are: %s); it is left open",
                           sample.style, known)  # fmt: skip
        defaults = known_defaults(sample, settings.model, data.styles)
        self.groove = dataclasses.replace(make_groove(defaults), bars=PREVIEW_BARS)
        self.controls = make_controls(sample, codec.fields)

    def score(self, params: Params, stats: Params) -> dict[str, float]:
        """Figures of the validation songs, {} if there are none.

        loss               weighted as in training
        nll/<field>        nats per step
        nll_each/<field>   nats per variable that exists: per hit for velocity and offset
        accuracy/<field>   share of variables whose most likely value is right, at state carried from the song's start
        """
        if not self.batches:
            return {}
        scores = self.score_songs(params, stats, self.batches)
        steps = scores[0].count.sum()
        figures = {"loss": 0.0}
        for field, score, weight in zip(self.codec.fields, scores, self.settings.train.field_weights, strict=False):
            nll, count = float(score.nll.sum()), max(float(score.count.sum()), 1.0)
            figures["loss"] += weight * nll / steps
            figures[f"nll/{field.name}"] = nll / steps
            figures[f"nll_each/{field.name}"] = nll / count
            figures[f"accuracy/{field.name}"] = float(score.correct.sum()) / count
        return {name: float(value) for name, value in figures.items()}

    def play(self, params: Params, stats: Params, key: jax.Array, path: Path) -> str:
        """Samples a groove, writes it as MIDI to `path`, and returns it as text."""
        request = make_request(self.groove, self.codec, self.data.styles, self.controls, [0])
        tokens = np.asarray(self.sampler(params, stats, key, request).tokens)
        song: Song = make_songs(self.groove, self.codec, self.data.styles, tokens)[0]
        path.parent.mkdir(exist_ok=True)
        write_midi(song, path)
        return write_text(song, self.codec.kit, min(self.settings.codec.steps_per_beat, 12), header=False)
