"""Piano: which notes, when, how long and how hard, in one model, on 300 classical pieces split by file.

An earlier Keras project needs three models for notes, offsets and durations, and judges them on windows cut from the
same pieces that it trains on: 57%, 86% and 82% right there, of 277, 28 and 36 values. `note_lstm.py` is its recipe.

Command:  python run_train.py --config configs/piano.py
Hardware: one GPU (measured on an H200), or 2 CPU cores (614,241 notes)
Time:     4.4 minutes of an H200 beside four other trainings; on 2 CPU cores a step takes 1.0 s, so 35 minutes
Score:    pitch 1.444 nats (61.1% right), duration 0.504 (85.4%), velocity 1.373 (50.3%), shift 0.260 (91.9%) a note,
          on the 33 pieces held out; counting n-grams: 3.420 (21.3%), 1.214 (69.4%), 2.217 (28.0%), 0.784 (75.1%)
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    learn_piano(config)
    config.codec.max_duration_beats = 8.0
    config.codec.lookback_bars = 2
    config.codec.lookback_beats = (1.0, 0.5)
    config.augment.schedule = "fade"
    config.augment.transpose = 6.0
    config.train.window_beats = 64
    config.train.window_notes = 160
    config.train.dropout = 0.1
    config.train.field_weights = {"pitch": 1.0, "duration": 1.0, "velocity": 0.5, "shift": 1.0}
    config.train.num_steps = 2000
    config.train.eval_every_steps = 400
    config.train.average_decay = 0.995
    config.sample.bpm = 90.0
    # So a piece begins in some key: it remembers all that it plays.
    config.sample.opening_bars = 4
    config.sample.opening_temperature = 0.9
    return config


def learn_piano(config: ml_collections.ConfigDict) -> None:
    """Takes the notes of all pieces, in whatever metre, as events."""
    config.data.dataset = "folder"
    config.data.dir = "piano_midi_de"
    config.data.instrument = "pitched"
    config.validation.time_signatures = ()
    config.codec.name = "events"
    config.codec.kit = ""
    config.codec.steps_per_beat = 24
    config.model.joint_units = config.model.coming_beats = 0  # every value hears those before it anyway
