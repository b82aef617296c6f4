"""All styles, with the style as a condition, judged on every 4/4 file of the validation split.

Command:  python run_train.py --config configs/groove.py
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    return default.get_config()
