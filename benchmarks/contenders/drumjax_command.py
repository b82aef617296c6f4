"""The command that people type: run_sample.py, from the start of the process to the last file."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.contender import Contender, Figures, Repeat, num_cores


def command(folder: str, num_samples: int, bars: int, form: str = "midi") -> Contender:
    """Grooves from a run of rock.py's model, as files or packed; seconds per command. The warm-up fills the compile
    cache."""
    workdir, out_dir = Path(folder) / "run", Path(folder) / f"samples-{form}"

    def make() -> Repeat:
        changes = {"data.dataset": "starter", "train.num_steps": 1, "train.batch_size": 8, "train.window_beats": 8}
        flags = [f"--config.{name}={value}" for name, value in changes.items()]
        _run("run_train.py", "--config", "configs/rock.py", f"--workdir={workdir}", *flags)

        def repeat() -> Figures:
            shutil.rmtree(out_dir, ignore_errors=True)
            start = time.perf_counter()
            _run("run_sample.py", f"--workdir={workdir}", f"--out_dir={out_dir}", f"--num_samples={num_samples}",
                 f"--bars={bars}", f"--format={form}")  # fmt: skip
            seconds = time.perf_counter() - start
            written = _count(out_dir)
            if written != num_samples:
                raise RuntimeError(f"run_sample.py wrote {written} grooves, not {num_samples}")
            return {"seconds": seconds}

        return repeat

    return Contender({"": make}, lambda: str(num_cores()))


def _count(out_dir: Path) -> int:
    """The grooves in a folder."""
    packed = list(out_dir.glob("*.parquet"))
    if not packed:
        return len(list(out_dir.rglob("*.mid")))
    import pyarrow.parquet

    return sum(pyarrow.parquet.read_metadata(path).num_rows for path in packed)


def _run(*words: str) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, *words], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
