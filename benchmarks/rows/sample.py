"""Row 3, sample: grooves of eight bars per second, and the command that writes them."""

from typing import Any

from benchmarks.contenders.drumjax_config import plain
from benchmarks.contest import Contest, Entry, Target
from benchmarks.options import Options

BARS, STEPS_PER_BAR = 8, 16
BATCHES = (1, 64, 1024)
# What a peer's seconds over ours should be at least, by batch.
KERAS_TARGETS = {1: (800.0, 1500.0), 64: (200.0, 400.0)}
TORCH_TARGETS = {1024: (2.0, 4.0)}
KERAS = ("Keras on JAX", "Keras on TensorFlow")


def contests(options: Options) -> list[Contest]:
    batches = (1, 4) if options.quick else BATCHES
    return [*(_contest(options, batch) for batch in batches), _command(options)]


def _contest(options: Options, batch: int) -> Contest:
    hidden = 32 if options.quick else 256
    work: dict[str, Any] = {"work": batch, "x": batch}
    ours = "benchmarks.contenders.drumjax_sample:sample"
    rock = {"model.hidden_size": 32, "model.embed_size": 16} if options.quick else {}
    asked = {"batch": batch, "bars": BARS}
    theirs = {
        "threads_wanted": options.threads,
        "hidden": hidden,
        "batch": batch,
        "length": BARS * STEPS_PER_BAR,
    }
    entries = [
        Entry("drumjax", ours, {"config": "default", "changes": plain(hidden), **asked}, **work),
        Entry("drumjax, all of rock.py", ours, {"config": "rock", "changes": rock, **asked}, **work),
        Entry("PyTorch", "benchmarks.contenders.torch_lstm:sample", theirs, needs=("torch",), **work),
    ]
    if batch <= 64:
        for name, backend in zip(KERAS, ("jax", "tensorflow"), strict=True):
            needs = ("keras", backend)
            env = {"KERAS_BACKEND": backend}
            entries.append(Entry(name, "benchmarks.contenders.keras_lstm:sample", theirs, needs=needs, env=env, **work))
    targets = []
    if batch in KERAS_TARGETS:
        targets += [Target((name,), "ratio", *KERAS_TARGETS[batch]) for name in KERAS]
    if batch in TORCH_TARGETS:
        targets.append(Target(("PyTorch",), "ratio", *TORCH_TARGETS[batch]))
    title = f"2 x {hidden}, {batch} at a time"
    return Contest("sample", title, "grooves/s", tuple(entries), targets=tuple(targets))


def _command(options: Options) -> Contest:
    num = 4 if options.quick else 64
    case = {"folder": f"{options.folder}/command", "num_samples": num, "bars": BARS}
    entry = Entry("run_sample.py", "benchmarks.contenders.drumjax_command:command", case, work=num)
    title = f"the command, {num} grooves of rock.py's model"
    target = Target((entry.name,), "seconds", 5.0, 3.0)
    return Contest("sample", title, "grooves/s", (entry,), baseline="", targets=(target,))
