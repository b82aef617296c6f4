"""The flagship: plays rock. Trained on every style with the style as a condition, judged on rock beats.

Command:  python run_train.py --config configs/rock.py
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.validation.styles = ("rock",)
    config.validation.fill = "beat"
    config.sample.style = "rock"
    return config
