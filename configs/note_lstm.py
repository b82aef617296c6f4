"""The recipe of the Keras projects that most people start from, for comparison with piano.py.

Three layers of 512, dropout 0.3, batch norm, RMSprop at 1e-3, batches of 64 windows of 100 notes, 200 epochs; the model
knows which notes there are and which sound together, and nothing of time, length or loudness. Theirs is a
vocabulary of notes and whole chords; here a chord is its notes, one after the other, so that the pitches can be
compared. Stops when five evaluations did not get better.

Command:  timeout 750 python run_train.py --config configs/note_lstm.py
Hardware: 2 CPU cores, 1.9 GB of memory
Time:     12.5 minutes, as long as piano.py takes without its pointer, for 375 steps of 19,251, on two CPU devices (one,
          as it is now, takes 0.6 of their time); all of them would take ten hours
Score:    pitch 2.583 nats (27.1% right), whether the next note sounds with it 0.426 (81.1%), on the 33 pieces held out
          (python -m drumjax.evaluate --workdir runs/note_lstm --checkpoint latest)
"""

import ml_collections

from configs import default, piano


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    piano.learn_piano(config)
    config.codec.timed = False
    config.codec.expressive = False
    config.codec.lookback_bars = 0
    config.codec.lookback_beats = ()
    config.model.hidden_size = 512
    config.model.num_layers = 3
    config.model.embed_size = 256
    config.model.norm = "batch"
    default.leave_out_parts(config)
    config.train.num_epochs = 200.0
    config.train.batch_size = 64
    config.train.window_notes = 100
    config.train.optimizer = "rmsprop"
    config.train.schedule = "constant"
    config.train.learning_rate = 1e-3
    config.train.weight_decay = 0.0
    config.train.dropout = 0.3
    config.train.average_decay = 0.0
    config.train.field_weights = {"pitch": 1.0, "shift": 1.0}  # shift: whether the next note is of the same chord
    config.train.eval_every_steps = 100
    config.train.patience_evals = 5
    return config
