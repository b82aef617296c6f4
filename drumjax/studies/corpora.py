"""What a large corpus costs: `python -m drumjax.studies.corpora [--num_notes 20000000] [--config rock]`.

The training songs of a config, repeated until there are so many notes, are packed and trained on beside the songs
themselves: seconds to pack, memory of the host and of each device, and the time of a training step, the median of
several calls taken in turns.
"""

import argparse
import dataclasses
import itertools
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from drumjax.config.load import load_config
from drumjax.config.settings import Settings, make_settings
from drumjax.data.corpus import pack
from drumjax.data.datasets import load_dataset
from drumjax.data.selection import select
from drumjax.report.figures import write_json
from drumjax.studies.command import make_table
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.devices import count_shares, make_data_mesh, use_compile_cache, use_cores
from drumjax.system.files import user_path
from drumjax.training.data import TrainingData, load_training_data
from drumjax.training.train import describe, init, make_step

CALLS = 9


class Sized(NamedTuple):
    """A corpus, how long it took to pack, and what a training step on it takes, in seconds."""

    notes: int
    songs: int
    pack_seconds: float
    device_bytes: list[int]
    step: Callable[[], float]


def repeat(settings: Settings, data: TrainingData, num_notes: int) -> tuple[TrainingData, float]:
    """The data with its training songs repeated until they have so many notes, and the seconds that packing takes."""
    songs = select(load_dataset(settings.data).songs, split="train")
    each = sum(len(song.notes.pitch) for song in songs)
    many = list(itertools.islice(itertools.cycle(songs), -(-num_notes // each) * len(songs)))
    start = time.perf_counter()
    corpus = pack(many, data.styles, data.players)
    return dataclasses.replace(data, corpus=corpus), time.perf_counter() - start


def prepare(settings: Settings, data: TrainingData, pack_seconds: float, mesh: jax.sharding.Mesh) -> Sized:
    """Places the corpus on the devices, and compiles the training call."""
    run, recipe = describe(settings, data)
    before = [_bytes_on(device) for device in mesh.devices.flat]
    step = make_step(recipe, run.settings, data, mesh)
    device_bytes = [_bytes_on(device) - old for device, old in zip(mesh.devices.flat, before, strict=True)]
    state = init(recipe, 0, mesh)
    count = run.settings.train.steps_per_call

    def measure() -> float:
        nonlocal state
        start = time.perf_counter()
        state, metrics = step(state, count)
        np.asarray(metrics.loss)
        return (time.perf_counter() - start) / count

    measure()  # compiles
    return Sized(len(data.corpus.notes.pitch), len(data.corpus.end_beat), pack_seconds, device_bytes, measure)


def _bytes_on(device: jax.Device) -> int:
    """Of all arrays there are; a shard that was looked at is an array, too, of the same memory."""
    shards = (shard for array in jax.live_arrays() for shard in array.addressable_shards if shard.device == device)
    return sum({shard.data.unsafe_buffer_pointer(): shard.data.nbytes for shard in shards}.values())


def study(config: str, num_notes: int, num_devices: int) -> list[dict[str, Any]]:
    """A row for the songs of the config, and one for as many copies of them."""
    settings = make_settings(load_config(config))
    mesh = make_data_mesh(num_devices)
    data = load_training_data(settings)
    rows, sized = [], []
    for size in (0, num_notes):
        chosen, seconds = repeat(settings, data, size or 1)
        sized.append(prepare(settings, chosen, seconds, mesh))
        rows.append({"notes": sized[-1].notes, "songs": sized[-1].songs, "pack_s": seconds, "host_gb": _peak_gb()})
    taken = [[each.step() for each in sized] for _ in range(CALLS)]
    for row, each, times in zip(rows, sized, zip(*taken, strict=True), strict=True):
        row |= {"device_mb": max(each.device_bytes) / 1e6, "step_ms": 1000 * statistics.median(times)}
    return rows


def _peak_gb() -> float:
    """Most memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def main() -> int:
    set_up_logging()
    parser = argparse.ArgumentParser(prog="python -m drumjax.studies.corpora", description=__doc__.partition("\n")[0])
    parser.add_argument("--num_notes", type=int, default=20_000_000, help="of the repeated songs")
    parser.add_argument("--config", default="rock", help="a config file, or its name in configs/")
    parser.add_argument("--num_devices", type=int, default=0, help="0 takes all")
    parser.add_argument("--output", type=user_path, help="write the figures to this file, as JSON")
    args = parser.parse_args()

    def run() -> None:
        settings = make_settings(load_config(args.config))
        use_cores(args.num_devices or count_shares(settings.train.batch_size, settings.model.hidden_size))
        use_compile_cache()
        rows = study(args.config, args.num_notes, args.num_devices)
        print(make_table(rows))
        if args.output:
            write_json(args.output, rows)

    return run_or_explain(run)


if __name__ == "__main__":
    raise SystemExit(main())
