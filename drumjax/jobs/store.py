"""Where a job's samples go."""

from collections.abc import Callable
from typing import Any, Protocol

# Called with the row of each sample that is on the disk, in their order.
Done = Callable[[dict[str, Any]], None]


class Store(Protocol):
    """Takes samples in the order of their numbers. A context manager; on leaving it, by an error too, what is begun is
    finished or undone.

    indices  of the samples that are there
    """

    @property
    def indices(self) -> set[int]: ...

    def write(self, midi: bytes, num_notes: int, row: dict[str, Any]) -> None:
        """Takes one more, the bytes of its file, perhaps for later. Raises OSError, of this one or an earlier one."""

    def drain(self) -> None:
        """Returns once all that was taken is on the disk. Raises OSError if it cannot be."""

    def __enter__(self) -> "Store": ...

    def __exit__(self, *exception: Any) -> None: ...
