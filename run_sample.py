"""Plays a trained model: `python run_sample.py [--workdir runs/rock] [--num_samples 16] [--out_dir takes] [--bpm 96]`.

The same as `drumjax sample`; its flags are in drumjax/commands/sample.py.
"""

import sys

from drumjax.commands.sample import main

if __name__ == "__main__":
    sys.exit(main())
