"""The pages that the commands write: of a folder of samples, and of an evaluation."""

import base64
import dataclasses
import io
import json
import re
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest
from bars import ROCK, make_song
from browsing import complaints, open_page, wait_for

from drumjax.codecs.grid import GridCodec
from drumjax.evaluate.board import Board, FigureRow, Group, PlayerFigure, Prediction
from drumjax.evaluate.features.drums import features_of
from drumjax.evaluate.memorization import Memory
from drumjax.evaluate.page import write_report
from drumjax.evaluate.scoreboard import MODEL, REAL, Evaluation
from drumjax.jobs import gallery
from drumjax.jobs.gallery import check_gallery, describe, write_gallery
from drumjax.jobs.job import Job
from drumjax.jobs.job import write_samples as samples_of
from drumjax.jobs.manifest import MANIFEST
from drumjax.midi.reader import read_midi, write_midi
from drumjax.music.drum_maps import read_map, write_pitches
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.report import plots
from drumjax.runs.run import load_run
from drumjax.sampling.given_music import give
from drumjax.sampling.plan import EditRequest, make_plan
from drumjax.system.files import ForeignFileError
from drumjax.system.lock import LockError, lock_folder

ROW = {
    "file": "000000.mid", "index": 0, "seed": 7,
    "context": {"bars": 4, "bpm": 96.0, "style": "funk", "time_signature": "4/4", "fill": 0, "density": 0.0,
                "dynamics": 0.0, "lean": None, "num_notes": 0},
    "temperature": {"hits": 1.0, "velocity": 1.0}, "spread": 1.0, "top_k": 0, "top_p": 1.0, "guidance": 1.0,
    "no_repeat": 0,
}  # fmt: skip


def write_samples(out_dir, number, out_map=None, song=None, **known):
    rows = []
    for index in range(number):
        sample = song or make_song([ROCK] * 2, tempo_bpm=96.0)
        write_midi(write_pitches(sample, ROLAND_TD11, out_map) if out_map else sample, out_dir / f"{index:06d}.mid")
        rows.append(json.dumps({**ROW, **known, "file": f"{index:06d}.mid", "index": index}) + "\n")
    (out_dir / MANIFEST).write_text("".join(rows))


def data_of(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"))[1])


def pieces_of(path):
    return data_of(path)["lists"][0]["pieces"]


def test_a_folder_of_samples(tmp_path):
    write_samples(tmp_path, 3)
    path = write_gallery(tmp_path, ROLAND_TD11, "rock")
    pieces = pieces_of(path)
    assert path == tmp_path / "index.html"
    assert [len(piece["lane"]["notes"]) for piece in pieces] == [8] * 3
    assert (pieces[0]["lane"]["bars"], pieces[0]["bar"], pieces[0]["bpm"]) == (4, 4, 96)  # four bars were asked for
    assert [piece["name"] for piece in pieces] == [f"rock · funk · {number}" for number in range(3)]
    assert pieces[2]["facts"] == "funk · 96 bpm · 4/4 · 4 bars · seed 7"
    assert pieces[2]["number"] == 2
    assert "BD|o-------" in pieces[0]["text"]
    file = base64.b64decode(pieces[0]["midi"].partition(",")[2])
    assert file == (tmp_path / "000000.mid").read_bytes()  # as it is, whatever a song would keep of it
    assert "3 pieces" in path.read_text("utf-8")


def test_bars_with_fills_are_marked(tmp_path):
    write_samples(tmp_path, 1, context={**ROW["context"], "fill": 2})
    page = write_gallery(tmp_path, ROLAND_TD11, "rock")
    assert pieces_of(page)[0]["fills"] == [1, 3]
    assert data_of(page)["signs"] == ["fill"]


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


def test_the_notes_of_many_lie_beside_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "MAX_HELD", 4)
    monkeypatch.setattr(gallery, "CHUNK", 2)
    write_samples(tmp_path, 5)
    path = write_gallery(tmp_path, ROLAND_TD11, "rock")
    index = data_of(path)["lists"][0]["index"]
    assert index["numbers"] == [0, 1, 2, 3, 4]
    assert index["facts"] == ["funk · 96 bpm · 4/4 · 4 bars · seed 7"]  # once, for all
    assert index["which"] == [0] * 5
    names = [f"gallery/{first:06d}.js" for first in (0, 2, 4)]
    assert [str(file.relative_to(tmp_path)) for file in sorted((tmp_path / "gallery").iterdir())] == names
    call = re.search(r'drumjaxChunk\("(.*?)",(.*)\);', (tmp_path / names[1]).read_text("utf-8"))
    assert call[1] == names[1]
    pieces = json.loads(call[2])
    assert [piece["number"] for piece in pieces] == [2, 3]
    assert pieces[0]["midi"] == "000002.mid"
    assert len(pieces[0]["lane"]["notes"]) == 8
    # What is no longer part of the page goes, but not what somebody else put there.
    (tmp_path / "gallery" / "000006.js").write_text("// mine")
    write_samples(tmp_path, 3)
    write_gallery(tmp_path, ROLAND_TD11, "rock")
    assert [file.name for file in (tmp_path / "gallery").iterdir()] == ["000006.js"]
    (tmp_path / "gallery" / "000006.js").unlink()
    write_gallery(tmp_path, ROLAND_TD11, "rock")
    assert not (tmp_path / "gallery").exists()
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "000002.js").write_text("// mine")
    write_samples(tmp_path, 5)
    for write in (lambda: check_gallery(tmp_path), lambda: write_gallery(tmp_path, ROLAND_TD11, "rock")):
        with pytest.raises(ForeignFileError, match=r"000002\.js is a file that drumjax did not write"):
            write()
    assert (tmp_path / "gallery" / "000002.js").read_text() == "// mine"


