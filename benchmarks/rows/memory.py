"""Row 6, memory: what a memory of the whole song costs rock.py, in a training step and in sampling."""

from typing import Any

from benchmarks.contenders.drumjax_config import FORGETFUL
from benchmarks.contest import Contest, Entry
from benchmarks.options import Options

BARS = 8
BATCHES = (1, 64, 1024)
QUICK = {"model.hidden_size": 32, "model.embed_size": 16, "train.batch_size": 8, "train.window_beats": 8}


def contests(options: Options) -> list[Contest]:
    sizes = QUICK if options.quick else {}
    batch, beats = sizes.get("train.batch_size", 32), sizes.get("train.window_beats", 64)
    train = {"dataset": options.dataset, "calls": 1}
    contests = [_contest("training step", "16ths/s", "drumjax_train:train", train, sizes, batch * beats * 4)]
    for num in (1, 4) if options.quick else BATCHES:
        title = f"grooves of {BARS} bars, {num} at a time"
        sample = {"batch": num, "bars": BARS}
        contests.append(_contest(title, "grooves/s", "drumjax_sample:sample", sample, sizes, num))
    return contests


def _contest(title: str, unit: str, make: str, case: dict[str, Any], sizes: dict[str, Any], work: int) -> Contest:
    names = {"rock.py": {}, "rock.py without a memory of the song": FORGETFUL}
    entries = [
        Entry(name, f"benchmarks.contenders.{make}", {"config": "rock", "changes": {**sizes, **changes}, **case}, work)
        for name, changes in names.items()
    ]
    return Contest("memory", title, unit, tuple(entries), baseline="rock.py")
