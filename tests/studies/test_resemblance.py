"""At which settings a model plays most like people: the rows, and who is near and who is far."""

import numpy as np
import pytest
from tiny_board import SONGS, make_run

from drumjax.data.datasets import Dataset
from drumjax.evaluate.features.drums import features_of
from drumjax.music.kits import ROLAND_TD11
from drumjax.studies import resemblance
from drumjax.studies.resemblance import compare, summary


@pytest.mark.slow
def test_a_row_for_each_setting(monkeypatch):
    monkeypatch.setattr(resemblance, "load_dataset", lambda settings: Dataset(SONGS, "made up"))
    monkeypatch.setattr(resemblance, "SETTINGS", [(1.0, 1.0, 1.0), (0.0, 1.0, 1.0)])
    rows = compare(make_run(), 1)
    assert [row["source"] for row in rows] == [
        "held out", "training", "temperature 1, top_p 1, guidance 1", "temperature 0, top_p 1, guidance 1",
    ]  # fmt: skip
    assert rows[0]["distance"] == 0
    # Random numbers for parameters play unlike the songs.
    assert 0 < rows[1]["distance"] < rows[2]["distance"]
    assert rows[3]["density"] != rows[2]["density"]


def test_the_distance_is_the_mean_over_all_figures():
    features = features_of(ROLAND_TD11, played=False)
    real = np.random.default_rng(0).normal(size=(50, len(features)))
    assert summary("real", real, real, features)["distance"] == 0
    assert summary("moved", real + real.std(axis=0), real, features)["distance"] == pytest.approx(1)
    half = real + real.std(axis=0) * (np.arange(len(features)) < len(features) / 2)
    assert summary("half", half, real, features)["distance"] == pytest.approx(0.5, abs=0.05)
