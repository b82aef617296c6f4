"""The command that trains a grid of runs: what it reads, the table that it prints, and how it ends."""

import json

import pytest

from drumjax.config.checks import SettingsError
from drumjax.population import best_figures, make_grid, make_table, read_axis, train_grid
from drumjax.system.errors import UserError
from drumjax.training import population as training
from drumjax.training.trainer import Result, TrainError


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("train.seed=0..3", ("train.seed", [0, 1, 2, 3])),
        ("train.learning_rate=1e-3,2e-3", ("train.learning_rate", [1e-3, 2e-3])),
        ("config.train.num_steps=400", ("train.num_steps", [400])),
        ("model.cell=lstm", ("model.cell", ["lstm"])),
        ("model.skip=true,False", ("model.skip", [True, False])),
        ('data.styles=[["rock"], ["funk", "soul"]]', ("data.styles", [["rock"], ["funk", "soul"]])),
        ("sample.bpm=null,96.0", ("sample.bpm", [None, 96.0])),
    ],
)
def test_values_of_every_kind(text, axis):
    assert read_axis(text) == axis


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train.seed", "give a setting and its values"),
        ("train.seed=", "give a setting and its values"),
        ("train.seed=7..0", "no range"),
        ("train.seed=0..99999999", "no range"),
        ("data.styles=[[", "no JSON"),
        ("train.seed=1,1", "one of them twice"),
        ("data.styles=[]", "no value"),
    ],
)
def test_values_that_are_none(text, words):
    with pytest.raises(SettingsError, match=words):
        read_axis(text)


def test_a_folder_is_named_by_what_differs():
    grid = make_grid([("train.seed", [0, 1]), ("train.num_steps", [400]), ("data.styles", [["rock"], ["a/b", "c"]])])
    assert list(grid) == ["seed=0,styles=rock", "seed=0,styles=a_b+c", "seed=1,styles=rock", "seed=1,styles=a_b+c"]
    assert grid["seed=1,styles=rock"] == {"train.seed": 1, "train.num_steps": 400, "data.styles": ["rock"]}
    assert list(make_grid([])) == ["run"]
    assert list(make_grid([("data.fill", ["all", "beat"]), ("validation.fill", ["all"])])) == [
        "data.fill=all",
        "data.fill=beat",
    ]


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ([("train.seed", [0]), ("train.seed", [1])], "twice"),
        ([("train.seed", list(range(9999))), ("model.hidden_size", [1, 2])], "more than 10000"),
        ([("data.dir", ["a/b", "a_b"])], "no short names"),
        ([("data.dir", ["x" * 300, "y"])], "no short names"),
    ],
)
def test_grids_that_are_none(axes, words):
    with pytest.raises(SettingsError, match=words):
        make_grid(axes)


def row(rate, seed, loss, ended="finished"):
    return {"settings": {"train.learning_rate": rate, "train.seed": seed}, "ended": ended, "best_step": 4 + seed,
            "figures": {} if loss is None else {"loss": loss, "nll_each/hits": loss / 2}}  # fmt: skip


def test_the_table_has_the_best_first_and_means_over_seeds():
    rows = [row(1e-3, 0, 2.0), row(1e-3, 1, 3.0), row(2e-3, 0, 1.0), row(2e-3, 1, 1.5, "patience")]
    assert make_table(rows).splitlines() == [
        "| train.learning_rate | runs | loss | hits | best step | ended |",
        "|---|---|---|---|---|---|",
        "| 0.002 | 2 | 1.2500 ± 0.2500 | 0.6250 ± 0.1250 | 4-5 | finished, patience |",
        "| 0.001 | 2 | 2.5000 ± 0.5000 | 1.2500 ± 0.2500 | 4-5 | finished |",
    ]
    rows = [row(1e-3, 0, None, "failed"), row(2e-3, 0, 1.0)]
    assert make_table(rows).splitlines()[2:] == [
        "| 0.002 | 1.0000 | 0.5000 | 4 | finished |",
        "| 0.001 | - | - | 4 | failed |",
    ]


def test_where_nothing_is_held_out_the_last_of_the_training_counts(tmp_path):
    rows = [{"step": step, "split": "train", "loss": loss} for step, loss in ((1, 1.0), (2, 3.0))]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert best_figures(tmp_path) == {"loss": 3.0}
    (tmp_path / "metrics.jsonl").unlink()
    assert best_figures(tmp_path) == {}


@pytest.mark.parametrize(
    ("outcome", "status", "words"),
    [
        (Result(4, 4, 1.0, ""), 0, "play the best"),
        (TrainError("loss is not finite at step 2"), 1, "1 of 2 runs could not go on: learning_rate=0.002"),
        (Result(2, 0, 9.0, "SIGTERM"), 75, "the same command goes on from here"),
    ],
)
def test_how_it_ends(tmp_path, monkeypatch, capsys, outcome, status, words):
    def train_population(members, *, num_devices, at_once):
        for member, ended in zip(members, [Result(4, 4, 1.0, ""), outcome], strict=True):
            member.workdir.mkdir()
            text = json.dumps({"step": 4, "split": "validation", "loss": 1.0})
            (member.workdir / "metrics.jsonl").write_text(text + "\n")
            yield {member.name: ended}

    monkeypatch.setattr(training, "train_population", train_population)
    grid = make_grid([read_axis("train.learning_rate=1e-3,2e-3")])
    assert train_grid("tiny", grid, tmp_path) == status
    said = capsys.readouterr().out
    assert words in said
    assert (tmp_path / "table.md").read_text() in said
    saved = json.loads((tmp_path / "population.json").read_text())
    assert [found["name"] for found in saved] == list(grid)


def test_files_of_the_users_own_are_not_replaced(tmp_path):
    (tmp_path / "table.md").write_text("mine")
    with pytest.raises(UserError, match=r"table\.md"):
        train_grid("tiny", make_grid([]), tmp_path)
    assert (tmp_path / "table.md").read_text() == "mine"
