"""A first look: trains on the bundled starter grooves."""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.data.dataset = "starter"
    config.model.hidden_size = 64
    config.model.embed_size = 64
    config.train.num_steps = 200
    config.train.batch_size = 16
    config.train.window_beats = 32
    config.train.warmup_steps = 20
    config.train.eval_every_steps = 50
    config.train.learning_rate = 5e-3
    config.sample.style = "rock"
    return config
