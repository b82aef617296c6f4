"""How good a run is: `python -m drumjax.evaluate --workdir runs/rock [--split validation] [--output evaluation.json]`.

Prints how well it predicts held-out performances, beside baselines that count; how much what it plays is like what
people play; and how much of it is in the training split. --output writes the same as JSON, --html as a page with plots
and pieces to listen to.
"""

import argparse
import errno
import os
from pathlib import Path

from drumjax.runs.pretrained import find_model
from drumjax.system.command_name import command_name
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.files import check_own, user_path


def check_folders(*paths: Path | None) -> None:
    """Raises FileNotFoundError now for a file that could not be written later."""
    for path in paths:
        if path and not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))


def main() -> int:
    set_up_logging()
    parser = argparse.ArgumentParser(prog=command_name("evaluate"), description=__doc__.split("\n", 1)[0])
    parser.add_argument("--workdir", "--model", type=find_model, required=True, help="the run, or a model file or name")
    parser.add_argument("--checkpoint", choices=("best", "latest"), default="best", help="which of its checkpoints")
    parser.add_argument("--split", choices=("validation", "test", "train"), default="validation", help="held out")
    parser.add_argument("--seed", type=int, default=0, help="of what it plays")
    parser.add_argument("--output", type=user_path, help="write the figures to this file, as JSON")
    parser.add_argument("--html", type=user_path, help="write a page to this file, to look at and listen to")
    flags = parser.parse_args()

    def run() -> None:
        # Imported here: --help need not wait for it, and Ctrl-C meanwhile is answered.
        from drumjax.evaluate.page import write_report
        from drumjax.evaluate.score_tables import make_tables
        from drumjax.evaluate.scoreboard import evaluate
        from drumjax.report.figures import write_json
        from drumjax.report.page import PAGE_MARK
        from drumjax.report.tables import write_text
        from drumjax.runs.run import load_run
        from drumjax.system.devices import use_compile_cache

        check_folders(flags.output, flags.html)
        if flags.html:
            check_own(flags.html, PAGE_MARK)
        use_compile_cache()
        trained = load_run(flags.workdir, flags.checkpoint)
        evaluation = evaluate(trained, flags.split, flags.seed)
        board = evaluation.board
        print(write_text(make_tables(board)))
        if board.remark:
            print(board.remark)
        if flags.output:
            write_json(flags.output, {"workdir": str(flags.workdir), **board.to_json()})
        if flags.html:
            write_report(evaluation, trained.codec.kit, flags.workdir, flags.html)
            print(flags.html)

    return run_or_explain(run)


if __name__ == "__main__":
    raise SystemExit(main())
