"""Programs started as a user starts them, without the seconds that importing JAX takes."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tiny_run import ROOT, Programs

# Forks a child for each command on its standard input, prints the child's number and then its exit status. The child
# leads a session of its own, by which its workers are known.
FORK_SERVER = """
import gc, json, os, resource, runpy, signal, sys
root = sys.argv[1]
sys.path.insert(0, root)
import drumjax.evaluate.scoreboard, drumjax.jobs.gallery, drumjax.jobs.job, drumjax.training.train
gc.freeze()
for line in sys.stdin:
    given = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(given["folder"])
        os.environ.update(given["env"])
        file = os.open(given["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0), os.dup2(file, 1), os.dup2(file, 2)
        if given["file_size"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (given["file_size"],) * 2)
        program, *flags = given["command"]
        if given["cold"]:
            start = [os.path.join(root, program)] if program.endswith(".py") else ["-m", program]
            os.environ["PYTHONPATH"] = root
            os.execv(sys.executable, [sys.executable, *start, *flags])
        if program.endswith(".py"):
            sys.argv = [os.path.join(root, program), *flags]
            sys.path[0] = root
            runpy.run_path(sys.argv[0], run_name="__main__")
        else:
            sys.argv = [program, *flags]
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        sys.exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
MAX_SECONDS = 240  # no tiny job takes so long: it hangs


class End(NamedTuple):
    """How a program ended: exit status, minus the signal that killed it, and all that it printed."""

    status: int
    output: str


class Program:
    """One that runs, its standard input empty."""

    def __init__(self, pid: int, output: Path, server: "Launcher"):
        self.pid, self._output, self._server = pid, output, server

    def send(self, number: int, *, to_group: bool = False) -> None:
        """A signal to it, or as a terminal sends it, to its workers too; nothing if it has ended."""
        if self._server.is_running(0):
            (os.killpg if to_group else os.kill)(self.pid, number)

    def is_running(self) -> bool:
        return self._server.is_running(0)

    def runs_for(self, seconds: float) -> bool:
        """Waits so long, or until it ends; whether it still runs."""
        return self._server.is_running(seconds)

    def wait(self) -> End:
        """Waits for its end. One that hangs is killed, and says so."""
        hangs = self._server.is_running(MAX_SECONDS)
        if hangs:
            os.kill(self.pid, signal.SIGKILL)
        status = self._server.end()
        text = self._output.read_text("utf-8", "replace")
        return End(status, text + f"\nno end after {MAX_SECONDS} seconds" if hangs else text)

    def workers_now(self) -> list[str]:
        """Command lines of the other processes of its session."""
        return [line for pid, line in processes_of(self.pid).items() if pid != self.pid]

    def workers(self, patience: float = 10) -> list[str]:
        """Command lines of what is left of its session `patience` seconds after its end; they are killed."""
        until = time.monotonic() + patience
        while (found := processes_of(self.pid)) and time.monotonic() < until:
            time.sleep(0.05)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        return list(found.values())


class Launcher:
    """Starts one program at a time, in a child of a process that has imported the libraries. A context manager."""

    def __init__(self, programs: Programs, name: str = "launcher"):
        self.folder, self._output = programs.folder, programs.folder / f"{name}.output"
        self._env = programs.env
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORK_SERVER, str(ROOT)],
            cwd=self.folder, env=programs.env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> "Launcher":
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()

    def start(self, *command: str, file_size: int = 0, cold: bool = False, **env: str) -> Program:
        """A program of the repository's folder, or a module's name, and its flags.

        file_size  bytes that a file may have; 0 for any
        cold       a process that imports the libraries itself, as a user's does
        """
        assert self._process.stdin is not None
        given = {"command": command, "folder": str(self.folder), "output": str(self._output), "env": env}
        self._process.stdin.write(json.dumps({**given, "file_size": file_size, "cold": cold}) + "\n")
        self._process.stdin.flush()
        return Program(self.end(), self._output, self)

    def run(self, *command: str, **env: str) -> End:
        """A program from its start to its end."""
        return self.start(*command, **env).wait()

    def is_running(self, seconds: float) -> bool:
        """Whether the program has not ended, at the latest after so many seconds."""
        return not select.select([self._process.stdout], [], [], seconds)[0]

    def end(self) -> int:
        """The next number that the server says. Unbuffered: what is_running waits for must not lie in Python."""
        assert self._process.stdout is not None
        digits = b""
        while not digits.endswith(b"\n"):
            byte = os.read(self._process.stdout.fileno(), 1)
            if not byte:
                raise RuntimeError("the process that starts programs is gone")
            digits += byte
        return int(digits)


def processes_of(session: int) -> dict[int, str]:
    """{process: its command line} of a session, but for those that have ended; empty where there is no /proc."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            _, _, rest = (path / "stat").read_text().rpartition(")")
            state, _, _, number = rest.split()[:4]
            if int(number) == session and state != "Z":
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ").strip()
        except (OSError, ValueError):  # it has just ended
            continue
    return found
