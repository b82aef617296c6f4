"""A cluster of Slurm on this machine alone: a controller and a node, from the distribution's packages."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SECONDS_TO_LET_GO = 5.0  # after which a node refuses a job that it has ended no more
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
SETTINGS = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_min_interval=100000,bf_interval=1
MinJobAge=600
SlurmdParameters=config_overrides
InactiveLimit=0
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """Where jobs are submitted and watched."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._waits: dict[str, float] = {}  # since when tasks wait for their time to begin

    def run(self, *command: str, env: dict[str, str] | None = None) -> str:
        env = self.env if env is None else env | {"SLURM_CONF": self.env["SLURM_CONF"]}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def submit(self, *args: str, env: dict[str, str]) -> str:
        """Submits a job that has this environment; its number."""
        return self.run("sbatch", "--parsable", *args, env=env).strip()

    def states(self, job: str) -> dict[str, str]:
        """The state of each task of a job, by number; "" of a job that has none."""
        lines = self.run("squeue", "--noheader", "--array", "--states=all", "--format=%K %T", f"--jobs={job}")
        pairs = [line.split() for line in lines.splitlines()]
        return {"" if number == "N/A" else number: state for number, state in pairs}

    def hasten(self, job: str) -> None:
        """Slurm lets a requeued task wait for two minutes; here, until its node has let go of it and no longer."""
        lines = self.run("squeue", "--noheader", "--array", "--states=PENDING", "--format=%i %r", f"--jobs={job}")
        waiting = {line.split()[0] for line in lines.splitlines() if line.endswith("BeginTime")}
        self._waits = {task: self._waits.get(task, time.monotonic()) for task in waiting}
        for task, since in self._waits.items():
            if time.monotonic() - since > SECONDS_TO_LET_GO:
                subprocess.run(
                    ["scontrol", "update", f"JobId={task}", "StartTime=now"], env=self.env, capture_output=True
                )
                self._waits[task] = time.monotonic()

    def wait_until(self, what: Callable[[], bool], seconds: float = 240) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, self.log()
            time.sleep(0.5)

    def wait(self, job: str) -> dict[str, str]:
        """The states once nothing of it runs or waits, for some seconds: what is requeued has failed for a moment."""
        going = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD"}
        quiet = 0

        def is_over() -> bool:
            nonlocal quiet
            self.hasten(job)
            quiet = 0 if going & set(self.states(job).values()) else quiet + 1
            return quiet > 10

        self.wait_until(is_over)
        return self.states(job)

    def log(self) -> str:
        texts = [(path, path.read_text(errors="replace")[-3000:]) for path in sorted(self.folder.glob("*.log"))]
        return "\n".join(f"== {path}\n{text}" for path, text in texts)


@contextlib.contextmanager
def start_slurm(folder: Path) -> Iterator[Slurm]:
    """Skips the test where Slurm is missing or may not be started."""
    missing = [name for name in NEEDED if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs Slurm (packages slurm-wlm and munge) and root; {', '.join(missing) or 'root'} is missing")
    slurm, programs = Slurm(folder), []
    ports = {"controller_port": free_port(), "node_port": free_port()}
    host = socket.gethostname().split(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "slurm.conf").write_text(SETTINGS.format(folder=folder, host=host, **ports))
    try:
        programs.append(start_munge(folder))
        for name, *flags in (("slurmctld", "-D", "-c"), ("slurmd", "-D", "-c")):
            with (folder / f"{name}.out.log").open("wb") as output:
                command = [f"/usr/sbin/{name}", *flags]
                programs.append(subprocess.Popen(command, env=slurm.env, stdout=output, stderr=output))
        slurm.wait_until(lambda: is_idle(slurm), 60)
        yield slurm
    finally:
        subprocess.run(["scancel", "--state=RUNNING"], env=slurm.env, capture_output=True, timeout=30)
        for program in reversed(programs):
            program.terminate()
        for program in programs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(10)
            program.kill()


def is_idle(slurm: Slurm) -> bool:
    done = subprocess.run(["sinfo", "--noheader", "--format=%T"], env=slurm.env, capture_output=True, text=True)
    return done.stdout.strip() == "idle"


def start_munge(folder: Path) -> subprocess.Popen:
    """Who vouches for users; under one of its own, in folders that others may pass through."""
    for parent in [folder, *folder.parents][:-2]:
        parent.chmod(parent.stat().st_mode | 0o055) if parent != Path("/tmp") else None
    own = folder / "munge"
    own.mkdir()
    key = own / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    for path in (own, key):
        shutil.chown(path, "munge", "munge")
    own.chmod(0o755)
    socket_path = own / "munge.socket"
    (folder / "munge.socket").symlink_to(socket_path)
    command = [
        "/usr/sbin/munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket_path}",
        f"--pid-file={own}/munged.pid", f"--seed-file={own}/munged.seed",
    ]  # fmt: skip
    with (folder / "munged.log").open("wb") as output:
        return subprocess.Popen(command, user="munge", group="munge", stdout=output, stderr=output)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
