"""What is attacked: a tiny run, trained without disturbance, and the commands that make and use it."""

import contextlib
import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiny_run import Programs, digest_of_state, make_flags, read_rows, write_songs

from attack.program import Launcher

CHANGES = {
    "train.num_steps": 40,
    "train.log_every_steps": 4,  # not a divisor of the next one: rows reach over checkpoints
    "train.eval_every_steps": 10,
}
NUM_SAMPLES = 300


@dataclasses.dataclass
class Target:
    """folder   of the whole attack
    launcher    starts programs
    songs       a folder of MIDI files that is trained on
    finished    the workdir of an undisturbed run
    digest      its last step, and the hash of its parameters and train state
    rows        of its metrics
    samples     by seed, the files of an undisturbed job of NUM_SAMPLES
    digests     by step of the undisturbed run, the hash of its state, and that of its parameters alone
    """

    folder: Path
    programs: Programs
    launcher: Launcher
    songs: Path
    finished: Path
    digest: tuple[int, str] = (0, "")
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    samples: dict[int, dict[str, str]] = dataclasses.field(default_factory=dict)
    digests: dict[int, tuple[str, str]] = dataclasses.field(default_factory=dict)

    def fresh(self, name: str) -> Path:
        """A path where nothing is."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        return path

    def copy(self, name: str) -> Path:
        """A copy of the finished run."""
        return shutil.copytree(self.finished, self.fresh(name))

    def train(self, workdir: Path) -> list[str]:
        """The command that trains it."""
        return ["run_train.py", *make_flags(self.songs, CHANGES), "--num_devices=1", f"--workdir={workdir}"]

    def sample(self, out_dir: Path, seed: int = 0, number: int = NUM_SAMPLES) -> list[str]:
        """The command that samples from the finished run."""
        flags = [f"--workdir={self.finished}", f"--out_dir={out_dir}", f"--num_samples={number}", f"--seed={seed}"]
        return ["run_sample.py", *flags, "--bars=2", "--notab"]

    def expected_samples(self, seed: int = 0) -> dict[str, str]:
        """{name: hash} of the job's undisturbed files; sampled when first asked for."""
        if seed not in self.samples:
            out_dir = self.fresh("undisturbed")
            end = self.launcher.run(*self.sample(out_dir, seed))
            assert end.status == 0, end.output
            self.samples[seed] = hashes(out_dir)
        return self.samples[seed]

    def check_run(self, workdir: Path) -> list[str]:
        """How a run that was trained to its end differs from the undisturbed one."""
        problems = []
        if digest_of_state(workdir) != self.digest:
            problems.append(f"other parameters than undisturbed: {digest_of_state(workdir)}")
        if read_rows(workdir) != self.rows:
            problems.append("metrics.jsonl is not that of the undisturbed run")
        return problems + leftovers(workdir)

    def check_samples(self, out_dir: Path, seed: int = 0) -> list[str]:
        """How a job that was done differs from the undisturbed one."""
        found, expected = hashes(out_dir), self.expected_samples(seed)
        other = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        return ([f"other files than undisturbed: {other[:5]}"] if other else []) + leftovers(out_dir)


@contextlib.contextmanager
def make_target(folder: Path) -> Iterator[Target]:
    """Trains the run that is attacked."""
    folder = folder.absolute()
    (folder / "home").mkdir(parents=True)
    programs = Programs(folder / "home")
    with Launcher(programs) as launcher:
        target = Target(folder, programs, launcher, write_songs(folder / "songs"), folder / "finished")
        end = launcher.run(*target.train(target.finished))
        assert end.status == 0, end.output
        target.digest, target.rows = digest_of_state(target.finished), read_rows(target.finished)
        yield target


def hashes(folder: Path) -> dict[str, str]:
    """{name: SHA-256} of the files of a folder; that of a lock is which process held it last, and left out."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name.strip(".") != "lock"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def leftovers(folder: Path) -> list[str]:
    """What a job that has ended well should have cleared away."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if re.search(r"tmp|\.removed", path.name)]
    return [f"left behind: {names[:5]}"] if names else []


def half_written(folder: Path) -> list[str]:
    """Files of a folder that are neither whole nor absent, whatever ended who wrote them."""
    problems = []
    for path in folder.rglob("*"):
        if path.suffix == ".mid":
            data = path.read_bytes()
            is_whole = data[:4] == b"MThd" and data.endswith(b"\xff\x2f\x00")
        elif path.suffix == ".json" and path.is_file():
            is_whole = is_json(path.read_bytes())
        elif path.suffix == ".jsonl":  # the last line may be cut off
            is_whole = all(is_json(line) for line in path.read_bytes().split(b"\n")[:-1])
        elif path.suffix == ".html":
            is_whole = path.read_bytes().rstrip().endswith(b"</html>")
        else:
            continue
        if not is_whole:
            problems.append(f"half written: {path}")
    return problems


def is_json(data: bytes) -> bool:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        json.loads(data, parse_constant=refuse)
    except ValueError:
        return False
    return True
