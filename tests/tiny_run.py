"""A run of a second or two: a folder of random songs, a config for it, and the two programs as processes."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from tiny import make_weights

from configs import default
from drumjax.codecs.factory import make_codec
from drumjax.config.settings import make_settings
from drumjax.midi.reader import write_midi
from drumjax.music.notes import Song, make_notes
from drumjax.runs.checkpoint import Checkpoints
from drumjax.runs.leaves import nest
from drumjax.runs.run import make_metadata, make_model

ROOT = Path(__file__).parents[1]

# What differs from configs/default.py: sizes, and parts of the model that only cost time to compile. Drop-out stays
# on: it must be repeated bit for bit too.
SMALL = {
    "data.dataset": "folder",
    "codec.steps_per_beat": 2,
    "codec.expressive": False,
    "codec.velocity_bins": 4,
    "codec.offset_bins": 4,
    "codec.lookback_bars": 1,
    "model.hidden_size": 8,
    "model.num_layers": 1,
    "model.embed_size": 8,
    "model.lookback": False,
    "model.copy": False,
    "model.features": False,
    "model.pointer": False,
    "model.joint_units": 0,
    "model.coming_beats": 0,
    "train.num_steps": 4,
    "train.batch_size": 4,
    "train.window_beats": 8,
    "train.memory_beats": 4,
    "train.schedule": "constant",  # so that a shorter run is the beginning of a longer one
    "train.warmup_steps": 2,
    "train.steps_per_call": 2,
    "train.log_every_steps": 3,
    "train.eval_every_steps": 4,
}
# Beside them, for a run of two steps that everything can be asked of.
EXPRESSIVE = {
    "codec.steps_per_beat": 4,
    "codec.expressive": True,
    "model.pointer": True,
    "model.pointer_beats": 8,
    "model.joint_units": 4,
    "model.coming_beats": 2,
    "sample.bars": 4,
    "train.num_steps": 2,
    "train.field_weights": {"hits": 1.0, "velocity": 0.5, "offset": 0.25},
}


def write_songs(directory: Path, num_songs: int = 12) -> Path:
    """A folder of MIDI files of four bars, all different."""
    directory.mkdir(parents=True)
    for number in range(num_songs):
        random = np.random.default_rng(number)
        onset = np.sort(random.uniform(0, 15.5, 40))
        pitch, velocity = random.choice([36, 38, 42, 46], 40), random.integers(1, 128, 40)
        song = Song(make_notes(onset, np.full(40, 0.1), pitch, velocity), is_drums=True)
        write_midi(song, directory / f"{number}.mid")
    return directory


def make_config(songs: Path, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The config of a tiny run; `changes` by dotted name."""
    config = json.loads(default.get_config().to_json())
    for path, value in (SMALL | {"data.dir": str(songs)} | (changes or {})).items():
        group, name = path.split(".")
        assert name in config[group], path
        config[group][name] = value
    return config


def make_flags(songs: Path, changes: dict[str, Any] | None = None) -> list[str]:
    """The same as flags of run_train.py."""
    values = SMALL | {"data.dir": songs} | (changes or {})
    return [f"--config={ROOT / 'configs/default.py'}", *(f"--config.{name}={value}" for name, value in values.items())]


def read_rows(workdir: Path) -> list[dict[str, Any]]:
    """metrics.jsonl, without how fast it went."""
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "steps_per_second"} for row in rows]


def tree_of(directory: Path) -> dict[str, tuple[int, int]]:
    """{path: (mtime in ns, size)} of everything under a directory, itself included."""
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in [directory, *directory.rglob("*")]}


def make_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder of that name, filled by `make` once in a session for all workers; to be copied, not changed."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, made = base / name, base / f"{name}.made"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a try that failed
            make(folder)
            made.touch()
    return folder


def digest_of_state(workdir: Path) -> tuple[int, str]:
    """The step of the newest checkpoint, and the SHA-256 over every array of the train state in it."""
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        examples = examples_of(workdir / "checkpoints", checkpoints.steps()[-1])
        restored = checkpoints.restore_latest(**examples)
    return restored.step, digest_of((restored.params, restored.state))


