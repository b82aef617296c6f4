"""A scoreboard as tables."""

from drumjax.evaluate.board import Board, PlayerFigure, Prediction
from drumjax.evaluate.scoreboard import MODEL, NGRAM, REAL, TRAIN
from drumjax.report.tables import Table

# Baselines and the model are set beside each other in these groups.
COMPARED = ("all", "as config.validation")


def make_tables(board: Board) -> list[Table]:
    """All tables of a scoreboard."""
    tables = [*_compare(board), _by_group(board)]
    if board.grooves:
        tables.append(_grooves(board))
    if board.patterns:
        tables.append(_patterns(board))
    if board.playability:
        tables.append(_playability(board))
    if board.memory:
        tables.append(_memory(board))
    return tables


def _compare(board: Board) -> list[Table]:
    tables = []
    for i, group in enumerate(board.model):
        if group.name not in COMPARED:
            continue
        rows = [["", "nats", "95% interval", "perplexity", "accuracy", "of events"]]
        for field, prediction in group.fields.items():
            counted = board.baselines.get(field, {})
            rows += [[f"{field}, counting: {name}", *_predicted(found[i])] for name, found in counted.items()]
            rows.append([f"{field}, model", *_predicted(prediction)])
        which = "all of them" if group.name == "all" else f"the {group.songs} that pass config.validation's filters"
        per = "hits in nats per step, others per hit" if "hits" in group.fields else "in nats per event"
        note = (
            f"{board.split} split, {board.songs} songs{board.metre}: {which}. {per}; all fields together "
            f"{_number(group.nats_per_bar, 2)} nats per bar."
        )
        tables.append(Table(f"Prediction of performances, {group.name}", note, rows))
    return tables


def _predicted(row: Prediction) -> list[str]:
    return [
        _number(row.nll), _interval(row), _number(row.perplexity, 2), _percent(row.accuracy),
        _percent(row.event_accuracy),
    ]  # fmt: skip


def _by_group(board: Board) -> Table:
    fields = list(board.model[0].fields)
    counted = board.baselines.get(fields[0], {})
    best = list(counted)[-1:]
    rows = [["", "songs", *fields, f"95% of {fields[0]}", *(f"counting: {name}" for name in best)]]
    for i, group in enumerate(board.model):
        cells = [_number(group.fields[name].nll) for name in fields]
        rows.append([group.name, str(group.songs), *cells, _interval(group.fields[fields[0]]),
                     *(_number(counted[name][i].nll) for name in best)])  # fmt: skip
    return Table("The same by group", "Nats; the intervals come from drawing songs anew (bootstrap).", rows)


def _grooves(board: Board) -> Table:
    others = [name for name in (TRAIN, MODEL, NGRAM) if any(name in row.players for row in board.grooves)]
    rows = [["", "unit", REAL, *(cell for name in others for cell in (name, "KL", "OA"))]]
    for row in board.grooves:
        cells = []
        for name in others:
            found = row.players.get(name)
            cells += [_spread(found), _number(found.kl), _number(found.overlap, 2)] if found else ["", "", ""]
        real = row.players.get(REAL)
        rows.append([row.figure, row.unit, _spread(real) if real else "-", *cells])
    note = (
        f"{board.excerpts} stretches of {board.bars} bars each: mean ± standard deviation; KL divergence and "
        "overlapping area of distances to the held-out ones (Yang & Lerch 2018). Training is the best to hope for."
    )
    return Table("What is played, beside what people played", note, rows)


def _patterns(board: Board) -> Table:
    names = list(next(iter(board.patterns.values())))
    rows = [["", *names]]
    rows += [[voice, *(_number(found[name], 2) for name in names)] for voice, found in board.patterns.items()]
    return Table("One-bar rhythms in common with the held-out ones", "Area that the histograms share, 0..1.", rows)


def _playability(board: Board) -> Table:
    rows = [["", "pieces", "playable", "different bars", "first bars", "of all bars"]]
    rows += [
        [name, str(found.pieces), *map(_percent, (found.playable, found.distinct, found.first, found.among_all))]
        for name, found in board.playability.items()
    ]
    note = (
        f"Pieces of {board.bars} bars, the model's by its defaults at 70 to 160 bpm. Playable: three of four bars "
        "hold a beat by a strict reading. Different: within a piece, the first ones, all (fewer pieces raise that)."
    )
    return Table("Whether a band could play to it", note, rows)


def _memory(board: Board) -> Table:
    rows = [["", "bars copied", "longest run, mean", "longest run", "hits to the nearest bar"]]
    for name, found in board.memory.items():
        rows.append([name, _percent(found.copied), _number(found.run, 2), _number(found.longest, 2),
                     _number(found.nearest, 2)])  # fmt: skip
    note = "Bars that occur verbatim (drums and 16ths) in the training split; runs in bars; people repeat bars too."
    return Table("How much is in the training split", note, rows)


def _spread(found: PlayerFigure) -> str:
    return f"{_number(found.mean, 2)} ± {_number(found.sd, 2)}"


def _interval(row: Prediction) -> str:
    low, high = _number(row.low), _number(row.high)
    return "-" if low == "-" else f"{low}..{high}"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def _percent(value: float) -> str:
    return "-" if value != value else f"{100 * value:.1f}%"
