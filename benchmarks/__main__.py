"""Speed against peers: `python -m benchmarks [--only train,sample] [--output benchmarks.json] [--plots DIR]`.

Only flags are parsed here; see README.md beside this file for what is measured and how.
"""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from absl import app, flags

from benchmarks import machine, report
from benchmarks.contender import num_cores
from benchmarks.contest import hold, pin
from benchmarks.options import Options
from benchmarks.record import Record
from benchmarks.rows import controls, data, end_to_end, growth, memory, population, sample, train
from benchmarks.songs import dataset_name
from drumjax.system.console import set_up_output
from drumjax.system.files import user_path

ROWS = {
    "train": train, "end_to_end": end_to_end, "sample": sample, "data": data, "growth": growth, "memory": memory,
    "population": population, "controls": controls,
}  # fmt: skip

_ONLY = flags.DEFINE_list("only", list(ROWS), "Which rows.")
_REPEATS = flags.DEFINE_integer("repeats", 3, "Rounds of each contest.", lower_bound=1)
_QUICK = flags.DEFINE_boolean("quick", False, "Tiny sizes, two rounds: shows that everything works, not how fast.")
_DEVICE = flags.DEFINE_enum("device", "cpu", ["cpu", "gpu"], "Where everybody computes; targets are for the CPU.")
_THREADS = flags.DEFINE_integer("threads", 0, "Cores and threads of every library; 0 takes all.", lower_bound=0)
_OUTPUT = flags.DEFINE_string("output", "", "Write the figures to this JSON file, beside those of other rows in it.")
_PLOTS = flags.DEFINE_string("plots", "", "Write plots to this folder, as PNG.")


def main(argv: list[str]) -> int:
    set_up_output()
    unknown = [f"unexpected argument {argv[1]!r}"] if len(argv) > 1 else []
    unknown += [f"--only: no row {name!r}; there are: {', '.join(ROWS)}" for name in _ONLY.value if name not in ROWS]
    if unknown:
        sys.exit(f"error: {unknown[0]}")
    threads = min(_THREADS.value or num_cores(), num_cores())
    pin(threads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # workers and temporary files end with us
    judged, rounds = not _QUICK.value and _DEVICE.value == "cpu", 2 if _QUICK.value else _REPEATS.value
    failed = False
    with tempfile.TemporaryDirectory(prefix="benchmarks") as folder:
        options = Options(threads, _QUICK.value, dataset_name(), folder, _DEVICE.value)
        record = _open_record(options)
        print(report.header(options))
        for contest in (contest for name in _ONLY.value for contest in ROWS[name].contests(options)):
            outcomes = hold(contest, rounds, worker_env(options))
            print(report.section(contest, outcomes, judged), flush=True)
            record.add(report.as_json(contest, outcomes, judged))
            failed |= any(o.problem and not o.problem.startswith("not installed") for o in outcomes)
    if _PLOTS.value:
        _write_plots(user_path(_PLOTS.value), record)
    return int(failed)


def worker_env(options: Options) -> dict[str, str]:
    """Threads of every library, the device, and caches that are neither the user's nor warm."""
    number = str(options.threads)
    names = ("OMP", "MKL", "OPENBLAS", "VECLIB_MAXIMUM", "NUMEXPR")
    return {
        **{f"{name}_NUM_THREADS" if name != "VECLIB_MAXIMUM" else f"{name}_THREADS": number for name in names},
        "TF_NUM_INTRAOP_THREADS": number,
        "TF_NUM_INTEROP_THREADS": number,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # Contenders are alive side by side, so none may take the memory of a whole GPU.
        **(
            {"JAX_PLATFORMS": "cuda", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
            if options.on_gpu
            else {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
        ),
        "XDG_CACHE_HOME": f"{options.folder}/cache",
        "KERAS_HOME": f"{options.folder}/keras",
    }


def _open_record(options: Options) -> Record:
    described = machine.describe(options.threads) | ({"gpu": _find_gpu()} if options.on_gpu else {})
    whole = {"machine": described, "dataset": options.dataset, "quick": options.quick}
    try:
        return Record(user_path(_OUTPUT.value) if _OUTPUT.value else None, whole)
    except ValueError as error:
        sys.exit(f"error: --output: {error}")


def _find_gpu() -> str:
    """Its name, as JAX has it; asked of another process, as one that has looked at a GPU keeps some of its memory."""
    ask = "import jax; print(jax.devices('cuda')[0].device_kind)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    if done.returncode:
        sys.exit("error: --device gpu: JAX finds no NVIDIA GPU; install jax[cuda13] or jax[cuda12], or leave it out")
    return done.stdout.strip()


def _write_plots(folder: Path, record: Record) -> None:
    try:
        from benchmarks import plots
    except ImportError as error:
        print(f"no plots: {error.name} is not installed", file=sys.stderr)
        return
    for path in plots.write(folder, record.contests):
        print(path)


if __name__ == "__main__":
    app.run(main)
