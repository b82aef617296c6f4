"""Trains a model: `python run_train.py --config configs/rock.py [--workdir runs/rock] [--config.train.num_steps=500]`.

Only flags are parsed here; everything else is in drumjax, importable from a notebook. Starting again with the same
workdir resumes.
"""

import json
import logging
import sys
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file("config", "configs/default.py", "The run's settings, a Python file.")
_WORKDIR = flags.DEFINE_string("workdir", "", "Where the run is kept; default runs/<name of the config file>.")
_NUM_DEVICES = flags.DEFINE_integer("num_devices", 0, "How many devices share a batch; 0 takes all.", lower_bound=0)
_DISTRIBUTED = flags.DEFINE_boolean("distributed", False, "This is one of several processes of a cluster.")


def main(argv: list[str]) -> int:
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags start with --")
    # Imported here, so that a mistake in the flags is answered at once.
    from drumjax.config.settings import make_settings
    from drumjax.runs.metrics import read_metrics
    from drumjax.system.console import run_or_explain, set_up_logging
    from drumjax.system.devices import count_shares, join_cluster, use_compile_cache, use_cores
    from drumjax.training.overfitting import describe_fit
    from drumjax.training.train import train

    set_up_logging()
    name = Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    workdir = Path(_WORKDIR.value or Path("runs") / name)
    config = json.loads(_CONFIG.value.to_json())
    log = logging.getLogger("drumjax")

    def run() -> None:
        if _DISTRIBUTED.value:
            join_cluster()
        else:
            use_cores(_NUM_DEVICES.value or count_shares(make_settings(config).train.batch_size))
        use_compile_cache()
        result = train(config, workdir, num_devices=_NUM_DEVICES.value)
        why = f", stopped by {result.stopped_by}" if result.stopped_by else ""
        log.info("%s: step %d%s", workdir, result.step, why)
        if result.best_step:
            log.info("best validation loss %.4f at step %d", result.best_loss, result.best_step)
            if fit := describe_fit(read_metrics(workdir)):
                log.info("%s", fit)
        if result.stopped_by.startswith("SIG"):
            log.info("the same command goes on from here")
        log.info("play it: python run_sample.py --workdir %s --num_samples 16 --out_dir samples", workdir)

    return run_or_explain(run)


def parse_flags(argv: list[str]) -> list[str]:
    """absl's parser, and one line for what ml_collections raises over a config file or an override."""
    try:
        rest = app.parse_flags_with_usage(argv)
        _CONFIG.value.to_json()  # a file that cannot be read is an error only when the config is used
        return rest
    except Exception as error:  # KeyError, AttributeError, OSError, and whatever a config file may raise
        while error.args and isinstance(error.args[0], Exception):
            error = error.args[0]
        text = str(error.args[0]) if isinstance(error, KeyError | AttributeError) and error.args else str(error)
        sys.exit(f"error: --config: {type(error).__name__}: {' '.join(text.split())}")


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
