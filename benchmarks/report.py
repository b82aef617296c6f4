"""What was measured, for people (one table) and for programs (JSON)."""

import math
from typing import Any

import numpy as np

from benchmarks.contest import Contest, Outcome, Target, ratio
from benchmarks.options import Options

COLUMNS = (
    ("", 25), ("median", 9), ("quartiles", 17), ("rate", 19), ("ratio", 8), ("target (aim)", 32), ("start", 8),
    ("threads", 14), ("", 0),
)  # fmt: skip


def header(options: Options) -> str:
    """The first lines of the table."""
    lines = [
        "median, quartiles: time of one unit of work     ratio: time over that of the row's baseline",
        "start: building, compiling and the first repeat, not in the other figures     threads: as the library says",
    ]
    if options.quick:
        lines.append("--quick: sizes that say nothing about speed; no target is judged")
    elif options.on_gpu:
        lines.append("on the GPU: no target is judged, they are set for a CPU")
    return "\n".join([*lines, "", _line([name for name, _ in COLUMNS])])


def section(contest: Contest, outcomes: list[Outcome], judged: bool) -> str:
    """The lines of one contest."""
    lines = [f"\n{contest.row}: {contest.title}"]
    peak = peak_flops(contest, outcomes)
    for outcome in outcomes:
        name = f"  {outcome.entry.name}"
        if outcome.problem:
            lines.append(f"{name:<{COLUMNS[0][1]}} {outcome.problem}")
            continue
        low, high = np.quantile(outcome.seconds, (0.25, 0.75))
        unit = "flop/s" if outcome.entry.name in contest.peaks else contest.unit
        lines.append(
            _line(
                [
                    name,
                    duration(outcome.median),
                    f"{duration(low)}..{duration(high)}",
                    f"{count(rate(contest, outcome))} {unit}" if rate(contest, outcome) else "",
                    _ratio_text(contest, outcome, outcomes),
                    (verdict(contest, outcome, outcomes) or {"text": ""})["text"] if judged else "",
                    duration(outcome.start_seconds),
                    outcome.threads,
                    _notes(outcome, peak, contest),
                ]
            )
        )
    return "\n".join(lines)


# Of a case: where this machine keeps things, which says nothing to others.
FOLDERS = ("folder", "cache_dir", "workdir")


def as_json(contest: Contest, outcomes: list[Outcome], judged: bool) -> dict[str, Any]:
    """All of a contest's figures."""
    peak = peak_flops(contest, outcomes)
    return {
        "row": contest.row,
        "title": contest.title,
        "unit": contest.unit,
        "baseline": contest.baseline,
        "peak_flops": peak or None,
        "contenders": [_outcome_json(contest, outcome, outcomes, peak, judged) for outcome in outcomes],
    }


def _outcome_json(contest: Contest, outcome: Outcome, outcomes: list[Outcome], peak: float, judged: bool):
    entry = outcome.entry
    case = {name: value for name, value in entry.case.items() if name not in FOLDERS}
    row: dict[str, Any] = {"name": entry.name, "x": entry.x, "case": case, "problem": outcome.problem or None}
    if outcome.problem:
        return row
    low, high = np.quantile(outcome.seconds, (0.25, 0.75))
    share = entry.flops / outcome.median / peak if entry.flops and peak else None
    over_baseline = _over_baseline(contest, outcome, outcomes)
    return {
        **row,
        "seconds": {"median": outcome.median, "q1": low, "q3": high, "min": outcome.seconds.min()},
        "rounds": outcome.rounds,
        "rate": rate(contest, outcome) or None,
        "ratio": None if math.isnan(over_baseline) else over_baseline,
        "share_of_peak": share,
        "start_seconds": outcome.start_seconds,
        "threads": outcome.threads,
        "mode": outcome.mode,
        "target": verdict(contest, outcome, outcomes) if judged else None,
    }


def rate(contest: Contest, outcome: Outcome) -> float:
    """Work per second at the median, 0 if only the time counts; of a peak, its flops."""
    work = outcome.entry.flops if outcome.entry.name in contest.peaks else outcome.entry.work
    return work / outcome.median


