"""Row 4, data: MIDI files to songs, and what windows and tokens cost of a training step."""

from pathlib import Path

from benchmarks.contenders.drumjax_config import AUGMENTED
from benchmarks.contest import Contest, Entry, Target
from benchmarks.options import Options
from drumjax.data.groove_midi import shared_folder
from drumjax.data.starter import starter_songs
from drumjax.midi.reader import write_midi

NUM_FILES = 400  # enough for the pool to start


def contests(options: Options) -> list[Contest]:
    return [_reading(options), _windows(options)]


def _reading(options: Options) -> Contest:
    num = 24 if options.quick else NUM_FILES
    shared = shared_folder()
    if options.dataset == "groove" and shared:
        folder = shared / "groove"
    else:
        folder = _write_starter(Path(options.folder) / "midi", num)
        num = len(list(folder.iterdir()))
    case = {"folder": str(folder), "num_files": num}
    read = "benchmarks.contenders.drumjax_files:read"
    cached = "benchmarks.contenders.drumjax_files:read_cache"
    entries = (
        Entry("one process", read, {**case, "num_workers": 1}, work=num),
        Entry("the pool", read, {**case, "num_workers": options.threads}, work=num),
        Entry("second start", cached, {**case, "cache_dir": f"{options.folder}/songs"}, work=num),
    )
    title = f"{num} MIDI files ({options.dataset}) to songs"
    return Contest("data", title, "files/s", entries, baseline="one process")


def _write_starter(folder: Path, num: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, song in enumerate(starter_songs()[:num]):
        write_midi(song, folder / f"{i:04d}.mid")
    return folder


def _windows(options: Options) -> Contest:
    small = {"model.hidden_size": 32, "train.batch_size": 8, "train.window_beats": 16, "train.steps_per_call": 2}
    changes = small if options.quick else {}
    case = {"config": "rock", "changes": changes, "dataset": options.dataset}
    augmented = {**case, "changes": {**changes, **AUGMENTED}, "batches": 20}
    plain = {**augmented, "changes": {**changes, **dict.fromkeys(AUGMENTED, 0.0)}}
    take, all_changes = "benchmarks.contenders.drumjax_train:take_windows", "windows, augmented, and tokens"
    entries = (
        Entry("training step", "benchmarks.contenders.drumjax_train:train", {**case, "calls": 1}),
        Entry("windows and tokens", take, plain),
        Entry(all_changes, take, augmented),
    )
    targets = (Target((all_changes,), "share", 0.05, 0.02),)
    return Contest("data", "one batch of rock.py", "", entries, baseline="training step", targets=targets)
