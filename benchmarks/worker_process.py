"""The parent's side of a worker: start it, ask it for repeats, end it."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from typing import Any

# No repeat, and no compilation, takes this long.
LIMIT_SECONDS = 900


class WorkerError(RuntimeError):
    """A worker that ended, or hangs; the message is the last line it printed."""


class WorkerProcess:
    """A context in which one contender lives. `said` is its answer once it has warmed up."""

    def __init__(self, make: str, case: dict[str, Any], env: dict[str, str]):
        self.make, self.case, self.env = make, case, env
        self.said: dict[str, Any] = {}

    def __enter__(self) -> "WorkerProcess":
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **self.env},
            start_new_session=True,  # so that its own children end with it
        )
        assert self._process.stdin
        assert self._process.stdout
        self._questions, self._answers = self._process.stdin, self._process.stdout
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(OSError):
            self._questions.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._answers.close()
        self._log.close()

    def start(self) -> None:
        """Warms it up."""
        self.said = self._ask({"make": self.make, "case": self.case})

    def repeat(self) -> dict[str, float]:
        """The figures of one repeat."""
        return self._ask({})

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            self._questions.write(json.dumps(question) + "\n")
            self._questions.flush()
        except OSError:
            raise WorkerError(self._last_words()) from None
        if not select.select([self._answers], [], [], LIMIT_SECONDS)[0]:
            raise WorkerError(f"no answer in {LIMIT_SECONDS} s")
        answer = self._answers.readline()
        if not answer:
            raise WorkerError(self._last_words())
        return json.loads(answer)

    def _last_words(self) -> str:
        self._process.wait()
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
        return (errors or lines or [f"ended with status {self._process.returncode}"])[-1]
