"""The scoreboard: its sections on a tiny model, and what it says of players whose answers are known."""

import dataclasses
import functools
import json

import numpy as np
import pytest
from tiny import STYLES, make_song, zero_weights
from tiny_board import CODEC, HELD_OUT, SONGS, make_run

from drumjax.data.datasets import Dataset, DatasetError
from drumjax.evaluate import held_out, scoreboard
from drumjax.evaluate.__main__ import check_folders
from drumjax.evaluate.baselines.counting import BAR_STEPS, Counter, Line
from drumjax.evaluate.players import play_counter, play_like
from drumjax.evaluate.prediction import bootstrap, groups_of, predict
from drumjax.evaluate.score_tables import make_tables
from drumjax.models.song_scoring import encode_songs, make_song_scorer, mean_nll
from drumjax.music.grid_view import excerpt_of
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import FILL_YES
from drumjax.report.figures import write_json
from drumjax.report.tables import write_text


@pytest.fixture
def songs(monkeypatch):
    monkeypatch.setattr(held_out, "load_dataset", lambda settings: Dataset(SONGS, "made up"))


@functools.cache
def evaluated():
    """The board of the tiny run; in each worker once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held_out, "load_dataset", lambda settings: Dataset(SONGS, "made up"))
        return scoreboard.evaluate(make_run()).board


@pytest.fixture
def board():
    return evaluated().to_json()


@pytest.mark.slow
def test_every_section_is_there_and_can_be_written(board, tmp_path):
    assert {"prediction", "grooves", "patterns", "memory"} <= set(board)
    assert (board["songs"], board["training_songs"], board["excerpts"]) == (4, 4, 8)
    text = write_text(make_tables(evaluated()))
    for words in ("hits, counting: 0.4 copy + n-gram", "offset, model", "style jazz", "drummer1", "syncopation, Witek",
                  "longest run"):  # fmt: skip
        assert words in text
    assert max(map(len, text.splitlines())) < 220
    write_json(tmp_path / "board.json", {**board, "nothing": float("nan")})
    found = json.loads((tmp_path / "board.json").read_text())
    assert (found["step"], found["nothing"]) == (1, None)


def test_a_file_that_could_not_be_written_is_refused_before_the_work(tmp_path):
    check_folders(tmp_path / "board.json", None)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        check_folders(tmp_path / "nowhere" / "board.json")


def test_predictions_are_those_of_the_song_scorer(board):
    run = make_run()
    scores = make_song_scorer(run.model, run.codec)(run.weights, encode_songs(HELD_OUT, CODEC, STYLES))
    row = board["prediction"]["model"][0]
    assert row["group"] == "all"
    assert [row[field.name]["nll"] for field in CODEC.fields] == pytest.approx(mean_nll(scores), rel=1e-5)
    assert row["hits"]["count"] == 4 * 16 * 16
    assert row["hits"]["low"] <= row["hits"]["nll"] <= row["hits"]["high"]
    assert row["hits"]["perplexity"] == pytest.approx(np.exp(row["hits"]["nll"]))


@pytest.mark.slow
def test_events_are_the_steps_with_a_hit():
    (group,) = predict(make_run(), HELD_OUT, {"all": np.ones(4, bool)})
    hits, songs = group.fields["hits"], [excerpt_of(song, ROLAND_TD11).hits.any(axis=2) for song in HELD_OUT]
    events = sum(int(song.sum()) for song in songs)
    silent = hits.count - events
    right = hits.accuracy * hits.count
    right_events = hits.event_accuracy * events
    assert 0 <= right - right_events <= silent + 1e-6
    velocity = group.fields["velocity"]
    assert velocity.accuracy == pytest.approx(velocity.event_accuracy)
    # Who always foresees silence is right where there is silence, and about no event.
    run = make_run()
    model = dataclasses.replace(run.model, settings=dataclasses.replace(run.model.settings, pointer=False))
    unknowing = dataclasses.replace(run, model=model, weights=zero_weights(model))
    (group,) = predict(unknowing, HELD_OUT, {"all": np.ones(4, bool)})
    assert group.fields["hits"].accuracy == pytest.approx(silent / hits.count)
    assert group.fields["hits"].event_accuracy == 0


@pytest.mark.slow
def test_players_who_play_the_held_out_or_the_training_songs(monkeypatch, songs):
    """Given back what is held out, everything is alike; given the training songs, everything is copied."""
    monkeypatch.setattr(scoreboard, "play_like", lambda run, songs, seed: [_first_bars(song) for song in songs])
    found = scoreboard.evaluate(make_run()).board.to_json()
    density = next(row for row in found["grooves"] if row["figure"] == "density")
    assert density["model"]["overlap"] > 0.8
    assert found["memory"]["model"]["copied"] == 0
    train = [song for song in SONGS if song.split == "train"]
    monkeypatch.setattr(scoreboard, "play_like", lambda run, songs, seed: [_first_bars(train[i % 4]) for i in range(8)])
    memory = scoreboard.evaluate(make_run()).board.to_json()["memory"]
    assert memory["model"] == {"copied": 1.0, "run": 8.0, "longest": 8.0, "nearest": 0.0}
    assert memory["held out"]["copied"] == 0


def _first_bars(song, bars=8):
    notes = song.notes
    early = notes.onset_beat < 4 * bars - 0.2
    return dataclasses.replace(song, notes=type(notes)(*(column[early] for column in notes)))


@pytest.mark.slow
def test_few_held_out_bars_are_not_compared(monkeypatch):
    short = [dataclasses.replace(make_song(9, 4), split="validation", name="short")]
    monkeypatch.setattr(held_out, "load_dataset", lambda settings: Dataset([*SONGS[:4], *short], "made up"))
    found = scoreboard.evaluate(make_run()).board
    assert "too few" in found.remark
    assert "grooves" not in found.to_json()
    write_text(make_tables(found))


def test_a_split_without_songs_is_explained(songs):
    with pytest.raises(DatasetError, match="no song in 4/4 in the test split of made up"):
        scoreboard.evaluate(make_run(), "test")


@pytest.mark.slow
def test_one_groove_for_each_song_as_the_song_is():
    songs = [dataclasses.replace(song, tempo_bpm=80 + 10 * i) for i, song in enumerate(HELD_OUT)]
    played = play_like(make_run(), songs, num_bars=2)
    assert [song.tempo_bpm for song in played] == [80, 90, 100, 110]
    assert [song.style for song in played] == [song.style for song in songs]
    assert all(song.num_bars <= 2 for song in played)
    again = play_like(make_run(), songs[:2], num_bars=2)
    np.testing.assert_array_equal(again[1].notes.pitch, played[1].notes.pitch)


def test_the_counter_plays_excerpts():
    loop = Line(np.tile([1, 0, 2, 0], 40), np.arange(160) % BAR_STEPS)
    counter = Counter([loop] * 20, 512)
    parts = play_counter(counter, ROLAND_TD11, 2, num_bars=3)
    assert [part.hits.shape for part in parts] == [(3, 16, 9)] * 2
    assert set(np.unique(np.nonzero(parts[0].hits)[2])) <= {0, 1}


def test_groups():
    songs = [*HELD_OUT[:2], dataclasses.replace(HELD_OUT[2], fill=FILL_YES)]
    groups = groups_of(songs, songs[:1])
    assert {name: mask.sum() for name, mask in groups.items()} == {
        "all": 3, "as config.validation": 1, "beats": 2, "fills": 1, "style jazz": 1, "style rock": 2,
        "drummer0": 2, "drummer1": 1,
    }  # fmt: skip
    assert "as config.validation" not in groups_of(songs, songs)


def test_the_bootstrap_knows_how_sure_it_is():
    generator = np.random.default_rng(0)
    count = np.full(400, 10.0)
    mean, low, high = bootstrap(count * generator.normal(2, 0.5, 400), count)
    assert low < 2 < high
    assert mean - low == pytest.approx(1.96 * 0.5 / 20, rel=0.2)
    assert bootstrap(np.full(9, 6.0), np.full(9, 3.0)) == (2, 2, 2)
    assert np.isnan(bootstrap(np.zeros(2), np.zeros(2))).all()
