"""Runs side by side."""

import json
import math
import sys

import pytest

from drumjax import compare
from drumjax.compare import draw_chart, read_record
from drumjax.report.tables import write_text
from drumjax.runs.workdir import RunError


def write_run(folder, losses, *, rate=0.1, fingerprint="aa", **train):
    """A run's folder with an evaluation every 10 steps."""
    folder.mkdir()
    config = {"train": {"learning_rate": rate, "seed": 0, **train}, "model": {"hidden_size": 8}}
    data = {"source": "songs", "train_songs": 4, "validation_songs": 2, "fingerprint": fingerprint}
    (folder / "config.json").write_text(json.dumps({"config": config, "data": data}))
    rows = []
    for i, loss in enumerate(losses, 1):
        rows.append({"step": 10 * i, "split": "train", "loss": loss + 1})
        rows.append({"step": 10 * i, "split": "validation", "loss": loss, "nll_each/hits": loss / 2})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def records(tmp_path):
    a = write_run(tmp_path / "a", [3.0, 2.0, 2.5], fingerprint="aa")
    b = write_run(tmp_path / "b", [3.0, math.nan, 1.0], rate=0.2, fingerprint="bb", new=1)
    return [read_record(a), read_record(b)]


def test_settings_that_differ_and_no_others(records):
    _, differ, _ = compare.compare(records)
    rows = {name: values for name, *values in differ.rows[1:]}
    assert rows == {
        "train.learning_rate": ["0.1", "0.2"], "train.new": ["-", "1"], "data: fingerprint": ["aa", "bb"]
    }  # fmt: skip
    assert compare.compare([records[0], records[0]])[1].rows[1] == ["none", "", ""]


def test_scores_are_those_of_the_best_evaluation(records):
    rows = {name: values for name, *values in compare.compare(records)[2].rows[1:]}
    assert rows["step"] == ["20", "30"]
    assert rows["weighted loss, nats per step"] == ["2.0000", "1.0000"]
    assert rows["hits, nats each"] == ["1.0000", "0.5000"]
    assert rows["last step"] == ["30", "30"]


def test_a_run_without_evaluations_has_no_score(records, tmp_path):
    empty = read_record(write_run(tmp_path / "c", []))
    text = write_text(compare.compare([records[0], empty]))
    assert "20" in text
    assert draw_chart([empty]) == ""


def test_the_chart_has_the_first_and_last_values_in_their_places(records):
    lines = draw_chart(records, width=31, height=5).splitlines()
    assert lines[0].startswith("  3.000 |")
    assert lines[0][9 + 10] == "*"  # both begin at 3.0
    assert lines[2][9 + 20] == "A"  # 2.0 is half way down
    assert lines[4].startswith("  1.000 |")
    assert lines[4][9 + 30] == "B"
    assert "step 30" in lines[-1]


@pytest.mark.parametrize("names", [["a"], ["a", "nowhere"]])
def test_what_cannot_be_compared_is_one_line(tmp_path, monkeypatch, capsys, names):
    write_run(tmp_path / "a", [1.0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["compare", *names])
    monkeypatch.setattr(compare, "set_up_logging", lambda: None)  # it would outlive the test
    assert compare.main() == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_the_command_prints_all_and_draws(records, tmp_path, monkeypatch, capsys):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setattr(sys, "argv", ["compare", str(tmp_path / "a"), str(tmp_path / "b"), f"--plot={tmp_path}/c.png"])
    monkeypatch.setattr(compare, "set_up_logging", lambda: None)
    assert compare.main() == 0
    text = capsys.readouterr().out
    for words in ("learning_rate", "hits, nats each", "step 30", "c.png"):
        assert words in text
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert all(path.stat().st_mtime_ns == before[path] for path in before if path.is_file())


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"config\.json"):
        read_record(tmp_path)