def test_all_samples_are_found_by_pages_and_by_search(tmp_path, monkeypatch, browser):
    """Of a folder opened as files, 24 at a time, whose notes are read when they are needed."""
    monkeypatch.setattr(gallery, "MAX_HELD", 10)
    monkeypatch.setattr(gallery, "CHUNK", 10)
    write_samples(tmp_path, 60)
    rows = [json.loads(line) for line in (tmp_path / MANIFEST).read_text().splitlines()]
    rows[41]["context"] = {**ROW["context"], "style": "jazz <i>"}
    (tmp_path / MANIFEST).write_text("".join(json.dumps(row) + "\n" for row in rows))
    open_page(browser, write_gallery(tmp_path, ROLAND_TD11, "rock"))
    names = "[...document.querySelectorAll('.piece h3')].map((name) => name.textContent)"
    where = "document.querySelector('.where').textContent"
    first = wait_for(browser, f"({names}.length === 24) && {names}")
    assert (first[0], first[-1]) == ("rock · funk · 0", "rock · funk · 23")
    browser.execute_script("document.querySelector('[data-by=\"1\"]').click()")
    wait_for(browser, f"{names}[0] === 'rock · funk · 24'")
    assert browser.execute_script(f"return [{where}.slice(-8), location.hash]") == ["48 of 60", "#piece-24"]
    field = browser.find_element("css selector", "input[type=search]")
    for query, found in (("JAZZ 4/4", [41]), ("17", [17]), ("7-9", [7, 8, 9]), ("polka", [])):
        field.clear()
        field.send_keys(query)
        styles = {41: "jazz <i>"}
        wanted = [f"rock · {styles.get(number, 'funk')} · {number}" for number in found]
        wait_for(
            browser, f"JSON.stringify({names}) === '{json.dumps(wanted, ensure_ascii=False, separators=(',', ':'))}'"
        )
    assert browser.execute_script(f"return {where}") == "nothing found"
    browser.get(f"{(tmp_path / 'index.html').as_uri()}#piece-55")
    browser.refresh()
    wait_for(browser, f"{names}.includes('rock · funk · 55') && {names}.length === 12")
    browser.find_element("css selector", "#piece-55 .play").click()
    wait_for(browser, "playing && audio.state === 'running'")
    assert not complaints(browser)
    (tmp_path / "gallery" / "000000.js").unlink()
    browser.execute_script("document.querySelector('[data-by=\"-1\"]').click()")
    wait_for(browser, f"{where}.endsWith('48 of 60')")
    browser.execute_script("document.querySelector('[data-by=\"-1\"]').click()")
    wait_for(browser, "document.querySelector('.bad')?.textContent.includes('000000.js is not there')")
    assert browser.execute_script("return playing") is None


def test_samples_for_another_instrument_sound_as_they_were_meant(tmp_path):
    out_map = read_map("addictive_drums_2", ROLAND_TD11.names)
    write_samples(tmp_path, 1, out_map)
    notes = pieces_of(write_gallery(tmp_path, ROLAND_TD11, "rock", out_map))[0]["lane"]["notes"]
    assert [note[1] for note in notes[:2]] == [0, 1]  # kick and snare


def make_plan_of(given, name, skip_bars=0):
    """What a gallery looks at of a plan."""
    return SimpleNamespace(edit=SimpleNamespace(name=name, skip_bars=skip_bars), given=given)


