"""A model as one file to share: `python -m drumjax.export --workdir runs/mine --output mine.safetensors`.

Weights are rounded to half precision. What the file says of itself is what the run's checkpoint says, without the names
of folders of this machine, and its held-out scores. `run_sample.py --model mine.safetensors` plays it, and
`config.train.init_from` starts from it.
"""

import argparse
import datetime
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import drumjax
from drumjax.config.load import load_config
from drumjax.runs.checkpoint_folder import Which
from drumjax.runs.metrics import read_metrics
from drumjax.runs.model_file import write_model_file
from drumjax.runs.pretrained import SUFFIX
from drumjax.runs.run import load_run, read_model
from drumjax.runs.workdir import RunError
from drumjax.system.command_name import command_name
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.files import user_path


def export(
    workdir: Path, output: Path, checkpoint: Which = "best", *, sample_like: str = "", note: str = ""
) -> dict[str, Any]:
    """Writes the model file of a run, or of a model file, and returns what it says of itself.

    sample_like  a config, by name or path, whose config.sample is what is played by default, in place of the run's
    note         a text for people: what it was trained on, under which licence, who may be asked

    Raises UserError with what is wrong and what to do; OSError if the file cannot be written.
    """
    run = load_run(workdir, checkpoint)
    _, about = read_model(workdir, checkpoint)
    if sample_like:
        about["config"]["sample"] = load_config(sample_like)["sample"]
    about["config"]["data"]["dir"] = _last_name(about["config"]["data"]["dir"])
    about["config"]["train"]["init_from"] = _last_name(about["config"]["train"]["init_from"])
    about["data"]["source"] = re.sub(r" in [/~].*|(?<= in )\w:\\.*", "", about["data"].get("source", ""))
    about["card"] = {
        "made_by": f"drumjax {drumjax.__version__}",
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
        "held_out": _held_out(workdir, run.step) or about.get("card", {}).get("held_out", {}),
        "note": note or about.get("card", {}).get("note", ""),
    }
    write_model_file(output, run.weights, about)
    load_run(output)  # what cannot be read again is not handed on
    return about


def _last_name(path: str) -> str:
    """Of a folder anywhere on this machine its name; a relative one as it is."""
    return user_path(path).name if user_path(path).is_absolute() else path


def _held_out(workdir: Path, step: int) -> dict[str, float]:
    """The scores of the run's evaluation at that step."""
    if not workdir.is_dir():
        return {}
    rows = [row for row in read_metrics(workdir) if row["split"] == "validation" and row["step"] == step]
    kept = {name: value for name, value in (rows[-1] if rows else {}).items() if name.startswith("nll_each/")}
    return {name.partition("/")[2]: round(value, 4) for name, value in kept.items()}


def _commit() -> str:
    """Of the checkout that drumjax is in; "" where it is installed."""
    folder = Path(drumjax.__file__).resolve().parents[1]
    try:
        asked = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if (folder / ".git").exists() and done.returncode == 0 else ""


def main() -> int:
    set_up_logging()
    parser = argparse.ArgumentParser(prog=command_name("export"), description=__doc__.split("\n", 1)[0])
    parser.add_argument("--workdir", required=True, type=user_path, help="the run")
    parser.add_argument("--output", required=True, type=user_path, help=f"the file to write, *{SUFFIX}")
    parser.add_argument("--checkpoint", choices=("best", "latest"), default="best", help="which one of the run")
    parser.add_argument("--sample_like", default="", help="a config whose config.sample is played by default")
    parser.add_argument("--note", default="", help="a text for people: what it was trained on, and its licence")
    flags = parser.parse_args()

    def run() -> None:
        if flags.output.suffix != SUFFIX:
            raise RunError(f"--output is {flags.output}; its name must end in {SUFFIX}")
        about = export(flags.workdir, flags.output, flags.checkpoint, sample_like=flags.sample_like, note=flags.note)
        scores = "".join(f", {name} {value:.3f}" for name, value in about["card"]["held_out"].items())
        size = flags.output.stat().st_size / 1e6
        print(f"{flags.output}: {size:.1f} MB, step {about['step']}{scores}")
        print(f"play it: {command_name('sample')} --model {shlex.quote(str(flags.output))}")

    return run_or_explain(run)


if __name__ == "__main__":
    raise SystemExit(main())
