"""Row 2, end to end: the same training at 2 x 256 with the data made on the fly, songs to update."""

from benchmarks.contenders.drumjax_config import plain
from benchmarks.contest import Contest, Entry, Target
from benchmarks.options import Options


def contests(options: Options) -> list[Contest]:
    hidden, batch, beats, calls = (32, 8, 8, 1) if options.quick else (256, 64, 32, 3)
    steps_per_call = 5
    length = 4 * beats
    steps = calls * steps_per_call
    ours = {
        "config": "default",
        "changes": {**plain(hidden, batch, beats), "train.steps_per_call": steps_per_call},
        "dataset": options.dataset,
        "calls": calls,
    }
    theirs = {
        "threads_wanted": options.threads,
        "dataset": options.dataset,
        "hidden": hidden,
        "batch": batch,
        "length": length,
        "steps": steps,
    }
    entries = (
        Entry("drumjax", "benchmarks.contenders.drumjax_train:train", ours, work=batch * length),
        Entry(
            "PyTorch, DataLoader",
            "benchmarks.contenders.torch_loader:train",
            theirs,
            needs=("torch",),
            work=batch * length,
        ),
    )
    targets = (Target(("PyTorch, DataLoader",), "ratio", 1.5, 3.0),)
    title = f"songs to update, 2 x {hidden}, batch {batch}, {length} steps"
    return [Contest("end_to_end", title, "16ths/s", entries, targets=targets)]
