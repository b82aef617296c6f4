"""What a run's folder says of itself."""

import json

import pytest

from drumjax.runs.run import load_run
from drumjax.runs.workdir import RunError, describe_fallback, need_workdir


@pytest.mark.parametrize(("is_fallback", "words"), [(True, ["ROCK", "starter grooves"]), (False, [])])
def test_a_run_that_was_trained_on_something_else_says_so(tmp_path, is_fallback, words):
    (tmp_path / "rock").mkdir()
    data = {"source": "starter grooves, because", "is_fallback": is_fallback}
    (tmp_path / "rock" / "config.json").write_text(json.dumps({"config": {}, "data": data}))
    text = describe_fallback(tmp_path / "rock")
    assert bool(text) == is_fallback
    assert all(word in text for word in words)


@pytest.mark.parametrize("data", [3, [], "starter", None])
def test_a_config_whose_data_are_no_group_is_a_line(tmp_path, data):
    (tmp_path / "config.json").write_text(json.dumps({"config": {}, "data": data}))
    with pytest.raises(RunError, match=r"config\.json: data is not a group"):
        describe_fallback(tmp_path)


def test_the_runs_there_are_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(need_workdir("runs/rock")) == "runs/rock"
    with pytest.raises(RunError, match=r"--workdir.*run_train\.py"):
        need_workdir(None)
    (tmp_path / "runs" / "rock" / "checkpoints").mkdir(parents=True)
    (tmp_path / "runs" / "my run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(RunError, match=r"--workdir.*'runs/my run', runs/rock"):
        need_workdir("")
    with pytest.raises(RunError, match=r"train first: python run_train\.py --config rock --workdir 'no run'"):
        load_run("no run")
