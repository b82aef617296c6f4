"""Weights that are not finite are never written, resumed from or played, and what a run writes is JSON without NaN."""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

from drumjax.runs import checkpoint
from drumjax.runs.checkpoint import CheckpointError, Checkpoints
from drumjax.runs.metrics import MetricsLog, read_metrics
from drumjax.runs.workdir import write_config
from drumjax.system.strict_json import to_strict_json

NAN, INF = math.nan, math.inf
GOOD = {"params": {"w": jnp.ones((2, 3))}, "state": {"opt": jnp.zeros(3), "step": 1}}


def save(checkpoints, step, metric=None, **trees):
    checkpoints.save(step, **(GOOD | trees), metadata={}, metric=metric)


def load_strictly(text):
    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("trees", "name"),
    [
        ({"params": {"w": jnp.ones((2, 3)).at[1, 2].set(NAN)}}, r"params/w is not finite \(1 of 6\)"),
        ({"params": {"w": jnp.full((2, 3), -INF)}}, r"params/w is not finite \(6 of 6\)"),
        ({"params": {"w": jnp.full(2, NAN, jnp.bfloat16)}}, "params/w is not finite"),
        ({"params": {"w": np.full(2, NAN, np.float64)}}, "params/w is not finite"),
        ({"state": {"opt": jnp.zeros(3).at[0].set(INF), "step": 1}}, "state/opt is not finite"),
        ({"state": {"opt": jnp.zeros(3), "step": NAN}}, "state/step is not finite"),
    ],
)
def test_is_never_written(tmp_path, trees, name):
    with Checkpoints(tmp_path) as checkpoints:
        save(checkpoints, 1)
        with pytest.raises(CheckpointError, match=rf"cannot save .*/2: {name}.*older checkpoints \[1\] are kept"):
            save(checkpoints, 2, 0.5, **trees)
        assert checkpoints.restore_latest(**GOOD).step == 1
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Checkpoints of step 1, and of 2 and 3, whose weights and optimizer are NaN: as an older version saved them."""
    with Checkpoints(tmp_path) as checkpoints, monkeypatch.context() as patch:
        patch.setattr(checkpoint, "find_not_finite", lambda arrays: "", raising=False)
        save(checkpoints, 1, 0.25)
        save(checkpoints, 2, 0.5, params={"w": jnp.full((2, 3), NAN)})
        save(checkpoints, 3, 0.75, state={"opt": jnp.full(3, NAN), "step": 1})
    return tmp_path


def test_is_never_resumed_from(broken, caplog):
    with Checkpoints(broken) as checkpoints:
        restored = checkpoints.restore_latest(**GOOD)
        assert restored.step == 1
        assert checkpoints.steps() == [1]
        save(checkpoints, 2)  # training comes by again
    assert "damaged checkpoint" in caplog.text
    assert sorted(path.name for path in (broken / "damaged").iterdir()) == ["2-1", "3-1"]


def test_is_never_played(broken):
    with Checkpoints(broken, read_only=True) as checkpoints:
        params, metadata = checkpoints.restore_params("latest")
        assert (metadata["step"], np.isfinite(params["w"]).all()) == (3, True)  # its weights are fine
        with pytest.raises(CheckpointError, match=r"no good checkpoint .*2: .*params/w is not finite"):
            checkpoints.restore_params(2)


def test_json_has_no_name_for_it(tmp_path):
    found = {"a": NAN, "b": [INF, (1.5, -INF)], "c": {"d": 2}, "e": None, "f": "NaN"}
    assert load_strictly(to_strict_json(found)) == {
        "a": None, "b": [None, [1.5, None]], "c": {"d": 2}, "e": None, "f": "NaN"
    }  # fmt: skip


def test_rows_of_metrics_are_json(tmp_path):
    with MetricsLog(tmp_path, 0) as log:
        log.write(1, "train", {"loss": 2.0, "nll/velocity": NAN})
        log.write(2, "train", {"loss": INF})
    (tmp_path / "metrics.jsonl").open("a").write('{"step": 3, "split": "train", "loss": NaN}\n')  # of an older version
    MetricsLog(tmp_path, 3).__exit__()
    rows = [load_strictly(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["loss"] for row in rows] == [2.0, None, None]
    assert rows[0]["nll/velocity"] is None
    assert np.isnan([read_metrics(tmp_path)[i]["loss"] for i in (1, 2)]).all()


def test_metadata_and_config_are_json(tmp_path):
    metadata = {"data": {"minutes": NAN}, "progress": {"window": [[1.0, INF]]}}
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(1, **GOOD, metadata=metadata, metric=NAN)
        assert checkpoints.read_metadata()["data"] == {"minutes": None}
    load_strictly((tmp_path / "checkpoints" / "1" / "metadata" / "metadata").read_text())
    write_config(tmp_path, {"train": {"rate": NAN}}, {})
    assert load_strictly((tmp_path / "config.json").read_text())["config"] == {"train": {"rate": None}}
