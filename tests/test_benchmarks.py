"""The benchmark's own arithmetic and its workers, with contenders whose times are made up."""

import json
import math

import pytest
from tiny_run import ROOT

from benchmarks import report, rows
from benchmarks.contender import Contender, warm_up
from benchmarks.contest import Contest, Entry, Outcome, Target, hold, ratio
from benchmarks.options import Options
from benchmarks.record import Record


def outcome(name, *seconds, work=1.0, flops=0.0, problem=""):
    return Outcome(Entry(name, "", {}, work=work, flops=flops), [{"seconds": s} for s in seconds], problem=problem)


def test_a_ratio_is_the_median_of_those_within_a_round():
    """A machine that is ten times slower in one round slows both."""
    assert ratio(outcome("peer", 2, 30, 2), outcome("drumjax", 1, 10, 1)) == 2
    assert ratio(outcome("peer", 2, 4), outcome("drumjax", 1, 1, 9)) == 3
    assert math.isnan(ratio(outcome("peer"), outcome("drumjax", 1)))


@pytest.mark.parametrize(
    ("target", "seconds", "word"),
    [
        (Target(("peer",), "ratio", 1.5, 3.0), 3.5, "aim met"),
        (Target(("peer",), "ratio", 1.5, 3.0), 2.0, "met"),
        (Target(("peer",), "ratio", 1.5, 3.0), 1.2, "MISSED"),
        (Target(("peer",), "share", 0.05, 0.02), 0.03, "met"),
        (Target(("peer",), "share", 0.05), 0.06, "MISSED"),
        (Target(("peer",), "seconds", 5.0, 3.0), 2.9, "aim met"),
        (Target(("peer",), "seconds", 5.0), 5.1, "MISSED"),
    ],
)
def test_targets_are_judged(target, seconds, word):
    outcomes = [outcome("drumjax", 1.0), outcome("peer", seconds)]
    contest = Contest("row", "title", "unit", tuple(o.entry for o in outcomes), targets=(target,))
    verdict = report.verdict(contest, outcomes[1], outcomes)
    assert verdict["text"].endswith(" " + word)
    assert verdict["met"] == (word != "MISSED")
    assert report.verdict(contest, outcomes[0], outcomes) is None


def test_a_target_that_is_out_of_reach_is_met_near_the_peak():
    """Ours at 80% of the peak, and only 1.2 times as fast as a peer who should be beaten by 2."""
    outcomes = [outcome("drumjax", 0.5, flops=400), outcome("peer", 0.6), outcome("matmul", 1.0, flops=1000)]
    for peak, is_met in ((0.75, True), (0.85, False), (None, False)):
        target = Target(("peer",), "ratio", 2.0, peak=peak)
        contest = Contest("row", "", "", tuple(o.entry for o in outcomes), targets=(target,), peaks=("matmul",))
        assert report.verdict(contest, outcomes[1], outcomes)["met"] == is_met


def test_a_target_judges_the_fastest_of_its_names():
    outcomes = [outcome("drumjax", 1.0), outcome("on one", 4.0), outcome("on the other", 1.5), outcome("on none")]
    names = ("on one", "on the other", "on none")
    contest = Contest("row", "", "", tuple(o.entry for o in outcomes), targets=(Target(names, "ratio", 2.0),))
    verdicts = [report.verdict(contest, o, outcomes) for o in outcomes]
    assert [v and v["met"] for v in verdicts] == [None, None, False, None]


def test_rates_and_shares_of_the_peak():
    outcomes = [outcome("drumjax", 0.5, work=10, flops=100), outcome("matmul", 1.0, flops=1000)]
    contest = Contest("row", "", "16ths/s", tuple(o.entry for o in outcomes), peaks=("matmul",))
    row, peak = report.as_json(contest, outcomes, judged=True)["contenders"]
    assert row["rate"] == 20
    assert row["share_of_peak"] == pytest.approx(0.2)
    assert peak["rate"] == 1000
    assert peak["ratio"] is None
    assert "20% of peak" in report.section(contest, outcomes, judged=True)


FAKE = """
from benchmarks.contender import Contender

def steady(seconds):
    print("a library that talks")
    return Contender({"": lambda: lambda: {"seconds": seconds}}, lambda: "1 thread")

def broken():
    def fail():
        raise RuntimeError("out of memory")
    return Contender({"": fail}, lambda: "")
"""