def examples_of(checkpoints: Path, step: int) -> dict[str, Any]:
    """What restore_latest() is to be given for a checkpoint, as its own metadata has it."""
    sealed = json.loads((checkpoints / str(step) / "metadata" / "metadata").read_bytes())
    return {
        item: nest({name: _example(kind) for name, (kind, _) in leaves.items()})
        for item, leaves in sealed["content"]["leaves"].items()
    }


def digest_of(tree: Any) -> str:
    """The SHA-256 over every array of a tree."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        is_key = hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        array = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
        digest.update(f"{path} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def _example(kind: str) -> jax.ShapeDtypeStruct:
    """What "float32[2, 3]" or "key<fry>[]" describes."""
    dtype, _, shape = kind.partition("[")
    if dtype.startswith("key"):
        return jax.eval_shape(lambda: jax.random.key(0))
    return jax.ShapeDtypeStruct(json.loads("[" + shape), dtype)


def save_untrained(workdir: Path, config: dict[str, Any]) -> Path:
    """The workdir of a run of random weights."""
    settings = make_settings(config)
    weights = make_weights(make_model(settings, make_codec(settings.codec), num_styles=1))
    metadata = make_metadata(config, ("",), None, {"time_signatures": ["4/4"]})
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        checkpoints.save(1, params={"params": weights.params}, state={"step": 1}, metadata=metadata, metric=1.0)
    return workdir


# Runs the commands on its standard input, each in a child that begins as `python <program> <flags>` would.
FORK_EACH = """
import gc, json, os, runpy, sys
commands, results = json.load(sys.stdin), []
sys.path.insert(0, os.path.dirname(commands[0][0]))
import drumjax.jobs.gallery, drumjax.jobs.job, drumjax.training.train
gc.freeze()  # so that a child does not copy all of it as it ends
for command in commands:
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1), os.dup2(file, 2)
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")
        sys.exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with open(sys.argv[1]) as file:
        results.append((status, file.read()))
print(json.dumps(results))
"""


def heed_interrupts() -> None:
    """A shell that starts the tests in the background has them, and all that they start, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Programs:
    """Starts run_train.py and run_sample.py in a folder of their own, on as many CPU devices as users have.

    They compile as tests do. The user's cache is one of their own, but what the tests compiled lies in it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        hidden = ("XLA_FLAGS", "DRUMJAX_DATA", "PYTHONPATH")
        self.env = {name: value for name, value in os.environ.items() if name not in hidden}
        self.env |= {"JAX_PLATFORMS": "cpu", "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
        self.env["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # compiles three times as fast
        quickly = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if "device_count" not in flag]
        self.env |= {"XLA_FLAGS": " ".join(quickly)} if quickly else {}
        if compiled := os.environ.get("DRUMJAX_TEST_COMPILED"):
            (folder / "cache" / "drumjax").mkdir(parents=True)
            for kind in ("compiled", "programs"):
                (folder / "cache" / "drumjax" / kind).symlink_to(Path(compiled).with_name(kind))

    def start(self, program: str, *flags: str, **env: str) -> subprocess.Popen:
        """Its output is text, errors included in it."""
        command = [sys.executable, str(ROOT / program), *flags]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env | env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=heed_interrupts,
        )

    def run_all(self, commands: list[list[str]]) -> list[tuple[int, str]]:
        """(exit status, output) of each command; forked from one process, so that libraries are imported only once."""
        command = [sys.executable, "-c", FORK_EACH, str(self.folder / "output")]
        text = json.dumps([[str(ROOT / program), *flags] for program, *flags in commands])
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, input=text, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return [tuple(result) for result in json.loads(done.stdout)]

    def run(self, program: str, *flags: str, **env: str) -> tuple[int, str]:
        """(exit status, output)."""
        with self.start(program, *flags, **env) as process:
            output = process.communicate(timeout=120)[0]
        return process.returncode, output
