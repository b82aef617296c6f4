"""How far a run has got, in a notebook: a bar, and at each evaluation the curves and what is played by now."""

import base64
import dataclasses
import html
import sys
import time
from pathlib import Path
from typing import Any

from drumjax.midi.reader import MidiError, read_midi
from drumjax.music.kits import Kit
from drumjax.report.shown import Shown
from drumjax.runs.metrics import read_metrics

REFRESH_SECONDS = 1.0


def in_notebook() -> bool:
    """Whether this is a cell of a notebook: a kernel of IPython, as Jupyter and Colab start it."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


class NotebookProgress:
    """Shows a run below the cell that trains it, each thing in place of what was shown before.

    workdir   whose metrics.jsonl is drawn
    kit       names the drums of what is played; None for notes with pitches
    """

    def __init__(self, workdir: Path, first_step: int, num_steps: int, kit: Kit | None):
        from IPython.display import HTML, display

        self.workdir, self.num_steps, self.kit = workdir, num_steps, kit
        self.html = HTML
        self.step, self.facts, self.held_out = first_step, "compiling; the first steps take a while", ""
        self.shown_at = time.monotonic()
        self.line = display(HTML(self._line()), display_id=True)
        self.figure = display(HTML(""), display_id=True)
        self._draw_curves("")

    def __enter__(self) -> "NotebookProgress":
        return self

    def __exit__(self, *exception: object) -> None:
        self._refresh()

    def advance(self, step: int, loss: float) -> None:
        """The run has reached `step`."""
        self.step = step
        if time.monotonic() - self.shown_at >= REFRESH_SECONDS:
            self._refresh()

    def report(self, step: int, loss: float, steps_per_second: float) -> None:
        """How well and how fast it trains, until the next report."""
        left = (self.num_steps - step) / max(steps_per_second, 1e-9)
        self.facts = f"loss {loss:.3f} · {steps_per_second:.2f} steps/s · {left // 60:.0f}:{left % 60:02.0f} left"
        self._refresh()

    def say(self, text: str) -> None:
        """The last evaluation, in a line."""
        self.held_out = text
        self._refresh()

    def preview(self, path: Path, text: str) -> None:
        """Something that the run has played: a player, beside the curves so far."""
        try:
            song = read_midi(path, instrument="drums" if self.kit else "all")
        except MidiError:  # a piece without a note
            return self._draw_curves(f"<pre>{html.escape(text)}</pre>")
        song = dataclasses.replace(song, name=path.stem.replace("_", " "))
        return self._draw_curves(Shown([song], self.kit)._repr_html_())

    def _refresh(self) -> None:
        self.shown_at = time.monotonic()
        self.line.update(self.html(self._line()))

    def _line(self) -> str:
        facts = " · ".join(filter(None, [f"step {self.step}/{self.num_steps}", self.facts]))
        return (
            f'<progress value="{self.step}" max="{self.num_steps}" style="width:16rem"></progress> '
            f"{html.escape(facts)}<br>{html.escape(self.held_out)}"
        )

    def _draw_curves(self, below: str) -> None:
        from drumjax.report.plots import draw_curves  # imports matplotlib

        rows: list[dict[str, Any]] = read_metrics(self.workdir)
        curves = ""
        if rows:
            data = base64.b64encode(draw_curves(rows)).decode()
            curves = f'<img style="max-width:100%" src="data:image/png;base64,{data}" alt="the losses so far">'
        self.figure.update(self.html(curves + below))
