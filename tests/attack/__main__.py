"""Starts the attack from the repository's folder: `python -m tests.attack --workdir DIR [--minutes 10] [--seed 0]`."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest has it: `attack`, `tiny_run` and others
    from attack.command import main

    sys.exit(main(sys.argv[1:]))
