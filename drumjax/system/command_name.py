"""What a user types to start a command of drumjax: in a checkout its scripts, elsewhere `drumjax train`."""

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_SCRIPTS = {"train": "run_train.py", "sample": "run_sample.py"}


def command_name(command: str) -> str:
    """How "train", "sample", "evaluate", ... is started: as this program was, if by `drumjax`."""
    script = _SCRIPTS.get(command)
    if Path(sys.argv[0]).stem == "drumjax" or not (_CHECKOUT / "run_train.py").is_file():
        return f"drumjax {command}"
    return f"python {script}" if script else f"python -m drumjax.{command}"
