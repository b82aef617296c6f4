"""Trains a model: `run_train.py`, or `drumjax train`.

Only flags are parsed here; everything else is importable from a notebook. Starting again with the same workdir
resumes. Exit status: 0 finished, 75 stopped by a signal and to be resumed, 1 refused or failed.
"""

import json
import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from drumjax.config.flags import define_cluster, named_settings, resolve_config
from drumjax.config.load import find_config, get_setting, known_configs, override, read_overrides
from drumjax.config.settings import make_settings
from drumjax.system.command_line import CommandLine, asks_for_help
from drumjax.system.command_name import command_name
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.errors import UserError
from drumjax.system.files import user_path
from drumjax.system.stop_signals import STOPPED
from drumjax.system.strict_json import to_strict_json

FLAGS = "--config rock [--workdir runs/rock] [--config.train.num_steps=500]"
# What other programs call it.
ALIASES = {
    "lr": "config.train.learning_rate", "learning_rate": "config.train.learning_rate", "seed": "config.train.seed",
    "steps": "config.train.num_steps", "num_steps": "config.train.num_steps", "epochs": "config.train.num_epochs",
    "batch_size": "config.train.batch_size", "hidden_size": "config.model.hidden_size", "data": "config.data.dir",
    "data_dir": "config.data.dir", "dir": "config.data.dir", "out_dir": "workdir", "output_dir": "workdir",
    "log_dir": "workdir", "run_dir": "workdir", "gpus": "num_devices", "devices": "num_devices",
}  # fmt: skip


def _settings_file() -> Path:
    """Where all settings stand: in the checkout, or where drumjax is installed."""
    return find_config("default") if "default" in known_configs() else Path("configs/default.py")


def make_command_line(argv: Sequence[str]) -> CommandLine:
    """The flags of this program; ml_collections looks through all arguments for settings."""
    line = CommandLine(f"{command_name('train')} {FLAGS}", ALIASES)
    note = f"Any setting can follow, as --config.train.num_steps=500; {_settings_file()} lists them all."
    with line.section("What is trained", note) as values:
        config_flags.DEFINE_config_file(
            "config", None, "The settings: a Python file, or its name in configs/.",
            flag_values=values, sys_argv=list(argv),
        )  # fmt: skip
        flags.DEFINE_string(
            "workdir", "", "Where the run is kept; runs/<name of the config> unless given. One that is there resumes.",
            flag_values=values,
        )  # fmt: skip
        flags.DEFINE_string(
            "config_overrides", "", "A JSON file of settings in place of the config's, such as "
            '{"train": {"num_steps": 500}}; those of the command line come last.', flag_values=values,
        )  # fmt: skip
        flags.DEFINE_boolean(
            "print_config", False, "Print all settings as JSON, as --config_overrides reads it, and train nothing.",
            flag_values=values,
        )  # fmt: skip
    with line.section("On what") as values:
        flags.DEFINE_integer(
            "num_devices", 0, "How many devices share a batch; 0 takes all.", lower_bound=0, flag_values=values
        )
        flags.DEFINE_boolean(
            "require_accelerator", False, "Refuse to train on the CPU where no GPU or TPU is found.", flag_values=values
        )
        define_cluster(values, "This is one of several processes of a cluster.")
    return line


def parse(argv: Sequence[str]) -> tuple[dict[str, Any], flags.FlagValues]:
    """The config, and the other flags. Ends the program for --help, and with one line for a mistake."""
    if asks_for_help(argv):  # before a config is looked for
        make_command_line(argv).parse(argv)
    try:
        argv, by_name = resolve_config(argv)
        line = make_command_line(argv)
        line.parse(argv)
        config = json.loads(line.values.config.to_json())
        if path := line.values.config_overrides:
            on_the_command_line = {name: get_setting(config, name) for name in named_settings(argv)}
            override(config, read_overrides(path))
            override(config, on_the_command_line)
        override(config, by_name)
        if line.values.print_config:
            make_settings(config)
            text = to_strict_json(config, indent=2)
            sys.exit(run_or_explain(lambda: print(text)))
        return config, line.values
    except UserError as error:
        sys.exit(f"error: {error}")
    except Exception as error:  # KeyError, TypeError and others: what ml_collections raises over a value
        while error.args and isinstance(error.args[0], Exception):
            error = error.args[0]
        sys.exit(f"error: --config: {type(error).__name__}: {' '.join(str(error).split())}")


def main() -> int:
    config, given = parse(sys.argv)
    name = Path(config_flags.get_config_filename(given["config"])).stem
    workdir, num_devices = user_path(given.workdir or Path("runs") / name), given.num_devices
    set_up_logging()
    log = logging.getLogger("drumjax")

    def run() -> int:
        # Imported here, so that a mistake in the flags is answered at once.
        import jax

        from drumjax.runs.metrics import read_metrics
        from drumjax.runs.workdir import describe_fallback
        from drumjax.system.devices import count_shares, find_devices, use_compile_cache, use_cores
        from drumjax.training.overfitting import describe_fit
        from drumjax.training.train import train

        if not given.distributed:
            settings = make_settings(config)
            use_cores(num_devices or count_shares(settings.train.batch_size, settings.model.hidden_size))
            find_devices(require_accelerator=given.require_accelerator)
        use_compile_cache()
        result = train(config, workdir, num_devices=num_devices)
        was_stopped = result.stopped_by.startswith("SIG")
        if given.distributed and jax.process_index():  # the first tells
            return STOPPED if was_stopped else 0
        why = f", stopped by {result.stopped_by}" if result.stopped_by else ""
        log.info("%s: step %d%s", workdir, result.step, why)
        if result.best_step:
            log.info("best validation loss %.4f at step %d", result.best_loss, result.best_step)
            if fit := describe_fit(read_metrics(workdir)):
                log.info("%s", fit)
        if was_stopped:
            log.info("the same command goes on from here")
        log.info("play it: %s --workdir %s --gallery", command_name("sample"), shlex.quote(str(workdir)))
        if fallback := describe_fallback(workdir):
            log.warning("%s", fallback)
        return STOPPED if was_stopped else 0

    if given.distributed:
        from drumjax.system.cluster import Timeouts, run_in_cluster

        timeouts = Timeouts(given.heartbeat_timeout, given.initialization_timeout)
        return run_in_cluster(run, timeouts=timeouts, require_accelerator=given.require_accelerator)
    return run_or_explain(run)
