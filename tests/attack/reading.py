"""Reads hostile files in a process of its own, as `python reading.py KIND FOLDER`: one line of JSON for each.

The process may have only so much memory more than it begins with, and says how long each file took.
"""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
MAX_BYTES = 150 * 10**6
MAX_CPU_SECONDS = 5.0
NAMES = {"tab": "x.tab", "drum_map": "x.json", "manifest": "manifest.jsonl", "config": "config.json",
         "metrics": "metrics.jsonl", "info": "info.csv", "midi": "x.mid"}  # fmt: skip


class Read(NamedTuple):
    """What came of one file: CPU seconds, how many readings gave something, and how one ended as none should."""

    seconds: float
    good: int
    broke: str


def read_all(kind: str, datas: Sequence[bytes], folder: Path) -> list[Read]:
    """What a process makes of files of those bytes."""
    for number, data in enumerate(datas):
        (folder / f"{number:04d}").mkdir(parents=True)
        (folder / f"{number:04d}" / NAMES[kind]).write_bytes(data)
    found: list[Read] = []
    while len(found) < len(datas):  # again from behind a file that ended the process
        command = [sys.executable, __file__, kind, str(folder), str(len(found))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
        found += [Read(*json.loads(line[5:])) for line in done.stdout.splitlines() if line.startswith("read ")]
        if len(found) < len(datas):
            found.append(Read(0, 0, f"ended the process ({done.returncode}): {done.stderr[-300:]}"))
    return found


def _midi(path: Path) -> list[Callable[[], object]]:
    from drumjax.midi.reader import read_midi, read_parts

    return [
        lambda: read_midi(path),
        lambda: read_midi(path, instrument="all", sustain=True, with_messages=True),
        lambda: read_parts(path, instrument="all", sustain=True),
        lambda: read_parts(path, instrument="pitched"),
    ]


def _tab(path: Path) -> list[Callable[[], object]]:
    from drumjax.music.tab import read_tab_file

    return [lambda: read_tab_file(path)]


def _drum_map(path: Path) -> list[Callable[[], object]]:
    from drumjax.music.drum_maps import read_map
    from drumjax.music.kits import NINE_DRUMS

    return [lambda: read_map(str(path), NINE_DRUMS)]


def _manifest(path: Path) -> list[Callable[[], object]]:
    from drumjax.jobs.manifest import Manifest, remove_job

    def open_and_close() -> None:
        with Manifest(path.parent, "0123456789abcdef"):
            pass

    return [open_and_close, lambda: remove_job(path.parent)]


def _config(path: Path) -> list[Callable[[], object]]:
    from configs import default
    from drumjax.compare import compare, read_record
    from drumjax.runs.workdir import check_same_run, describe_fallback

    config = json.loads(default.get_config().to_json())
    return [
        lambda: check_same_run(path.parent, config),
        lambda: describe_fallback(path.parent),
        lambda: compare([read_record(path.parent)] * 2),
    ]


def _metrics(path: Path) -> list[Callable[[], object]]:
    from drumjax.compare import Record, compare, draw_chart
    from drumjax.runs.metrics import MetricsLog, read_metrics
    from drumjax.training.overfitting import describe_fit

    def record() -> Record:
        return Record("x", {}, {}, read_metrics(path.parent))

    def resume() -> None:
        with MetricsLog(path.parent, 20) as log:
            log.write(24, "train", {"loss": 1.0})

    return [
        lambda: compare([record(), record()]),
        lambda: draw_chart([record(), record()]),
        lambda: describe_fit(read_metrics(path.parent)),
        resume,
    ]


def _info(path: Path) -> list[Callable[[], object]]:
    from drumjax.config.data import DataSettings
    from drumjax.data.datasets import load_dataset

    settings = DataSettings(dir=str(path.parent))
    return [lambda: load_dataset(settings, cache_dir=path.parent / "cache")]


def _main(kind: str, folder: str, first: str) -> None:
    # Both a memory limit and an alarm: what hangs is not waited for.
    from attack.outcome import check_line

    make = {"tab": _tab, "drum_map": _drum_map, "manifest": _manifest, "config": _config, "metrics": _metrics,
            "info": _info, "midi": _midi}[kind]  # fmt: skip
    make(Path(folder))  # imports
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
    if pages:
        limit = pages * resource.getpagesize() + MAX_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for path in sorted(Path(folder).iterdir())[int(first) :]:
        signal.setitimer(signal.ITIMER_VIRTUAL, 4 * MAX_CPU_SECONDS)  # its signal ends the process
        slowest, good, broke = 0.0, 0, []
        for read in make(path / NAMES[kind]):
            start = time.process_time()
            try:
                read()
                good += 1
            except BaseException as error:
                line = check_line(error)
                broke.append(line or ("unreadable" if getattr(error, "reason", "") == "unreadable" else ""))
            slowest = max(slowest, time.process_time() - start)
        if slowest > MAX_CPU_SECONDS:
            broke.append(f"{slowest:.1f} CPU seconds")
        print("read", json.dumps([slowest, good, "; ".join(filter(None, broke))]), flush=True)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]
    _main(*sys.argv[1:])
