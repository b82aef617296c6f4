"""What is said of the curves of a run."""

import pytest

from drumjax.training.overfitting import describe_fit


def rows(train, held_out, accuracy=None):
    """A row of training and one of held-out songs every 10 steps."""
    found = []
    for i, (a, b) in enumerate(zip(train, held_out, strict=True), 1):
        extra = {"accuracy/pitch": accuracy[i - 1]} if accuracy else {}
        found.append({"step": 10 * i, "split": "train", "loss": a} | ({"accuracy/pitch": 0.97} if accuracy else {}))
        found.append({"step": 10 * i, "split": "validation", "loss": b} | extra)
    return found


def test_overfitting_is_named_with_its_step_and_figures():
    learned = [3 - 0.1 * i for i in range(20)]
    held_out = [2.5 - 0.05 * i for i in range(10)] + [2.05 + 0.06 * i for i in range(1, 11)]
    said = describe_fit(rows(learned, held_out, [0.25] * 20))
    assert "Overfits since step 100" in said
    assert "from 2.050 to 2.650" in said
    assert "97.0% of the time in training, 25.0% held out" in said


def test_a_run_at_its_best_does_not_overfit():
    falling = [3 - 0.1 * i for i in range(20)]
    assert describe_fit(rows(falling, falling)).startswith("No overfitting")
    assert describe_fit(rows(falling, [*falling[:-1], falling[-2] * 1.001])).startswith("No overfitting")


def test_a_run_that_breaks_is_not_called_overfitting():
    up = [2 + 0.1 * i for i in range(20)]
    assert "that of training too" in describe_fit(rows(up, up))


@pytest.mark.parametrize("found", [[], rows([1.0], [1.0]), [{"step": 1, "split": "train", "loss": 1.0}]])
def test_where_nothing_can_be_said_nothing_is(found):
    assert describe_fit(found) == ""


def test_rows_may_lack_a_figure():
    found = rows([3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [0.2] * 3)
    del found[0]["accuracy/pitch"]
    assert "97.0% of the time in training" in describe_fit(found)
    for row in found:
        if row["split"] == "train":
            row.pop("accuracy/pitch", None)
    assert "%" not in describe_fit(found)
