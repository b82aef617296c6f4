"""Row 5, growth: a training step against batch, length, size and corpus, and the sampler against batch and bars.

On rock.py's model, made small enough that the whole row takes a few minutes.
"""

from typing import Any

from benchmarks.contest import Contest, Entry, Target
from benchmarks.options import Options

HIDDEN, BATCH, BEATS = 128, 16, 16
NUM_SONGS = 64  # of the corpus that is repeated
TRAIN_AXES = {
    "batch": ("train.batch_size", (16, 32, 128)),
    "steps": ("train.window_beats", (8, 32, 128)),
    "hidden size": ("model.hidden_size", (64, 128, 256)),
}
COPIES = (1, 10, 100)
SAMPLE_BATCHES, SAMPLE_BARS = (1, 16, 256), (4, 16, 64)


def contests(options: Options) -> list[Contest]:
    count = 2 if options.quick else None
    train = [_train_axis(options, axis, field, values[:count]) for axis, (field, values) in TRAIN_AXES.items()]
    sample = [
        _sample_axis(options, "samples at a time", SAMPLE_BATCHES[:count]),
        _sample_axis(options, "bars", SAMPLE_BARS[:count]),
    ]
    return [*train, _corpus_axis(options, COPIES[:count]), *sample]


def _train_entry(options: Options, name: str, x: float, changes: dict[str, Any], copies: int = 1) -> Entry:
    sizes = {"model.hidden_size": HIDDEN, "train.batch_size": BATCH, "train.window_beats": BEATS, **changes}
    case = {
        "config": "rock",
        "changes": sizes,
        "dataset": options.dataset,
        "calls": 1,
        "num_songs": NUM_SONGS,
        "copies": copies,
    }
    work = sizes["train.batch_size"] * sizes["train.window_beats"] * 4
    make = "benchmarks.contenders.drumjax_train:train"
    return Entry(name, make, case, work=work, x=x, env=compile_cache(options))


def compile_cache(options: Options) -> dict[str, str]:
    """Workers of this row share what they compile: they are many, and the time to start is not what it shows."""
    return {
        "JAX_COMPILATION_CACHE_DIR": f"{options.folder}/compiled",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def _train_axis(options: Options, axis: str, field: str, values: tuple[int, ...]) -> Contest:
    scale = 4 if axis == "steps" else 1
    entries = tuple(_train_entry(options, f"{axis} {scale * value}", scale * value, {field: value}) for value in values)
    return Contest("growth", f"training step against {axis}", "16ths/s", entries, baseline=entries[0].name)


def _corpus_axis(options: Options, values: tuple[int, ...]) -> Contest:
    entries = tuple(_train_entry(options, f"corpus x{copies}", copies, {}, copies) for copies in values)
    targets = (Target((entries[-1].name,), "share", 1.1),)
    title = "training step against copies of the corpus"
    return Contest("growth", title, "16ths/s", entries, baseline=entries[0].name, targets=targets)


def _sample_axis(options: Options, axis: str, values: tuple[int, ...]) -> Contest:
    entries = []
    for value in values:
        batch, bars = (value, 8) if axis != "bars" else (16, value)
        case = {"config": "rock", "changes": {"model.hidden_size": HIDDEN}, "batch": batch, "bars": bars}
        make = "benchmarks.contenders.drumjax_sample:sample"
        work = batch * bars
        entries.append(Entry(f"{axis} {value}", make, case, work=work, x=value, env=compile_cache(options)))
    title = f"sampler against {axis}"
    return Contest("growth", title, "bars/s", tuple(entries), baseline=entries[0].name)
