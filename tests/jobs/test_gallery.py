"""The pages that the commands write: of a folder of samples, and of an evaluation."""

import dataclasses
import io
import json
import re

import matplotlib.image
import numpy as np
import pytest
from bars import ROCK, make_song

from drumjax.evaluate.board import Board, FigureRow, Group, PlayerFigure, Prediction
from drumjax.evaluate.features.drums import features_of
from drumjax.evaluate.memorization import Memory
from drumjax.evaluate.page import write_report
from drumjax.evaluate.scoreboard import MODEL, REAL, Evaluation
from drumjax.jobs.gallery import MAX_PIECES, check_gallery, describe, write_gallery
from drumjax.jobs.manifest import MANIFEST
from drumjax.midi.reader import write_midi
from drumjax.music.drum_maps import read_map, write_pitches
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.report import plots
from drumjax.system.files import ForeignFileError
from drumjax.system.lock import LockError, lock_folder

ROW = {
    "file": "000000.mid", "index": 0, "seed": 7,
    "context": {"bars": 4, "bpm": 96.0, "style": "funk", "time_signature": "4/4", "fill": 0, "density": 0.0,
                "dynamics": 0.0, "lean": None, "num_notes": 0},
    "temperature": {"hits": 1.0, "velocity": 1.0}, "spread": 1.0, "top_k": 0, "top_p": 1.0, "guidance": 1.0,
    "no_repeat": 0,
}  # fmt: skip


def write_samples(out_dir, number, out_map=None):
    rows = []
    for index in range(number):
        song = make_song([ROCK] * 2, tempo_bpm=96.0)
        write_midi(write_pitches(song, ROLAND_TD11, out_map) if out_map else song, out_dir / f"{index:06d}.mid")
        rows.append(json.dumps({**ROW, "file": f"{index:06d}.mid", "index": index}) + "\n")
    (out_dir / MANIFEST).write_text("".join(rows))


def pieces_of(path):
    return json.loads(re.search(r'id="pieces">(.*?)</script>', path.read_text("utf-8"))[1])


def test_a_folder_of_samples(tmp_path):
    write_samples(tmp_path, 3)
    path = write_gallery(tmp_path, ROLAND_TD11, "rock")
    text = path.read_text("utf-8")
    assert path == tmp_path / "index.html"
    assert [len(piece["notes"]) for piece in pieces_of(path)] == [8] * 3
    assert pieces_of(path)[0]["seconds"] == pytest.approx(16 * 60 / 96)  # four bars were asked for
    assert [text.count(f">rock · funk · {number}<") for number in range(3)] == [1] * 3
    assert text.count("funk · 96 bpm · 4/4 · 4 bars · seed 7, number 2") == 1
    assert "BD|o-------" in text


def test_a_page_of_the_users_own_is_not_replaced(tmp_path):
    """Ours are, those of older versions too."""
    write_samples(tmp_path, 1)
    page = tmp_path / "index.html"
    writers = [
        lambda: check_gallery(tmp_path),
        lambda: write_gallery(tmp_path, ROLAND_TD11, "rock"),
        lambda: write_report(make_evaluation(), ROLAND_TD11, tmp_path, page),
    ]
    for write in writers:
        page.write_text("<title>my home page</title>")
        with pytest.raises(ForeignFileError, match=rf"{page} is a file that drumjax did not write; move it away"):
            write()
        assert page.read_text() == "<title>my home page</title>"
        page.write_text("<p>Made by drumjax 0.0.1.")
        write()
    page.unlink()
    page.mkdir()
    with pytest.raises(ForeignFileError):
        check_gallery(tmp_path)


def test_no_page_is_made_of_a_folder_that_a_job_is_writing_to(tmp_path):
    write_samples(tmp_path, 1)
    with lock_folder(tmp_path, "--out_dir"), pytest.raises(LockError, match="in use by pid"):
        write_gallery(tmp_path, ROLAND_TD11, "rock")


def test_only_the_first_of_many_are_shown(tmp_path, monkeypatch):
    write_samples(tmp_path, MAX_PIECES + 2)
    monkeypatch.setattr("drumjax.jobs.gallery.MAX_PIECES", 2)
    path = write_gallery(tmp_path, ROLAND_TD11, "rock")
    assert len(pieces_of(path)) == 2
    assert f"2 pieces; {MAX_PIECES} more are in the folder" in path.read_text("utf-8")


