"""rock.py's task with a model twice as wide, trained for longer on examples that are changed more: the best there is.

For a GPU: `python run_train.py --config rock_large --require_accelerator`.
"""

import ml_collections

from configs import rock


def get_config() -> ml_collections.ConfigDict:
    config = rock.get_config()
    config.model.hidden_size = 512
    config.model.embed_size = 192
    config.augment.drop_ghosts = 0.1
    config.augment.drop_voice = 0.05
    config.augment.tempo = 0.1
    config.train.dropout = 0.5
    config.train.weight_decay = 0.05
    config.train.num_steps = 1600
    config.train.eval_every_steps = 200
    return config
