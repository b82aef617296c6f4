"""The programs of a config as a TPU or GPU gets them: `python -m drumjax.studies.lowering`, of rock, piano and groove.

Training call, augmentation, sampler and scorer are lowered for devices that need not be there, from shapes alone; what
they do is listed and judged (studies/lowered.py). Exits with 1 if they do what they should not.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax

from drumjax.config.load import load_config
from drumjax.config.settings import Settings, make_settings
from drumjax.report.figures import write_json
from drumjax.studies.command import make_table
from drumjax.studies.lowered import Lowered, inspect
from drumjax.studies.programs import corpus_rows, trace_examples, trace_sampler, trace_scorer, trace_training
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.devices import choose_precision, find_devices
from drumjax.system.files import user_path
from drumjax.training.data import TrainingData, load_training_data
from drumjax.training.train import describe


class Target(NamedTuple):
    """A device that need not be there, as far as drumjax asks devices; `lowered_for` is what JAX calls its platform."""

    platform: str
    lowered_for: str
    compute_capability: str = ""


TARGETS = {"tpu": Target("tpu", "tpu"), "cuda": Target("gpu", "cuda", "9.0"), "cpu": Target("cpu", "cpu")}
CONFIGS = ("rock", "piano", "groove")


def lower_all(settings: Settings, data: TrainingData, targets: Sequence[str]) -> Iterator[tuple[str, str, Lowered]]:
    """(program, target, what it does) of each program for each target. Of the data only the shapes matter."""
    run, recipe = describe(settings, data)
    rows = corpus_rows(data)
    rest = [("augmentation", trace_examples(recipe, run, data)), ("sampler", trace_sampler(run))]
    rest.append(("scorer", trace_scorer(run)))
    calls: dict[str | None, jax.stages.Traced] = {}
    for name in targets:
        target: Any = TARGETS[name]
        precision = choose_precision(recipe.matmul_precision, target)
        if precision not in calls:
            calls[precision] = trace_training(recipe._replace(matmul_precision=precision or "default"), run, data)
        for program, traced in (("training call", calls[precision]), *rest):
            yield program, name, inspect(traced.lower(lowering_platforms=(target.lowered_for,)), rows)


def make_row(config: str, program: str, target: str, found: Lowered) -> dict[str, Any]:
    """What is listed of a program; MB are of 10^6 bytes."""
    products = ", ".join(f"{count} {name}" for name, count in sorted(found.products.items()))
    return {
        "config": config,
        "program": program,
        "for": target,
        "operations": found.operations.total(),
        "loops": found.operations["while"],
        "products": products or "none",
        "arguments, MB": found.argument_bytes / 1e6,
        "donated, MB": found.donated_bytes / 1e6,
        "of the corpus, MB": found.taken_bytes / 1e6,
        "largest array, MB": found.array_bytes / 1e6,
        "largest constant, MB": found.constant_bytes / 1e6,
        "calls": ", ".join(sorted(found.calls)) or "none",
        "faults": "; ".join(found.faults()) or "none",
    }


def list_programs(configs: Sequence[str], targets: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each program of each config for each target."""
    rows = []
    for config in configs:
        settings = make_settings(load_config(config))
        found = lower_all(settings, load_training_data(settings), targets)
        rows += [make_row(config, *program) for program in found]
    return rows


def main() -> int:
    set_up_logging()
    parser = argparse.ArgumentParser(prog="python -m drumjax.studies.lowering", description=__doc__.partition("\n")[0])
    parser.add_argument("--config", nargs="+", default=CONFIGS, help="configs by name or path")
    parser.add_argument("--target", nargs="+", default=("tpu", "cuda"), choices=TARGETS, help="devices")
    parser.add_argument("--output", type=user_path, help="write the figures to this file, as JSON")
    flags = parser.parse_args()

    def run() -> int:
        find_devices()
        rows = list_programs(flags.config, flags.target)
        print(make_table(rows))
        if flags.output:
            write_json(flags.output, rows)
        return int(any(row["faults"] != "none" for row in rows))

    return run_or_explain(run)


if __name__ == "__main__":
    raise SystemExit(main())
