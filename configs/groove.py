"""All styles, with the style as a condition, judged on every 4/4 file of the validation split.

It trains as rock.py does; what judges it, and the style played unless asked otherwise, differ.

Command:  python run_train.py --config configs/groove.py
Hardware: 2 CPU cores, 1.7 GB of memory
Time:     12 minutes
Score:    hits 1.040 nats/step, velocity 2.397 and offset 2.799 nats/hit, on the 122 files in 4/4 held out
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    return default.get_config()
