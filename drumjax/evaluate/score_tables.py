"""A scoreboard as tables."""

from typing import Any

from drumjax.evaluate.scoreboard import MODEL, NGRAM, REAL, TRAIN
from drumjax.report.tables import Table

# Baselines and the model are set beside each other in these groups.
COMPARED = ("all", "as config.validation")


def make_tables(board: dict[str, Any]) -> list[Table]:
    """All tables of a scoreboard."""
    tables = [*_compare(board), _by_group(board)]
    if "grooves" in board:
        tables.append(_grooves(board))
    if "patterns" in board:
        tables.append(_patterns(board))
    if "memory" in board:
        tables.append(_memory(board))
    return tables


def _compare(board: dict[str, Any]) -> list[Table]:
    tables = []
    for i, row in enumerate(board["prediction"]["model"]):
        if row["group"] not in COMPARED:
            continue
        rows = [["", "nats", "95% interval", "perplexity", "accuracy", "of events"]]
        for field in _fields(row):
            counted = board["prediction"]["baselines"].get(field, {})
            rows += [[f"{field}, counting: {name}", *_predicted(found[i])] for name, found in counted.items()]
            rows.append([f"{field}, model", *_predicted(row[field])])
        which = "all of them" if row["group"] == "all" else f"the {row['songs']} that pass config.validation's filters"
        per = "hits in nats per step, others per hit" if "hits" in row else "in nats per event"
        note = (
            f"{board['split']} split, {board['songs']} songs{board['metre']}: {which}. {per}; all fields together "
            f"{_number(row['nats_per_bar'], 2)} nats per bar."
        )
        tables.append(Table(f"Prediction of performances, {row['group']}", note, rows))
    return tables


def _predicted(cells: dict[str, float]) -> list[str]:
    return [
        _number(cells["nll"]), _interval(cells), _number(cells["perplexity"], 2),
        _percent(cells["accuracy"]), _percent(cells["event_accuracy"]),
    ]  # fmt: skip


def _fields(row: dict[str, Any]) -> list[str]:
    return [name for name, cells in row.items() if isinstance(cells, dict)]


def _by_group(board: dict[str, Any]) -> Table:
    model, baselines = board["prediction"]["model"], board["prediction"]["baselines"]
    fields = _fields(model[0])
    counted = baselines.get(fields[0], {})
    best = list(counted)[-1:]
    rows = [["", "songs", *fields, f"95% of {fields[0]}", *(f"counting: {name}" for name in best)]]
    for i, row in enumerate(model):
        first = row[fields[0]]
        cells = [_number(row[name]["nll"]) for name in fields]
        rows.append([row["group"], str(row["songs"]), *cells, _interval(first),
                     *(_number(counted[name][i]["nll"]) for name in best)])  # fmt: skip
    return Table("The same by group", "Nats; the intervals come from drawing songs anew (bootstrap).", rows)


def _grooves(board: dict[str, Any]) -> Table:
    others = [name for name in (TRAIN, MODEL, NGRAM) if any(name in row for row in board["grooves"])]
    rows = [["", "unit", REAL, *(cell for name in others for cell in (name, "KL", "OA"))]]
    for row in board["grooves"]:
        cells = []
        for name in others:
            found = row.get(name)
            cells += [_spread(found), _number(found["kl"]), _number(found["overlap"], 2)] if found else ["", "", ""]
        rows.append([row["figure"], row["unit"], _spread(row[REAL]) if REAL in row else "-", *cells])
    note = (
        f"{board['excerpts']} stretches of {board['bars']} bars each: mean ± standard deviation; KL divergence and "
        "overlapping area of distances to the held-out ones (Yang & Lerch 2018). Training is the best to hope for."
    )
    return Table("What is played, beside what people played", note, rows)


def _patterns(board: dict[str, Any]) -> Table:
    names = list(next(iter(board["patterns"].values())))
    rows = [["", *names]]
    rows += [[voice, *(_number(found[name], 2) for name in names)] for voice, found in board["patterns"].items()]
    return Table("One-bar rhythms in common with the held-out ones", "Area that the histograms share, 0..1.", rows)


def _memory(board: dict[str, Any]) -> Table:
    rows = [["", "bars copied", "longest run, mean", "longest run", "hits to the nearest bar"]]
    for name, found in board["memory"].items():
        rows.append([name, _percent(found["copied"]), _number(found["run"], 2), _number(found["longest"], 2),
                     _number(found["nearest"], 2)])  # fmt: skip
    note = "Bars that occur verbatim (drums and 16ths) in the training split; runs in bars; people repeat bars too."
    return Table("How much is in the training split", note, rows)


def _spread(found: dict[str, float]) -> str:
    return f"{_number(found['mean'], 2)} ± {_number(found['sd'], 2)}"


def _interval(cells: dict[str, float]) -> str:
    low, high = _number(cells["low"]), _number(cells["high"])
    return "-" if low == "-" else f"{low}..{high}"


def _number(value: float, digits: int = 3) -> str:
    return "-" if value != value else f"{value:.{digits}f}"


def _percent(value: float) -> str:
    return "-" if value != value else f"{100 * value:.1f}%"