def test_contenders_take_turns_in_processes_of_their_own(tmp_path):
    (tmp_path / "fake.py").write_text(FAKE)
    entries = (
        Entry("drumjax", "fake:steady", {"seconds": 1.0}),
        Entry("peer", "fake:steady", {"seconds": 2.0}),
        Entry("broken", "fake:broken", {}),
        Entry("absent", "fake:steady", {"seconds": 1.0}, needs=("no_such_library",)),
    )
    contest = Contest("row", "title", "unit", entries, targets=(Target(("peer",), "ratio", 1.5),))
    outcomes = hold(contest, 2, {"PYTHONPATH": str(tmp_path)})
    assert [len(o.rounds) for o in outcomes] == [2, 2, 0, 0]
    assert outcomes[0].threads == "1 thread"
    assert outcomes[2].problem == "RuntimeError: out of memory"
    assert outcomes[3].problem == "not installed (no_such_library)"
    text = report.section(contest, outcomes, judged=True)
    assert "2.00x" in text
    assert "met" in text
    found = json.loads(json.dumps(report.as_json(contest, outcomes, judged=True)))["contenders"]
    assert [row["problem"] for row in found] == [None, None, outcomes[2].problem, outcomes[3].problem]


def test_the_fastest_mode_competes_and_a_failing_one_does_not():
    def mode(seconds):
        return lambda: lambda: {"seconds": seconds}

    def fail():
        raise ImportError

    contender = Contender({"slow": mode(3.0), "broken": fail, "fast": mode(1.0)}, lambda: "")
    assert warm_up(contender).mode == "fast"
    with pytest.raises(ImportError):
        warm_up(Contender({"broken": fail}, lambda: ""))


WHOLE = {"machine": {"date": "2026-01-01", "cores": 2}, "dataset": "groove", "quick": False}


def test_figures_of_rows_that_are_not_measured_again_stay_in_the_file(tmp_path):
    path = tmp_path / "figures.json"
    first = Record(path, WHOLE)
    first.add({"row": "train", "title": "a", "contenders": []})
    first.add({"row": "sample", "title": "b", "contenders": []})
    later = Record(path, {**WHOLE, "machine": {"date": "2026-01-02", "cores": 2}})
    later.add({"row": "train", "title": "a", "contenders": [1]})
    found = json.loads(path.read_text())
    assert [(c["title"], c["contenders"]) for c in found["contests"]] == [
        ("a", [1]), ("b", []),
    ]  # fmt: skip
    assert found["machine"]["date"] == "2026-01-02"
    assert found["contests"] == later.contests


def test_figures_of_elsewhere_are_not_mixed(tmp_path):
    path = tmp_path / "figures.json"
    Record(path, WHOLE).add({"row": "train", "title": "a"})
    for other in ({"dataset": "starter"}, {"quick": True}, {"machine": {"date": "2026-01-01", "cores": 4}}):
        with pytest.raises(ValueError, match="another machine, or of other songs or sizes"):
            Record(path, {**WHOLE, **other})
    path.write_text("{}")
    with pytest.raises(ValueError, match="no figures of a benchmark"):
        Record(path, WHOLE)
    with pytest.raises(ValueError, match="is no folder"):
        Record(tmp_path / "none" / "figures.json", WHOLE)


def test_plots_are_drawn_of_what_is_in_the_file(tmp_path):
    plots = pytest.importorskip("benchmarks.plots")
    contests = json.loads((ROOT / "benchmarks" / "results" / "run1.json").read_text())["contests"]
    written = plots.write(tmp_path, contests)
    assert [path.name for path in written] == ["train.png", "sample.png", "growth.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


@pytest.mark.long
@pytest.mark.slow
def test_our_own_contenders_train_and_play(monkeypatch):
    """Built as the rows build them; no time is judged."""
    from benchmarks.contenders import drumjax_sample, drumjax_train
    from benchmarks.contenders.drumjax_config import plain

    sizes = plain(16, batch=8, beats=8)
    small = drumjax_sample.make_run("default", sizes)
    monkeypatch.setattr(drumjax_sample, "load_run", lambda path: small)  # of the model that comes along
    trains = drumjax_train.train("default", sizes, "starter", calls=1)
    plays = drumjax_sample.sample(batch=2, bars=1, config="default", changes=sizes)
    comes_along = drumjax_sample.sample(batch=2, bars=1, model="rock")
    for contender in (trains, plays, comes_along):
        (make,) = contender.modes.values()
        assert make()()["seconds"] > 0


def test_on_a_gpu_peers_compute_there_too_and_where_there_is_none_one_line_says_so(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    from benchmarks import __main__ as program

    options = Options(16, False, "starter", "", "gpu")
    for contest in [*rows.train.contests(options), *rows.end_to_end.contests(options)]:
        peers = [entry for entry in contest.entries if entry.name.startswith("PyTorch")]
        assert peers
        assert {entry.case["device"] for entry in peers} == {"gpu"}
    assert program.worker_env(options)["JAX_PLATFORMS"] == "cuda"
    with pytest.raises(SystemExit, match="error: --device gpu: JAX finds no NVIDIA GPU"):
        program._find_gpu()