GIVEN = make_song([ROCK] * 2, tempo_bpm=96.0, name="my/groove.mid")


def test_what_was_given_lies_beside_what_was_played(tmp_path):
    """Once for all samples; of variations it is said which notes are new."""
    song = make_song([ROCK, [(0, 36), (1, 38), (2, 36, 91), (2.5, 42)]], tempo_bpm=96.0)
    write_samples(tmp_path, 2, song=song, edit="vary")
    page = write_gallery(tmp_path, ROLAND_TD11, "rock", None, make_plan_of(give(GIVEN, GridCodec(ROLAND_TD11)), "vary"))
    data = data_of(page)
    assert [lane["label"] for lane in data["given"]] == ["given"]
    assert [note[0] for note in data["given"][0]["notes"]] == list(range(8))
    first, second = pieces_of(page)
    assert (first["given"], second["given"], first["lane"]["label"]) == (0, 0, "played")
    assert first["facts"].endswith(" · from groove.mid")
    assert [note[0] for note in first["lane"]["notes"] if note[3:] == [0, 1]] == [6, 6.5]
    assert data["signs"] == ["new"]


def test_a_prompt_ends_at_a_seam_and_lies_apart_where_it_is_not_written(tmp_path):
    given = give(GIVEN, GridCodec(ROLAND_TD11))
    context = {**ROW["context"], "fill": 2}
    write_samples(tmp_path, 1, song=make_song([ROCK] * 4, tempo_bpm=96.0), edit="continue", context=context)
    piece = pieces_of(write_gallery(tmp_path, ROLAND_TD11, "rock", None, make_plan_of(given, "continue")))[0]
    assert (piece["lane"]["seam"], piece["fills"]) == (2, [3])  # there is none in what was given
    page = write_gallery(tmp_path, ROLAND_TD11, "rock", None, make_plan_of(given, "continue", skip_bars=1))
    piece = pieces_of(page)[0]
    assert (piece["lane"]["seam"], piece["fills"]) == (0, [0, 2])  # every second bar of all
    assert piece["facts"].endswith("from groove.mid, which comes before it and is not in its file")
    assert data_of(page)["given"][0]["bars"] == 2


def test_given_music_lies_where_its_notes_are_in_the_file(tmp_path):
    """Silent bars before it, a pickup, and pitches of another drum map."""
    late = [(beat, {36: 35, 38: 40}[pitch]) for beat, pitch in ROCK]
    file = make_song([[], [], late, late], tempo_bpm=96.0)
    write_midi(file, tmp_path / "mine.mid")
    given = give(read_midi(tmp_path / "mine.mid"), GridCodec(ROLAND_TD11), "general_midi")
    assert given.lead_bars == 2
    for start, offset in ((0.0, 8.0), (3.0, 3.0)):
        if start:  # a pickup of one beat
            pickup = make_song([[(3, 35)], late], tempo_bpm=96.0)
            metres = ((start, (1, 4)), (start + 1, (4, 4)))
            timeline = pickup.timeline._replace(start_beat=start, metres=metres)
            file = dataclasses.replace(pickup, timeline=timeline)
            given = give(file, GridCodec(ROLAND_TD11), "general_midi")
        write_samples(tmp_path, 1, song=file, edit="humanize")
        data = data_of(write_gallery(tmp_path, ROLAND_TD11, "r", None, make_plan_of(given, "humanize")))
        played = data["lists"][0]["pieces"][0]["lane"]["notes"]
        assert data["given"][0]["notes"] == played
        assert played[0][:2] == [offset, 0]
        assert {note[1] for note in played} == {0, 1}
    assert data["signs"] == []


@pytest.mark.slow
def test_the_same_command_again_gives_the_same_page(expressive_run, tmp_path):
    write_midi(GIVEN, tmp_path / "mine.mid")

    def play():
        run = load_run(expressive_run)
        plan = make_plan(run, EditRequest(humanize=tmp_path / "mine.mid"))
        written = samples_of(Job(plan, 1), tmp_path / "out")
        return written, write_gallery(tmp_path / "out", run.codec.kit, "tiny", None, plan).read_bytes()

    (new, page), (again, same) = play(), play()
    assert (new, again) == (1, 0)
    assert page == same
    data = data_of(tmp_path / "out" / "index.html")
    rows = [
        [note[1] for note in lane["notes"]]
        for lane in (data["given"][0], pieces_of(tmp_path / "out" / "index.html")[0]["lane"])
    ]
    assert rows[0] == rows[1]  # every hit stays


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
    assert text.count("data:image/png") == 3  # distributions, accents, curves
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