def peak_flops(contest: Contest, outcomes: list[Outcome]) -> float:
    """The flops per second of the fastest of the contest's peaks, 0 without one."""
    peaks = [o for o in outcomes if o.entry.name in contest.peaks and o.rounds]
    return max((o.entry.flops / o.median for o in peaks), default=0.0)


def verdict(contest: Contest, outcome: Outcome, outcomes: list[Outcome]) -> dict[str, Any] | None:
    """Target, value, and whether it is met, if this outcome is the one that a target judges."""
    for target in contest.targets:
        judged = [o for o in outcomes if o.entry.name in target.names and o.rounds]
        fastest = min(judged, key=lambda o: o.median, default=None)
        if outcome is fastest:
            value = outcome.median if target.kind == "seconds" else _over_baseline(contest, outcome, outcomes)
            at_peak = target.peak is not None and _share_of_peak(contest, outcomes) >= target.peak
            return _judge(target, value, at_peak)
    return None


def _share_of_peak(contest: Contest, outcomes: list[Outcome]) -> float:
    """The baseline's, NaN if it is not known."""
    baseline, peak = _baseline(contest, outcomes), peak_flops(contest, outcomes)
    return baseline.entry.flops / baseline.median / peak if baseline and peak else math.nan


def _judge(target: Target, value: float, at_peak: bool) -> dict[str, Any]:
    def reached(bar: float) -> bool:
        return value >= bar if target.kind == "ratio" else value <= bar

    sign, show = (">=", times) if target.kind == "ratio" else ("<=", share if target.kind == "share" else duration)
    aim = "" if target.aim is None else f" ({show(target.aim)})"
    known = not math.isnan(value)
    met = reached(target.bar) or at_peak
    word = "not measured" if not known else "met" if met else "MISSED"
    word = "aim met" if target.aim is not None and reached(target.aim) else word
    limit = "" if target.peak is None else f" or {share(target.peak)} of peak"
    return {
        "text": f"{sign} {show(target.bar)}{aim}{limit} {word}",
        "kind": target.kind,
        "bar": target.bar,
        "aim": target.aim,
        "peak": target.peak,
        "value": value if known else None,
        "met": met if known else None,
    }


def _over_baseline(contest: Contest, outcome: Outcome, outcomes: list[Outcome]) -> float:
    baseline = _baseline(contest, outcomes)
    return ratio(outcome, baseline) if baseline and outcome.entry.name not in contest.peaks else math.nan


def _baseline(contest: Contest, outcomes: list[Outcome]) -> Outcome | None:
    return next((o for o in outcomes if o.entry.name == contest.baseline), None)


def _ratio_text(contest: Contest, outcome: Outcome, outcomes: list[Outcome]) -> str:
    value = _over_baseline(contest, outcome, outcomes)
    if math.isnan(value) or outcome.entry.name == contest.baseline:
        return ""
    is_share = any(t.kind == "share" and outcome.entry.name in t.names for t in contest.targets)
    return share(value) if is_share else times(value)


def _notes(outcome: Outcome, peak: float, contest: Contest) -> str:
    entry, notes = outcome.entry, []
    if entry.flops and peak and entry.name not in contest.peaks:
        notes.append(f"{share(entry.flops / outcome.median / peak)} of peak")
    if outcome.mode:
        notes.append(outcome.mode)
    host = [figures["host_share"] for figures in outcome.rounds if "host_share" in figures]
    if host:
        notes.append(f"host busy {share(float(np.median(host)))}")
    if "steps_timed" in outcome.rounds[0]:
        first = outcome.rounds[0]
        notes.append(f"{first['steps_timed']:.0f} of {first['steps_counted']:.0f} steps timed")
    return ", ".join(notes)


def _line(cells: list[str]) -> str:
    return " ".join(f"{cell:<{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True)).rstrip()


def duration(seconds: float) -> str:
    """1.23 s or 4.56 ms, three digits."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def count(number: float) -> str:
    """12.3 k, 4.56 M, 78.9 G."""
    for limit, suffix in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if number >= limit:
            return f"{number / float(limit if limit != 1e4 else 1e3):.3g}{suffix}"
    return f"{number:.3g}" if number < 1000 else f"{number:.0f}"


def times(value: float) -> str:
    return f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


def share(value: float) -> str:
    return f"{100 * value:.3g}%"