def test_samples_for_another_instrument_sound_as_they_were_meant(tmp_path):
    out_map = read_map("addictive_drums_2", ROLAND_TD11.names)
    write_samples(tmp_path, 1, out_map)
    notes = pieces_of(write_gallery(tmp_path, ROLAND_TD11, "rock", out_map))[0]["notes"]
    assert [note[1] for note in notes[:2]] == ["kick", "snare"]


def test_how_a_sample_was_made_is_said():
    context = {**ROW["context"], "style": "", "fill": 4, "density": 6.0, "lean": -8.0}
    asked = {**ROW, "context": context, "edit": "vary", "spread": 0.4, "top_p": 0.9, "guidance": 2.0,
             "temperature": {"hits": 0.9, "velocity": 1.0}}  # fmt: skip
    assert describe(asked) == (
        "vary · 96 bpm · 4/4 · 4 bars · a fill every 4 bars · density 6 · lean -8 ms · "
        "temperature hits=0.9 velocity=1 · spread 0.4 · top_p 0.9 · guidance 2 · seed 7, number 0"
    )


def make_evaluation():
    features = features_of(ROLAND_TD11)
    generator = np.random.default_rng(0)
    figures = {name: generator.normal(size=(9, len(features))) for name in (REAL, MODEL)}
    cells = Prediction(1.0, 0.9, 1.1, perplexity=2.7, accuracy=0.5, event_accuracy=0.4, count=9, per_bar=16.0)
    board = Board(
        step=20, split="validation", source="made up", metre=" in 4/4", seed=0, songs=3, training_songs=9,
        model=[Group("all", 3, {"hits": cells})], baselines={"hits": {"unigram": [cells]}},
        excerpts=9, bars=8,
        grooves=[FigureRow(f.name, f.unit, f.meaning, {REAL: PlayerFigure(1, 1),
                                                       MODEL: PlayerFigure(1, 1, 0.1, 0.9, 0.1)}) for f in features],
        patterns={"kick": {MODEL: 0.4}},
        memory={REAL: Memory(0.1, 1, 2, 5), MODEL: Memory(0.0, 1, 2, float("nan"))},
    )  # fmt: skip
    profiles = {REAL: np.linspace(40, 90, 16), MODEL: np.full(16, np.nan)}
    return Evaluation(board, features, figures, profiles, [make_song([ROCK] * 8)])


@pytest.mark.slow
def test_an_evaluation_as_a_page(tmp_path):
    rows = [{"step": s, "split": split, "loss": 2 / s, "nll/hits": 1 / s}
            for s in (10, 20) for split in ("train", "validation")]  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_report(make_evaluation(), ROLAND_TD11, tmp_path, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    for words in (
        "Prediction of performances",
        "hits, model",
        "swing ratio",
        "bars copied",
        "How it was trained",
    ):
        assert words in text
    assert text.count("data:image/png") == 4  # distributions, accents, curves, one piece
    assert len(pieces_of(tmp_path / "report.html")) == 1


def test_an_evaluation_without_grooves_or_curves(tmp_path):
    whole = make_evaluation().board
    board = dataclasses.replace(whole, excerpts=0, bars=0, grooves=[], patterns={}, memory={}, remark="too few")
    write_report(Evaluation(board), ROLAND_TD11, tmp_path, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "too few" in text
    assert "data:image/png" not in text


def test_plots_show_something():
    figures = {REAL: np.random.default_rng(0).normal(size=(50, 7)), MODEL: np.full((5, 7), np.nan)}
    drawn = [
        plots.draw_distributions("abcdefg", "uuuuuuu", figures),
        plots.draw_histogram(np.arange(9.0), "bpm", marks=[3]),
        plots.draw_profiles({REAL: np.arange(16.0)}),
    ]
    for png in drawn:
        assert matplotlib.image.imread(io.BytesIO(png)).std() > 0.02


def test_a_piece_without_a_note_has_its_place_on_the_page(tmp_path):
    """A model may play one, and a page is no reason to fail."""
    write_midi(Song(make_notes([], [], [], [])), tmp_path / "000000.mid")
    context = {"bpm": 90.0, "time_signature": "3/4", "bars": 2, "num_notes": 0}
    row = {"file": "000000.mid", "index": 0, "seed": 0, "context": context}
    (tmp_path / MANIFEST).write_text(json.dumps(row) + "\n")
    page = write_gallery(tmp_path, ROLAND_TD11, "title").read_text("utf-8")
    assert "90 bpm · 3/4 · 2 bars" in page
