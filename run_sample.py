"""Plays a trained model: `python run_sample.py --workdir runs/rock --num_samples 16 --out_dir samples [--bpm 120]`.

Only flags are parsed here; everything else is in drumjax, importable from a notebook. The workdir's checkpoint is all
it needs.
"""

import sys
from pathlib import Path

from absl import app, flags

from drumjax.config.flags import define_controls, given_controls

_WORKDIR = flags.DEFINE_string("workdir", None, "The run to play.", required=True)
_OUT_DIR = flags.DEFINE_string("out_dir", "samples", "Where the MIDI files go.")
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 16, "How many pieces.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed gives other pieces.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "best", ["best", "latest"], "Which checkpoint of the run.")
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Replace the samples of another job in out_dir.")
_TAB = flags.DEFINE_boolean("tab", True, "Print the first groove as a drum tab, or a roll of notes.")
_GALLERY = flags.DEFINE_boolean("gallery", False, "Also write index.html: pictures of the pieces, and a play button.")
# A flag for each control: where one is not given, the run's own config.sample decides.
define_controls(flags)
# Something of yours to play on: a .mid file or a drum tab. At most one of these five.
_PROMPT = flags.DEFINE_string("prompt", None, "Continue this; random: a stretch of a held-out performance.")
_PROMPT_BARS = flags.DEFINE_integer("prompt_bars", 4, "Bars of a random prompt.")
_HUMANIZE = flags.DEFINE_string("humanize", None, "Give every hit of this a velocity and a timing.")
_VARY = flags.DEFINE_string("vary", None, "Play some of this differently: --amount of it.")
_ADD = flags.DEFINE_list("add", None, "Play these drums, such as hihat,ride, beside the others in --to.")
_INFILL = flags.DEFINE_string("infill", None, "Rewrite these bars, such as 5-6, of --to.")
_TO = flags.DEFINE_string("to", None, "What --add and --infill work on.")
_INCLUDE_PROMPT = flags.DEFINE_boolean("include_prompt", True, "Write the prompt too, before what follows it.")
_AMOUNT = flags.DEFINE_float("amount", 0.3, "Odds that --vary chooses a drum at a step anew, 0..1.")
_DRAWS = flags.DEFINE_integer("draws", 8, "How many versions --infill tries for each that it writes.", lower_bound=1)
_KIT = flags.DEFINE_string(
    "kit", "", "Which pitch of your file is which drum: general_midi, roland_td11 or a .json file."
)
_OUT_KIT = flags.DEFINE_string(
    "out_kit", "", "Pitches to write: general_midi, roland_td11, addictive_drums_2 or a .json file."
)


def play() -> None:
    from drumjax.jobs.gallery import write_gallery
    from drumjax.jobs.job import Job, write_samples
    from drumjax.music.drum_maps import read_map
    from drumjax.music.notes import Song
    from drumjax.music.text import write_text
    from drumjax.runs.run import load_run
    from drumjax.sampling.edits import need_kit
    from drumjax.sampling.plan import EditRequest, make_plan
    from drumjax.system.devices import use_compile_cache

    request = EditRequest(
        prompt=_PROMPT.value, prompt_bars=_PROMPT_BARS.value, humanize=_HUMANIZE.value, vary=_VARY.value,
        add=tuple(_ADD.value or ()), infill=_INFILL.value, to=_TO.value, include_prompt=_INCLUDE_PROMPT.value,
        amount=_AMOUNT.value, draws=_DRAWS.value, kit=_KIT.value,
    )  # fmt: skip
    use_compile_cache()
    run = load_run(_WORKDIR.value, "best" if _CHECKPOINT.value == "best" else "latest")
    kit, steps_per_beat = run.codec.kit, run.settings.codec.steps_per_beat
    plan = make_plan(run, request, seed=_SEED.value, **given_controls(flags))
    out_map = read_map(_OUT_KIT.value, need_kit(run.codec).names) if _OUT_KIT.value else None

    def show(song: Song) -> None:
        if _TAB.value:
            print(write_text(song, kit, min(steps_per_beat, 12)))

    write_samples(Job(plan, _NUM_SAMPLES.value, out_map), _OUT_DIR.value, overwrite=_OVERWRITE.value, show=show)
    if _GALLERY.value:
        print(write_gallery(Path(_OUT_DIR.value), kit, f"{Path(_WORKDIR.value).name} plays", out_map))


def main(argv: list[str]) -> int:
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags start with --")
    from drumjax.system.console import run_or_explain, set_up_logging

    set_up_logging()
    return run_or_explain(play)


if __name__ == "__main__":
    app.run(main)
