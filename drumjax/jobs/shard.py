"""Shards: the numbered parts of a job, each made by a process that need not know of the others."""

import dataclasses
import re
from collections.abc import Mapping

from drumjax.sampling.piece import RequestError

_ASKED = re.compile(r"(\d{1,7})/(\d{1,7})", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Shard:
    """Part number `index`, from 0, of `count`. The only one is the whole job."""

    index: int = 0
    count: int = 1

    def span(self, num_samples: int, block: int) -> range:
        """The samples that are its: whole blocks, as many as each other has, or one more."""
        num_blocks = -(-num_samples // block)
        first, last = (num_blocks * i // self.count * block for i in (self.index, self.index + 1))
        return range(min(first, num_samples), min(last, num_samples))

    @property
    def suffix(self) -> str:
        """What the names of its own files end in."""
        return "" if self.count == 1 else f"-{self.index:05d}-of-{self.count:05d}"

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


WHOLE = Shard()


def parse_shard(text: str) -> Shard:
    """The shard of a text such as 3/64. Raises RequestError."""
    match = _ASKED.fullmatch(text.strip())
    if not match or int(match[1]) >= int(match[2]):
        raise RequestError(
            f"--shard is {text!r}; give a number and how many there are: 0/64 is the first, 63/64 the last"
        )
    return Shard(int(match[1]), int(match[2]))


def find_shard(environment: Mapping[str, str]) -> tuple[Shard, str] | None:
    """The shard that a scheduler gave this process, and the variable that says so: a task of a Slurm array, or a pod of
    a Kubernetes Job with completionMode Indexed. None where there is none.

    Raises RequestError where it is not said how many there are.
    """
    if number := environment.get("SLURM_ARRAY_TASK_ID"):
        return _of_slurm_array(int(number), environment), "SLURM_ARRAY_TASK_ID"
    if number := environment.get("JOB_COMPLETION_INDEX"):
        count = environment.get("JOB_COMPLETIONS", "")
        if not count.isdecimal():
            raise RequestError(
                f"JOB_COMPLETION_INDEX is {number}, and Kubernetes does not say of how many: set JOB_COMPLETIONS to "
                f"the Job's completions, or give --shard {number}/N (0/1 for all samples)"
            )
        return parse_shard(f"{number}/{count}"), "JOB_COMPLETION_INDEX"
    return None


def _of_slurm_array(number: int, environment: Mapping[str, str]) -> Shard:
    """Numbers are those from the array's lowest on, which has to be 0 or 1 and to leave none out: of an array of some
    tasks only, those to be repeated, Slurm does not say how many there were."""
    low, high, count = (int(environment.get(f"SLURM_ARRAY_TASK_{name}", "-1")) for name in ("MIN", "MAX", "COUNT"))
    if low not in (0, 1) or high - low + 1 != count:
        raise RequestError(
            f"this array of Slurm has {max(count, 0)} tasks from {low} to {high}, which does not say how many shards "
            f"there are: give --shard {number}/N (0/1 for all samples)"
        )
    return Shard(number - low, count)
