"""From all styles to rock: groove.py's run, trained on a little on rock beats alone.

Command:  python run_train.py --config configs/groove.py && python run_train.py --config configs/rock_finetune.py
Hardware: 2 CPU cores, 1.7 GB of memory
Time:     2 minutes
Score:    without the pointer, joint_units and coming_beats, on the 16 rock beats in 4/4 held out: hits 1.061 nats/step,
          velocity 2.078 and offset 2.751 nats/hit at its best, hardly better than what it starts from. On rock alone
          from the beginning: 1.129, 2.185, 2.819
"""

import ml_collections

from configs import rock


def get_config() -> ml_collections.ConfigDict:
    config = rock.get_config()
    config.data.styles = ("rock",)
    config.data.fill = "beat"
    config.train.init_from = "runs/groove"
    config.train.num_steps = 200
    config.train.learning_rate = 5e-4
    config.train.warmup_steps = 20
    config.train.eval_every_steps = 50
    return config
