"""What a folder of samples holds, and what of its job is missing: `python -m drumjax.jobs OUT_DIR`.

`--join` makes one manifest of those of the shards, and of Parquet files fewer and larger ones: the same, whatever
shards made them. Exit status: 0 if nothing is missing, 75 if something is, 1 if the folder cannot be read.
"""

import argparse
import logging
import shlex
import sys
from pathlib import Path

from drumjax.system.command_name import command_name
from drumjax.system.console import run_or_explain, set_up_logging
from drumjax.system.files import user_path
from drumjax.system.stop_signals import STOPPED


def main() -> int:
    set_up_logging()
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog=command_name("jobs"), description=about)
    parser.add_argument("out_dir", type=user_path, help="what the shards have as --out_dir")
    parser.add_argument("--join", action="store_true", help="make one manifest of those of the shards")
    parser.add_argument("--num_samples", type=int, help="how many were asked for; taken from job.json unless given")
    flags = parser.parse_args()
    if flags.num_samples is not None and flags.num_samples < 1:
        parser.error(f"--num_samples is {flags.num_samples}; it must be at least 1")
    return run_or_explain(lambda: tell(flags.out_dir, flags.num_samples, join=flags.join))


def tell(out_dir: Path, num_samples: int | None, *, join: bool) -> int:
    """Prints it, and returns the exit status."""
    from drumjax.jobs.inventory import join_job, take_inventory
    from drumjax.jobs.job_file import read_job_file

    if join:
        if num_samples is None and out_dir.is_dir() and (file := read_job_file(out_dir)):
            num_samples = file.num_samples  # once all are joined, nothing says it any more
        logging.getLogger("drumjax").info("%d samples joined in %s", join_job(out_dir), out_dir)
    found = take_inventory(out_dir, num_samples)
    print(found)
    if found.shards_to_start and not join:
        print(f"when all are done: {command_name('jobs')} {shlex.quote(str(out_dir))} --join")
    return STOPPED if len(found.missing) else 0


if __name__ == "__main__":
    sys.exit(main())
