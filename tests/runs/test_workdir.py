"""What a run's folder says of itself."""

import contextlib
import json
import shutil

import pytest
from tiny_run import make_config, save_untrained, write_songs

from drumjax.runs.checkpoint_folder import seal
from drumjax.runs.run import load_run
from drumjax.runs.workdir import RunError, describe_fallback, make_workdir
from drumjax.system.errors import UserError


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


def test_metrics_of_something_else_are_not_written_over(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(RunError, match=r"metrics\.jsonl is not of a run: .*another --workdir"):
        make_workdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()  # of a run whose config.json is gone
    make_workdir(tmp_path)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("untrained")
    return save_untrained(folder / "run", make_config(write_songs(folder / "songs", 1)))


@pytest.mark.parametrize("value", [float("inf"), -1, True, None, "x", [1], [[]], {"a": 1}])
@pytest.mark.parametrize("name", ["styles", "vocabulary", "data", "config", "data.time_signatures", "config.train"])
def test_a_description_that_is_not_ours_is_a_line(untrained, tmp_path, name, value):
    """Its checksum is right: somebody has made it so."""
    run = shutil.copytree(untrained, tmp_path / "run")
    (path,) = run.glob("checkpoints/1/metadata/metadata")
    content = json.loads(path.read_bytes())["content"]
    *groups, last = name.split(".")
    node = content["metadata"]
    for group in groups:
        node = node[group]
    node[last] = value
    path.write_text(json.dumps(seal(content)))
    with contextlib.suppress(UserError):  # or it is as good as ours, as a vocabulary of None is
        load_run(run)
