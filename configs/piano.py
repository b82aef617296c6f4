"""Piano: which notes, when, how long and how hard, in one model, on 300 classical pieces split by file.

An earlier Keras project needs three models for notes, offsets and durations, and judges them on windows cut from the
same pieces that it trains on. `note_lstm.py` is its recipe.

Command:  python run_train.py --config configs/piano.py
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    learn_piano(config)
    config.codec.steps_per_beat = 24
    config.codec.max_duration_beats = 8.0
    config.codec.lookback_bars = 2
    config.codec.lookback_beats = (1.0, 0.5)
    config.augment.schedule = "fade"
    config.augment.transpose = 6.0
    config.train.window_beats = 64
    config.train.window_notes = 160
    config.train.dropout = 0.1
    config.train.field_weights = (1.0, 1.0, 0.5, 1.0)  # pitch, duration, velocity, shift
    config.train.num_steps = 2000
    config.train.eval_every_steps = 400
    config.train.average_decay = 0.995
    config.sample.bpm = 90.0
    return config


def learn_piano(config: ml_collections.ConfigDict) -> None:
    """Takes the notes of all pieces, in whatever metre, as events."""
    config.data.dataset = "folder"
    config.data.dir = "piano_midi_de"
    config.data.instrument = "pitched"
    config.validation.time_signatures = ()
    config.codec.name = "events"
    config.codec.kit = ""
