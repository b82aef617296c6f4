"""Rhythm alone: every hit of the kit is the same drum, with its velocity and timing.

Command:  python run_train.py --config configs/one_drum.py
Hardware: 2 CPU cores, 1.3 GB of memory
Time:     1 to 2 minutes
Score:    hits 0.272 nats/step, velocity 2.352 and offset 2.682 nats/hit, on the 122 files in 4/4 held out
          (without coming_beats)
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.codec.kit = "one_drum"
    config.model.hidden_size = 128
    config.model.pointer = False
    config.train.memory_beats = 0
    config.train.num_steps = 300
    return config
