"""The small model that `python -m drumjax.studies.ablation` trains again and again.

Command:  python -m drumjax.studies.ablation
Hardware: 2 CPU cores, 1 GB of memory
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.model.hidden_size = 128
    config.model.embed_size = 64
    config.train.num_steps = 400  # on rock beats 800
    config.train.batch_size = 16
    config.train.window_beats = 32
    config.train.warmup_steps = 50
    config.train.eval_every_steps = 200
    return config
