"""The scripts of cluster/ under a real Slurm: tasks that are killed and requeued, and a training over two processes."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from slurm import Slurm, start_slurm
from tiny_run import ROOT, digest_of_state, make_config, make_flags, read_rows

from drumjax.jobs.inventory import join_job, take_inventory
from drumjax.training.train import train

pytestmark = [pytest.mark.slow, pytest.mark.long]

NUM_SHARDS = 7
NUM_SAMPLES = 1000
KILLS, REQUEUES = 2, 2


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with start_slurm(tmp_path_factory.mktemp("slurm")) as found:
        yield found


def submit(slurm: Slurm, programs, script: str, *flags: str, env: dict[str, str]) -> str:
    """Submits a script of cluster/ as users do, from the checkout."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    output = f"--output={slurm.folder}/%x-%A-%a.out"
    return slurm.submit(
        f"--chdir={ROOT}", "--cpus-per-task=1", "--mem=0", output, *flags, f"cluster/{script}",
        env=programs.env | {"PATH": path} | env,
    )  # fmt: skip


def outputs(slurm: Slurm) -> str:
    return "\n".join(f"== {path.name}\n{path.read_text()}" for path in sorted(slurm.folder.glob("*.out")))


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "lock"}


def kill_steps(folder: Path, number: int) -> int:
    """Signals a python that works in this folder, as a machine does that fails; returns how many there were."""
    found = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if is_python(words := read_words(path)) and any(bytes(folder) in word for word in words)
    ]
    for process in random.sample(found, min(1, len(found))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
    return len(found)


def is_python(words: list[bytes]) -> bool:
    return os.path.basename(words[0]).startswith(b"python") if words else False


def read_words(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\0")
    except OSError:  # it has ended
        return []


def test_an_array_of_shards_with_kills_and_requeues_is_the_undisturbed_job(slurm, programs, expressive_run, tmp_path):
    flags = f"--workdir {expressive_run} --bars 2 --notab"
    whole = tmp_path / "whole"
    command = ["run_sample.py", f"--num_samples={NUM_SAMPLES}", f"--out_dir={whole}", *flags.split()]
    assert programs.run(*command)[0] == 0

    folder = tmp_path / "array"
    env = {
        "NUM_SHARDS": str(NUM_SHARDS), "NUM_SAMPLES": str(NUM_SAMPLES), "OUT_DIR": str(folder), "SAMPLE_FLAGS": flags
    }  # fmt: skip
    chance, kills, requeues = random.Random(0), 0, 0
    job = submit(slurm, programs, "slurm_sample.sh", f"--array=0-{NUM_SHARDS - 1}", env=env)
    for _ in range(8):
        wait_for_samples(slurm, job, folder)
        running = [number for number, state in slurm.states(job).items() if state == "RUNNING"]
        if running and requeues < kills:
            slurm.run("scontrol", "requeue", f"{job}_{chance.choice(running)}")
            requeues += 1
        else:
            kills += min(1, kill_steps(folder, chance.choice([signal.SIGKILL, signal.SIGTERM])))
        if kills >= KILLS and requeues >= REQUEUES:
            break
    for _ in range(3):
        slurm.wait(job)
        found = take_inventory(folder)
        if not len(found.missing):
            break
        numbers = ",".join(map(str, found.shards_to_start))
        job = submit(slurm, programs, "slurm_sample.sh", f"--array={numbers}", env=env)
    assert len(found.missing) == 0, outputs(slurm)
    assert kills >= KILLS
    assert requeues >= REQUEUES
    assert join_job(folder) == NUM_SAMPLES
    assert tree(folder) == tree(whole)


def wait_for_samples(slurm: Slurm, job: str, folder: Path, more: int = 20) -> None:
    """Until some more are there, or none are to come."""
    before = len(list(folder.rglob("*.mid")))

    def has_more() -> bool:
        return len(list(folder.rglob("*.mid"))) >= before + more

    slurm.wait_until(lambda: slurm.hasten(job) or has_more() or not live(slurm.states(job)))


def live(states: dict[str, str]) -> bool:
    return bool({"PENDING", "RUNNING", "COMPLETING", "CONFIGURING"} & set(states.values()))


def test_a_training_over_two_processes_that_dies_is_queued_again_and_ends_the_same(slurm, programs, songs, tmp_path):
    changes = {"train.num_steps": 48, "train.eval_every_steps": 8, "train.log_every_steps": 4}
    alone = tmp_path / "alone"
    train(make_config(songs, changes), alone, num_devices=1)

    workdir = tmp_path / "together"
    config, *flags = make_flags(songs, changes)
    job = submit(
        slurm, programs, "slurm_train.sh", "--nodes=1", "--ntasks-per-node=2",
        env={"CONFIG": config.partition("=")[2], "WORKDIR": str(workdir), "TRAIN_FLAGS": " ".join(flags)},
    )  # fmt: skip
    metrics = workdir / "metrics.jsonl"
    slurm.wait_until(lambda: metrics.exists() and any(row["step"] >= 12 for row in read_rows(workdir)))
    assert kill_steps(workdir, signal.SIGKILL) == 2
    slurm.wait_until(lambda: slurm.hasten(job) or list(slurm.states(job).values()) == ["COMPLETED"])
    said = outputs(slurm)
    assert re.search(r"process [01] has died, and this one ends with it", said)
    assert re.search(rf"resuming {workdir} at step \d+", said)
    assert digest_of_state(workdir)[0] == 48
    for one, two in zip(read_rows(alone), read_rows(workdir), strict=True):
        assert one["step"] == two["step"]
        np.testing.assert_allclose(one["loss"], two["loss"], rtol=1e-5)


def test_the_scripts_are_what_bash_reads():
    for path in sorted((ROOT / "cluster").glob("*.sh")):
        assert len(path.read_text().splitlines()) <= 40
        subprocess.run(["bash", "-n", path], check=True)
