"""What every row must know of the benchmark that it is part of."""

from typing import NamedTuple


class Options(NamedTuple):
    """threads: of every library; quick: sizes that only show that it works; dataset: groove or starter; folder: a
    temporary one, for files that rows need; device: cpu or gpu, for all who compete."""

    threads: int
    quick: bool
    dataset: str
    folder: str
    device: str = "cpu"

    @property
    def on_gpu(self) -> bool:
        return self.device == "gpu"
