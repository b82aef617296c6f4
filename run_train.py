"""Trains a model: `python run_train.py --config rock [--workdir runs/rock] [--config.train.num_steps=500]`.

The same as `drumjax train`; its flags are in drumjax/commands/train.py.
"""

import sys

from drumjax.commands.train import main

if __name__ == "__main__":
    sys.exit(main())
