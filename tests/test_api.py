"""The public functions, as a notebook calls them: on a run of a second, and as the README shows them."""

import dataclasses
import inspect
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from bars import ROCK, make_song
from browsing import complaints, open_page, wait_for

import drumjax
from drumjax.config.controls import CONTROLS
from drumjax.midi.reader import read_midi
from drumjax.music.notes import make_notes

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model(expressive_run) -> drumjax.TrainedModel:
    return drumjax.load(expressive_run)


def assert_equal(songs, others):
    for song, other in zip(songs, others, strict=True):
        for column, again in zip(song.notes, other.notes, strict=True):
            np.testing.assert_array_equal(column, again)


def test_what_a_model_says_of_itself(model, expressive_run):
    assert (model.step, model.styles, model.settings.sample.bars) == (2, (), 4)
    assert "drums" in repr(model)
    assert drumjax.load(str(expressive_run), "latest").step == 2


def test_pieces_are_the_same_however_they_are_asked_for(model, tmp_path):
    songs = model.sample(3, seed=5, bpm=97.0)
    assert [(song.tempo_bpm, song.time_signature, song.name) for song in songs[:1]] == [(97.0, (4, 4), "000000")]
    assert_equal(songs, itertools.islice(model.stream(seed=5, bpm=97), 3))
    assert model.write(tmp_path, 3, seed=5, bpm=97) == 3
    assert model.write(tmp_path, 3, seed=5, bpm=97) == 0
    written = [read_midi(tmp_path / f"{i:06d}.mid") for i in range(3)]
    assert [len(song.notes.pitch) for song in written] == [len(song.notes.pitch) for song in songs]
    assert json.loads((tmp_path / "manifest.jsonl").read_text().splitlines()[0])["context"]["bpm"] == 97


def test_music_that_is_given_is_worked_on(model, tmp_path):
    song = read_midi(sorted((Path(model.settings.data.dir)).glob("*.mid"))[0])
    assert [len(other.notes.pitch) for other in model.humanize(song, 2)] != []
    later = model.continue_song(song, bars=8)[0]
    assert set(later.notes.onset_beat[: len(song.notes.pitch)]) >= set(song.notes.onset_beat[:5])
    assert model.continue_song(song, bars=8, include_prompt=False)[0].notes.onset_beat.max() < 16.5
    kept = song.notes.pitch != 42
    added = model.add_drums(song, "ride")[0]
    assert sum(added.notes.pitch != 51) == len(song.notes.pitch)
    assert_equal(model.vary(song, amount=0.5), model.vary(song, amount=0.5))
    assert kept.any()
    infilled = model.infill(song, "2-3", draws=2)[0]
    outside = song.notes.onset_beat >= 12
    assert set(song.notes.onset_beat[outside]) <= set(infilled.notes.onset_beat)
    drumjax.write_midi(song, tmp_path / "mine.mid")
    assert_equal(model.vary(str(tmp_path / "mine.mid"), amount=0.5)[:1], model.vary(tmp_path / "mine.mid", amount=0.5))


def test_songs_are_scored_by_field(model):
    songs = model.sample(2)
    scores = model.score(songs)
    assert [set(score) for score in scores] == [{"hits", "velocity", "offset"}] * 2
    assert all(0 < value < 10 for score in scores for value in score.values())
    with pytest.raises(drumjax.UserError, match="do not fit the steps"):
        model.score([dataclasses.replace(songs[0], time_signature=(7, 64))])


@pytest.mark.parametrize(
    "name", ["sample", "stream", "write", "continue_song", "humanize", "add_drums", "vary", "infill"]
)
def test_every_control_is_a_keyword_with_its_help(name):
    method = getattr(drumjax.TrainedModel, name)
    parameters = inspect.signature(method).parameters
    assert set(CONTROLS) <= set(parameters)
    assert all(parameters[control].kind is inspect.Parameter.KEYWORD_ONLY for control in CONTROLS)
    for control, row in CONTROLS.items():
        assert f"{control}: {row.help}" in method.__doc__


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"tempo": 90}, "no control is called 'tempo'"),
        ({"bars": 0}, "bars is 0"),
        ({"style": "polka"}, "does not know the style 'polka'"),
        ({"time_signature": "7/8"}, "not trained on 7/8"),
        ({"seed": -1}, "seed is -1"),
        ({"num_notes": 5}, "note by note"),
    ],
)
def test_mistakes_are_one_line(model, asked, words):
    with pytest.raises(drumjax.UserError, match=re.escape(words)) as caught:
        model.sample(**asked)
    assert "\n" not in str(caught.value)


