"""The page of an evaluation: scoreboard, plots, training curves, and pieces to listen to."""

from pathlib import Path

from drumjax.evaluate.score_tables import make_tables
from drumjax.evaluate.scoreboard import Evaluation
from drumjax.music.kits import Kit
from drumjax.report.page import PAGE_MARK, Page
from drumjax.report.piece import Piece
from drumjax.system.files import replace_own
from drumjax.training.overfitting import describe_fit

NUM_PIECES = 8


def write_report(evaluation: Evaluation, kit: Kit | None, workdir: Path, path: Path) -> None:
    """Writes the page to `path`. Raises OSError, or ForeignFileError for a file there that is no page of ours."""
    from drumjax.report.plots import draw_curves, draw_distributions, draw_profiles  # imports matplotlib
    from drumjax.runs.metrics import read_metrics

    board = evaluation.board
    subtitle = f"Step {board.step}, compared with the {board.split} split of {board.source}."
    page = Page(f"How good {workdir.name} is", subtitle, kit)
    tables = make_tables(board)
    for table in tables[:-1] if board.memory else tables:
        page.begin(table.title, table.note)
        page.add_table(table.rows, ("model",))
    if evaluation.figures:
        titles, units = zip(*((feature.name, feature.unit) for feature in evaluation.features), strict=True)
        page.add_picture(draw_distributions(titles, units, evaluation.figures), "Distributions of these figures.")
    if evaluation.profiles:
        page.add_picture(draw_profiles(evaluation.profiles), "Accents: mean velocity by place in the bar.")
    if board.memory:
        page.begin(tables[-1].title, tables[-1].note)
        page.add_table(tables[-1].rows, ("model",))
    if board.remark:
        page.add_lines([board.remark])
    if rows := read_metrics(workdir):
        page.begin("How it was trained", describe_fit(rows))
        caption = (
            "Loss in nats per step, and how often the likeliest value is right: in training (with dropout, on windows) "
            "and on held-out songs (weights averaged, whole songs)."
        )
        page.add_picture(draw_curves(rows, board.step), caption)
    if evaluation.played:
        page.begin("What it plays", "Each in the style and tempo of a held-out performance, from its first bar on.")
        for song in evaluation.played[:NUM_PIECES]:
            page.add_piece(Piece(song, song.name, board.bars, song.style or "no style"))
    replace_own(path, page.write().encode(), PAGE_MARK)
