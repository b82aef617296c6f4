"""How far a run has got, for whoever watches it."""

import logging
import sys
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

logger = logging.getLogger(__name__)


class Progress(Protocol):
    """What a run tells of itself; a context manager."""

    def __enter__(self) -> "Progress": ...

    def __exit__(self, *exception: object) -> None: ...

    def advance(self, step: int, loss: float) -> None: ...

    def report(self, step: int, loss: float, steps_per_second: float) -> None: ...

    def say(self, text: str) -> None: ...

    def preview(self, path: Path, text: str) -> None: ...


class TextProgress:
    """A progress bar on a terminal, a log line now and then elsewhere."""

    def __init__(self, first_step: int, num_steps: int, enabled: bool = True):
        terminal = sys.stderr.isatty()
        self.num_steps = num_steps
        self.bar = tqdm(total=num_steps, initial=first_step, unit="step", disable=not (terminal and enabled))
        self.enabled = enabled
        self.log = logger.info if enabled and not terminal else logger.debug

    def __enter__(self) -> "TextProgress":
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    def advance(self, step: int, loss: float) -> None:
        """The run has reached `step`."""
        self.bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        self.bar.update(step - self.bar.n)

    def report(self, step: int, loss: float, steps_per_second: float) -> None:
        """A line for those who have no bar."""
        left = (self.num_steps - step) / max(steps_per_second, 1e-9)
        self.log(
            "step %d/%d  loss %.3f  %.2f steps/s  %d:%02d left",
            step, self.num_steps, loss, steps_per_second, left // 60, left % 60,
        )  # fmt: skip

    def say(self, text: str) -> None:
        """Text for the log that leaves the bar whole."""
        with tqdm.external_write_mode():
            (logger.info if self.enabled else logger.debug)("%s", text)

    def preview(self, path: Path, text: str) -> None:
        """What the run has played, as text; `path` is its file."""
        self.say(text)


class GroupProgress:
    """Several runs that are trained together: one line for all of them, and what each says with its name."""

    def __init__(self) -> None:
        self._reports: list[tuple[int, int, float, float]] = []

    def member(self, name: str, num_steps: int) -> "MemberProgress":
        """The progress of one of them."""
        return MemberProgress(name, num_steps, self._reports)

    def tell(self) -> None:
        """What they have reported since, in a line."""
        if self._reports:
            step, num_steps, _, rate = self._reports[-1]
            losses = [loss for *_, loss, _ in self._reports]
            left = (num_steps - step) / max(rate, 1e-9)
            logger.info(
                "step %d/%d  loss %.3f to %.3f of %d runs  %.2f steps/s of each  %d:%02d left",
                step, num_steps, min(losses), max(losses), len(losses), rate, left // 60, left % 60,
            )  # fmt: skip
            self._reports.clear()


class MemberProgress:
    """One of several runs; what it plays is only in its files."""

    def __init__(self, name: str, num_steps: int, reports: list[tuple[int, int, float, float]]):
        self.name, self.num_steps, self._reports = name, num_steps, reports

    def __enter__(self) -> "MemberProgress":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def advance(self, step: int, loss: float) -> None:
        pass

    def report(self, step: int, loss: float, steps_per_second: float) -> None:
        self._reports.append((step, self.num_steps, loss, steps_per_second))

    def say(self, text: str) -> None:
        logger.info("%s: %s", self.name, text)

    def preview(self, path: Path, text: str) -> None:
        pass
