"""run_train.py --distributed as processes: one dies or stops, and the others end in time, in our words."""

import re
import shutil
import signal
import socket
import threading
import time

import pytest
from tiny_run import digest_of_state, make_flags

WITHIN_SECONDS = 60
FOR_EVER = {"train.num_steps": 1_000_000, "train.log_every_steps": 4, "train.eval_every_steps": 8}


class Pair:
    """Two processes of one run, and the lines of each with the time at which it came."""

    def __init__(self, programs, *flags, **env):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            env["JAX_COORDINATOR_ADDRESS"] = f"127.0.0.1:{free.getsockname()[1]}"
        env["JAX_NUM_PROCESSES"] = "2"
        self.processes = [
            programs.start("run_train.py", *flags, "--distributed", **env, JAX_PROCESS_ID=str(i)) for i in range(2)
        ]
        self.lines = [[], []]
        self.readers = [threading.Thread(target=self._read, args=(i,), daemon=True) for i in range(2)]
        for reader in self.readers:
            reader.start()

    def _read(self, i):
        for line in self.processes[i].stdout:
            self.lines[i].append((time.monotonic(), line))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for process in self.processes:
            process.kill()

    def wait_for(self, pattern, seconds=200):
        """Until process 0 has printed it."""
        end = time.monotonic() + seconds
        while not any(re.search(pattern, line) for _, line in self.lines[0]):
            assert time.monotonic() < end, self.lines
            assert all(process.poll() is None for process in self.processes), self.lines
            time.sleep(0.02)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "victim", "words"),
    [
        (signal.SIGKILL, 0, "process 0 has died"),
        (signal.SIGSTOP, 1, "process 1 has been silent for 5 s"),
    ],
)
def test_the_death_of_one_ends_the_other(programs, songs, tmp_path, number, victim, words):
    """And is no damage: they save every few steps, and the newest checkpoint stays the newest."""
    workdir = tmp_path / "run"
    flags = [*make_flags(songs, FOR_EVER), f"--workdir={workdir}", "--heartbeat_timeout=5"]
    with Pair(programs, *flags) as pair:
        pair.wait_for("step 16/")
        pair.processes[victim].send_signal(number)
        start = time.monotonic()
        other = 1 - victim
        assert pair.processes[other].wait(timeout=WITHIN_SECONDS) == 1
        pair.readers[other].join(timeout=10)
    lines = [line for when, line in pair.lines[other] if when > start and "loss" not in line]
    ours = next(i for i, line in enumerate(lines) if line.startswith("error: "))
    assert words in lines[ours]
    assert "Start all processes again with the same command" in lines[ours]
    if victim:  # that the first has died the runtime notices when we do
        assert not [line for line in lines[:ours] if re.match(r"Traceback|[EF]\d{4} ", line)], lines
    assert not (workdir / "checkpoints" / "damaged").exists()
    newest = max(int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdecimal())
    assert newest >= 8
    assert digest_of_state(workdir)[0] == newest  # it is whole


@pytest.mark.long
@pytest.mark.slow
def test_a_refusal_of_one_ends_the_other(programs, songs, tmp_path):
    """Whose data, say, are elsewhere."""
    workdir, moved = tmp_path / "run", shutil.copytree(songs, tmp_path / "moved")
    with Pair(programs, *make_flags(songs, FOR_EVER | {"data.dir": str(moved)}), f"--workdir={workdir}") as pair:
        pair.wait_for("step 4/")
        (workdir / "metrics.jsonl").unlink()
        shutil.rmtree(workdir / "checkpoints")  # the first process cannot save any more
        assert [process.wait(timeout=WITHIN_SECONDS) for process in pair.processes] == [1, 1]
        for reader in pair.readers:
            reader.join(timeout=10)
    assert all(any(line.startswith("error: ") for _, line in lines) for lines in pair.lines), pair.lines


@pytest.mark.slow
def test_who_waits_for_others_in_vain_says_so(programs, songs, tmp_path):
    flags = [*make_flags(songs), f"--workdir={tmp_path / 'run'}", "--distributed", "--initialization_timeout=2"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    env = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"}
    status, said = programs.run("run_train.py", *flags, **env)
    assert status == 1
    assert "error: the other processes did not come within 2 s (--initialization_timeout)" in said
    assert f"process 0 is to be at {address}" in said
