"""Looks at a dataset: `python -m drumjax.explore --config configs/rock.py [--out_dir report]`, or `--dir ~/midi`.

What there is and what was left out, pitches and drums, what a grid loses, timing and velocity, duplicates and leakage,
and settings that suit: on the screen and, with pictures and pieces to listen to, in report/index.html.
"""

import argparse
from pathlib import Path

from drumjax.system.command_name import command_name
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.files import user_path


def main() -> int:
    set_up_logging()
    parser = argparse.ArgumentParser(prog=command_name("explore"), description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--config", default="", help="whose data, and whose kit: a path, or a name in configs/; built-in unless given"
    )
    parser.add_argument("--dir", default="", help="a folder of MIDI files, in place of the config's data")
    parser.add_argument(
        "--instrument", help="drums (channel 10), all, pitched, program=0-7 or track=name, in place of the config's"
    )
    parser.add_argument("--out_dir", type=user_path, default=Path("report"), help="where the page goes")
    args = parser.parse_args()

    def run() -> None:
        # Imported here: --help need not wait for it, and Ctrl-C meanwhile is answered.
        from drumjax.explore.explore import explore, read_settings

        explore(read_settings(args.config, args.dir, args.instrument), args.out_dir)

    return run_or_explain(run)


if __name__ == "__main__":
    raise SystemExit(main())
