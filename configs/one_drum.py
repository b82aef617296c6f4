"""Rhythm alone: every hit of the kit is the same drum, with its velocity and timing.

Command:  python run_train.py --config configs/one_drum.py
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.codec.kit = "one_drum"
    config.model.hidden_size = 128
    config.train.num_steps = 300
    return config
