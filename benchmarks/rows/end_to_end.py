"""Row 2, end to end: the same training at 2 x 256 with the data made on the fly, songs to update, augmented or not."""

from typing import Any

from benchmarks.contenders.drumjax_config import AUGMENTED, plain
from benchmarks.contest import Contest, Entry, Target
from benchmarks.options import Options
from benchmarks.rows.train import NEAR_PEAK, PEAKS, peaks, training_flops


def contests(options: Options) -> list[Contest]:
    return [_contest(options, augmented=True), _contest(options, augmented=False)]


def _contest(options: Options, augmented: bool) -> Contest:
    hidden, batch, beats, calls = (32, 8, 8, 1) if options.quick else (256, 64, 32, 3)
    steps_per_call = 50 if options.on_gpu else 5
    length = 4 * beats
    strength = AUGMENTED if augmented else {}
    ours = {
        "config": "default",
        "changes": {**plain(hidden, batch, beats), "train.steps_per_call": steps_per_call, **strength},
        "dataset": options.dataset,
        "calls": calls,
    }
    theirs = {
        "threads_wanted": options.threads,
        "dataset": options.dataset,
        "hidden": hidden,
        "batch": batch,
        "length": length,
        "steps": calls * steps_per_call,
        "strength": {name.removeprefix("augment."): value for name, value in strength.items()},
        "device": options.device,
    }
    loader = "PyTorch, DataLoader"
    work: dict[str, Any] = {"work": batch * length, "flops": training_flops(hidden, batch * length)}
    torch = Entry(loader, "benchmarks.contenders.torch_loader:train", theirs, needs=("torch",), **work)
    drumjax = Entry("drumjax", "benchmarks.contenders.drumjax_train:train", ours, **work)
    # The target is set for augmented training.
    targets = (Target((loader,), "ratio", 1.5, 3.0, peak=NEAR_PEAK),) if augmented else ()
    how = "augmented" if augmented else "not augmented"
    title = f"songs to update, {how}, 2 x {hidden}, batch {batch}, {length} steps"
    return Contest("end_to_end", title, "16ths/s", (drumjax, torch, *peaks(options)), targets=targets, peaks=PEAKS)
