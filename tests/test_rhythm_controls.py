"""Steadiness, backbeat, timekeeper and player, from training to the manifest; and runs from before they were there."""

import dataclasses
import json

import numpy as np
import pytest
from tiny_run import EXPRESSIVE, make_config, make_once, save_untrained, write_songs

import drumjax
from drumjax.config.conditions import CONDITIONS
from drumjax.data.starter import starter_songs
from drumjax.sampling.piece import RequestError

CONTROLS = {"steadiness": 0.9, "backbeat": 0.0, "timekeeper": "ride", "player": "Synthetic"}
OLDER = ("style", "tempo", "metre", "fill", "density", "dynamics")


@pytest.fixture(scope="module")
def starter_run(tmp_path_factory):
    """Two steps on the starter grooves, whose drummer is "synthetic"."""

    def make(folder):
        quick = {"train.num_steps": 2, "codec.steps_per_beat": 4, "sample.bars": 4}  # hits alone, to compile
        changes = {**quick, "data.dataset": "starter", "sample.player": "synthetic"}
        drumjax.train(make_config(folder, changes | {"data.dir": ""}), folder / "run", num_devices=1)

    return make_once(tmp_path_factory, "starter_run", make) / "run"


@pytest.mark.long
@pytest.mark.slow
def test_a_trained_model_takes_the_controls(starter_run, tmp_path):
    model = drumjax.load(starter_run)
    assert model.players == ("synthetic",)
    assert model.settings.sample.player == "synthetic"
    plain = model.sample(2, player="")
    for name, value in CONTROLS.items():
        songs = model.sample(2, **{"player": "", name: value})
        assert any(not np.array_equal(a.notes, b.notes) for a, b in zip(plain, songs, strict=True)), name
    model.write(tmp_path, 1, **CONTROLS)
    context = json.loads((tmp_path / "manifest.jsonl").read_text())["context"]
    assert {name: context[name] for name in CONTROLS} == {**CONTROLS, "player": "synthetic"}
    model.write(tmp_path / "mix", 9, timekeeper="hi-hat=2,ride=1")
    rows = [json.loads(line) for line in (tmp_path / "mix" / "manifest.jsonl").read_text().splitlines()]
    assert sorted(row["context"]["timekeeper"] for row in rows) == ["hi-hat"] * 6 + ["ride"] * 3
    with pytest.raises(RequestError, match="does not know the player 'drummer1'; it knows: synthetic"):
        model.sample(1, player="drummer1")


@pytest.mark.slow
def test_players_are_not_given_where_songs_are_scored(starter_run):
    model = drumjax.load(starter_run)
    song = starter_songs()[0]
    assert song.drummer == "synthetic"
    other = dataclasses.replace(song, drummer="")
    assert model.score([song]) == model.score([other])


def test_runs_from_before_load_and_play_and_cannot_be_asked(tmp_path):
    config = make_config(write_songs(tmp_path / "songs", 1), EXPRESSIVE | {"model.conditions": OLDER})
    for name in CONTROLS:
        del config["sample"][name]
    model = drumjax.load(save_untrained(tmp_path / "run", config))
    assert model.players == ()
    assert model.run.settings.model.conditions == OLDER
    assert len(model.sample(1, bars=1)) == 1
    for name, value in CONTROLS.items():
        with pytest.raises(RequestError, match=f"trained without {name}"):
            model.sample(1, **{name: value})
    assert set(CONDITIONS) == {*OLDER, *CONTROLS}