def test_datasets_and_configs(expressive_run, tmp_path):
    folder = json.loads((expressive_run / "config.json").read_text())["config"]["data"]["dir"]
    dataset = drumjax.load_dataset("default", dataset="folder", dir=folder)
    assert len(dataset.songs) == 12
    config = drumjax.load_config("rock", {"train.num_steps": 7, "train.history_dropout.velocity": 0.5})
    assert (config["train"]["num_steps"], config["validation"]["styles"]) == (7, ["rock"])
    assert config["train"]["history_dropout"] == {"offset": 0.25, "velocity": 0.5}
    with pytest.raises(drumjax.UserError, match=r"train\.num_step; .*train\.num_steps"):
        drumjax.load_config("rock", {"train.num_step": 7})
    with pytest.raises(drumjax.UserError, match="no config 'polka'"):
        drumjax.load_config("polka")


PIANO = drumjax.Song(make_notes([0, 1, 2], [1, 1, 1], [36, 60, 84], [90, 60, 30]), tempo_bpm=240.0, is_drums=False)


def test_songs_are_shown_in_a_frame_of_their_own(browser, tmp_path):
    """Several in a notebook, of drums and of piano: each as high as its pieces, and one at a time plays."""
    drums = make_song([ROCK] * 4, tempo_bpm=240.0)
    cells = [drumjax.show([drums, drums]), drumjax.show(PIANO), drumjax.show(drums)]
    texts = [cell._repr_html_() for cell in cells]
    assert all(text.startswith("<iframe srcdoc=") for text in texts)
    assert all('"' not in re.search(r'srcdoc="(.*?)" width', text, re.S)[1] for text in texts)
    assert max(map(len, texts)) < 100_000  # a notebook keeps it
    open_page(browser, tmp_path / "notebook.html", "<!doctype html><h1>A notebook</h1>" + "".join(texts))
    frames = browser.find_elements("css selector", "iframe")
    for frame, count in zip(frames, (2, 1, 1), strict=True):
        given = int(frame.get_attribute("height"))
        browser.switch_to.frame(frame)
        wait_for(browser, f"document.querySelectorAll('.piece .notes').length === {count}")
        wait_for(browser, "Math.abs(innerHeight - document.body.getBoundingClientRect().height) < 2")
        high = browser.execute_script("return innerHeight")
        assert 0.5 * given < high < 1.2 * given  # which is for where a frame cannot change its height
        browser.switch_to.default_content()
    for frame in frames[:2]:
        browser.switch_to.frame(frame)
        browser.find_element("css selector", ".play").click()
        wait_for(browser, "playing && audio.state === 'running'")
        browser.switch_to.default_content()
    browser.switch_to.frame(frames[0])
    wait_for(browser, "playing === null")
    assert not complaints(browser)


def test_many_songs_are_shown_a_page_at_a_time(model):
    shown = drumjax.show(model.sample(2) * 20)
    assert shown.height <= 1600
    assert len(json.loads(re.search(r'id="data">(.*?)</script>', shown.page)[1])["lists"][0]["pieces"]) == 40


@pytest.mark.slow
def test_the_readme_shows_what_can_be_done(expressive_run, tmp_path, monkeypatch, capsys):
    """Its snippet runs as it stands, on another run and without a style that this one lacks."""
    (snippet,) = re.findall(r"```python\n(import drumjax\n.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    code = snippet.replace('"runs/rock"', repr(str(expressive_run))).replace('style="rock", ', "")
    assert code != snippet
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert "|" in said
    assert "'hits':" in said
    assert read_midi(tmp_path / "groove.mid").num_bars <= 8
