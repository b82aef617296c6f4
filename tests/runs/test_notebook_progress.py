"""What a cell of a notebook shows while a run is trained; IPython is pretended."""

import json
import sys
import types
from types import SimpleNamespace

import pytest
from bars import ROCK, make_song

from drumjax.midi.reader import write_midi
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.runs.notebook_progress import NotebookProgress, in_notebook

ROWS = [
    {"step": 10, "split": "train", "loss": 3.0, "nll/hits": 2.0},
    {"step": 10, "split": "validation", "loss": 2.5, "nll/hits": 1.5},
]


@pytest.fixture
def shown(monkeypatch):
    """What each display of the cell shows now, and how often it changed."""
    displays = []

    def display(value, display_id=False):
        handle = SimpleNamespace(now=value, changes=0)

        def update(value):
            handle.now, handle.changes = value, handle.changes + 1

        handle.update = update
        displays.append(handle)
        return handle

    module = types.ModuleType("IPython")
    module.version_info = (9, 0)  # at which matplotlib looks
    module.get_ipython = lambda: SimpleNamespace(kernel=object())
    pictures = types.ModuleType("IPython.display")
    pictures.HTML, pictures.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", pictures)
    return displays


def test_only_a_kernel_is_a_notebook(shown, monkeypatch):
    assert in_notebook()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    assert not in_notebook()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: SimpleNamespace())  # IPython on a terminal
    assert not in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_a_bar_moves_and_says_how_well_and_how_long(shown, tmp_path):
    with NotebookProgress(tmp_path, 10, 100, ROLAND_TD11) as progress:
        line, figure = shown
        assert 'value="10" max="100"' in line.now
        assert "<img" not in figure.now
        for step in range(11, 61):
            progress.advance(step, 1.25)
        assert line.changes <= 1  # not more than one a second
        progress.report(60, 1.25, 0.5)
        progress.say("step 60 <best>")
    assert 'value="60" max="100"' in line.now
    assert "step 60/100 · loss 1.250 · 0.50 steps/s · 1:20 left" in line.now
    assert "step 60 &lt;best&gt;" in line.now


def test_an_evaluation_shows_curves_and_a_player(shown, tmp_path):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    song = tmp_path / "step_000010.mid"
    write_midi(make_song([ROCK]), song)
    with NotebookProgress(tmp_path, 10, 100, ROLAND_TD11) as progress:
        figure = shown[1]
        assert "data:image/png" in figure.now  # of a run that goes on
        progress.preview(song, "a tab")
    assert "data:image/png" in figure.now
    assert "<iframe" in figure.now
    assert "step 000010" in figure.now


def test_a_piece_without_a_note_is_shown_as_text(shown, tmp_path):
    song = tmp_path / "step_000010.mid"
    write_midi(Song(make_notes([], [], [], [])), song)
    with NotebookProgress(tmp_path, 10, 100, ROLAND_TD11) as progress:
        progress.preview(song, "HH|----|")
    assert "<pre>HH|----|</pre>" in shown[1].now
