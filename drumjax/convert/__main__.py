"""Converts a MIDI file or a drum tab to the other, or to another of its kind: `python -m drumjax.convert IN OUT`.

What becomes of the file is told by its suffix: .mid .midi .kar .smf .rmi or .tab .txt; `-` shows the tab. Every note of
IN is in OUT, or a line says how many are not, and why.
"""

import argparse

from drumjax.system.command_name import command_name


def main() -> int:
    parser = argparse.ArgumentParser(prog=command_name("convert"), description=__doc__.split("\n", 1)[0])
    parser.add_argument("source", metavar="IN", help="a MIDI file, or a drum tab (.tab or .txt)")
    parser.add_argument("target", metavar="OUT", help="what to write; its suffix says which; - shows the tab")
    parser.add_argument(
        "--kit", default="", help="which pitch of IN is which drum: roland_td11 (if not given), general_midi or a .json"
    )
    parser.add_argument(
        "--out_kit",
        default="",
        help="whose pitches are written: general_midi, roland_td11, addictive_drums_2, a .json",
    )
    parser.add_argument(
        "--instrument", default="", help="which notes of a MIDI file: drums (channel 10, if not given), all, pitched, "
        "program=0-7 or track=name"
    )  # fmt: skip
    parser.add_argument("--steps_per_beat", type=int, help="cells per quarter note of a tab, found out if not given")
    parser.add_argument("--overwrite", action="store_true", help="write OUT even if it exists")
    args = parser.parse_args()
    # Imported here, so that --help need not wait for it.
    from drumjax.convert.conversion import convert
    from drumjax.system.console import run_or_explain, set_up_logging

    def run() -> None:
        convert(**vars(args))

    set_up_logging()
    return run_or_explain(run)


if __name__ == "__main__":
    raise SystemExit(main())
