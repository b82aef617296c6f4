"""A disk that is full: for training, sampling, evaluating, exploring; at any point of each."""

import contextlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tiny_run import digest_of_state

from attack.outcome import Outcome, check_output, judge
from attack.target import Target, half_written


def fill_disk(target: Target, chance: random.Random) -> Iterator[Outcome]:
    """Each program is refused room at a random point: one line with a path; then it has room, and goes on to its end.

    Where no small disk may be mounted, no file may grow beyond some kilobytes.
    """
    with small_disk(target.fresh("disk")) as disk:
        name = chance.choice(("train", "train", "sample", "sample", "evaluate", "explore", "cache"))
        size, where = int(2 ** chance.uniform(12, 19)), disk.folder / "here"
        commands = {
            "train": target.train(where),
            "sample": [*target.sample(where), "--gallery"],
            "evaluate": ["drumjax.evaluate", f"--workdir={target.finished}", f"--output={where}.json",
                         f"--html={where}.html"],
            "explore": ["drumjax.explore", f"--dir={target.songs}", f"--out_dir={where}"],
            "cache": target.train(target.fresh("cacheless")),
        }  # fmt: skip
        disk.resize(size)
        env = {"XDG_CACHE_HOME": str(disk.folder)} if name == "cache" else {}
        limit = {} if disk.is_mounted else {"file_size": size}
        end = target.launcher.start(*commands[name], **limit, **env).wait()
        # A cache that cannot be kept is no reason to stop.
        problems = check_output(end.status, end.output, (0,) if name == "cache" else (0, 1))
        if end.status == 1 and str(disk.folder) not in end.output.split("error: ")[-1]:
            problems.append(f"names no path: {end.output[-300:]}")
        problems += half_written(disk.folder)
        yield judge(f"{name} in {size} bytes", problems + _temporaries(disk.folder))
        disk.resize(2**28)
        end = target.launcher.run(*commands[name], **env)
        problems = check_output(end.status, end.output, (0,))
        if name == "train" and end.status == 0:
            problems += target.check_run(where)
        elif name == "cache" and digest_of_state(target.folder / "cacheless") != target.digest:
            problems.append("other parameters without a cache")
        yield judge(f"{name}, with room again after {size} bytes", problems)


class Disk:
    """A folder of a disk of its own, whose size can be changed; or any folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
        self.is_mounted = subprocess.run(command, capture_output=True).returncode == 0

    def resize(self, num_bytes: int) -> None:
        if self.is_mounted:
            kilobytes = max(4, num_bytes // 1024)
            subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(self.folder)], check=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """It is gone afterwards."""
    disk = Disk(folder)
    try:
        yield disk
    finally:
        if disk.is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _temporaries(folder: Path) -> list[str]:
    """Half-written files under a temporary name: on a full disk they take the room of others."""
    names = [path.name for path in folder.rglob("*.tmp")]
    return [f"left behind: {names[:5]}"] if names else []
