"""Row 3, sample: grooves of eight bars per second, and the command that writes them."""

from typing import Any

from benchmarks.contenders.drumjax_config import plain
from benchmarks.contest import Contest, Entry, Target
from benchmarks.options import Options
from benchmarks.rows.train import NEAR_PEAK, PEAKS, lstm_flops, peaks

BARS, STEPS_PER_BAR = 8, 16
QUICK = {"model.hidden_size": 32, "model.embed_size": 16}
BATCHES = (1, 64, 1024)
KERAS = ("Keras on JAX", "Keras on TensorFlow")
# What a peer's seconds over ours should be at least, by batch. Each step of a groove reads all weights, 3.5 MB, and no
# machine does that in less than some 50 to 100 us: against Keras on JAX nobody can be hundreds of times as fast.
KERAS_TARGETS = {1: ((60.0, 100.0), (600.0, 1000.0)), 64: ((60.0, 100.0), (120.0, 200.0))}
TORCH_TARGETS = {1024: (2.2, 4.0)}
# What all of rock.py may take of the time that its hits alone take.
WHOLE, HITS = "all of rock.py", "its hits alone"
MOST_OF_HITS = 1.4


def contests(options: Options) -> list[Contest]:
    batches = (1, 4) if options.quick else BATCHES
    whole = [_whole(options, batch) for batch in batches if batch > 1]
    return [*(_contest(options, batch) for batch in batches), *whole, _command(options)]


def _contest(options: Options, batch: int) -> Contest:
    hidden = 32 if options.quick else 256
    work: dict[str, Any] = {"work": batch, "x": batch}
    plain_work = {**work, "flops": lstm_flops(hidden, batch * BARS * STEPS_PER_BAR)}
    ours = "benchmarks.contenders.drumjax_sample:sample"
    asked = {"batch": batch, "bars": BARS}
    theirs = {
        "threads_wanted": options.threads,
        "hidden": hidden,
        "batch": batch,
        "length": BARS * STEPS_PER_BAR,
    }
    torch = {**theirs, "device": options.device}
    entries = [
        Entry("drumjax", ours, {"config": "default", "changes": plain(hidden), **asked}, **plain_work),
        Entry("drumjax, all of rock.py", ours, {**whole_model(options), **asked}, **work),
        Entry("PyTorch", "benchmarks.contenders.torch_lstm:sample", torch, needs=("torch",), **plain_work),
    ]
    if batch <= 64:
        for name, backend in zip(KERAS, ("jax", "tensorflow"), strict=True):
            needs = ("keras", backend)
            env = {"KERAS_BACKEND": backend}
            entries.append(Entry(name, "benchmarks.contenders.keras_lstm:sample", theirs, needs=needs, env=env, **work))
    targets: list[Target] = []
    bounds: tuple[Entry, ...] = ()
    if batch in KERAS_TARGETS:
        targets += [Target((name,), "ratio", *bars) for name, bars in zip(KERAS, KERAS_TARGETS[batch], strict=True)]
    if batch in TORCH_TARGETS:
        targets.append(Target(("PyTorch",), "ratio", *TORCH_TARGETS[batch], peak=NEAR_PEAK))
        bounds = peaks(options)  # smaller batches wait for memory and for the next step, not for arithmetic
    title = f"2 x {hidden}, {batch} at a time"
    return Contest("sample", title, "grooves/s", (*entries, *bounds), targets=tuple(targets), peaks=PEAKS)


def whole_model(options: Options) -> dict[str, Any]:
    """The model that comes with drumjax, as a case; a small one of random parameters where it has to be quick."""
    return {"config": "rock", "changes": QUICK} if options.quick else {"model": "rock"}


def _whole(options: Options, batch: int) -> Contest:
    """What velocity and timing cost beside the hits."""
    asked = {"batch": batch, "bars": BARS}
    hits = {"codec.expressive": False, "train.history_dropout": {}, "train.field_weights": {"hits": 1.0}}
    cases = {
        HITS: {"config": "rock", "changes": {**(QUICK if options.quick else {}), **hits}}, WHOLE: whole_model(options)
    }  # fmt: skip
    make = "benchmarks.contenders.drumjax_sample:sample"
    entries = tuple(Entry(name, make, {**case, **asked}, batch) for name, case in cases.items())
    title = f"velocity and timing, {batch} at a time"
    return Contest(
        "sample", title, "grooves/s", entries, baseline=HITS, targets=(Target((WHOLE,), "share", MOST_OF_HITS),)
    )


def _command(options: Options) -> Contest:
    num = 4 if options.quick else 64
    case = {"folder": f"{options.folder}/command", "num_samples": num, "bars": BARS}
    entry = Entry("run_sample.py", "benchmarks.contenders.drumjax_command:command", case, work=num)
    title = f"the command, {num} grooves of rock.py's model"
    target = Target((entry.name,), "seconds", 5.0, 3.0)
    return Contest("sample", title, "grooves/s", (entry,), baseline="", targets=(target,))
