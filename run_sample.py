"""Plays a trained model: `python run_sample.py --workdir runs/rock --num_samples 16 --out_dir samples [--bpm 120]`.

Only flags are parsed here; everything else is in drumjax, importable from a notebook. The workdir's checkpoint is all
it needs.
"""

import sys
from pathlib import Path

from absl import app, flags

_WORKDIR = flags.DEFINE_string("workdir", None, "The run to play.", required=True)
_OUT_DIR = flags.DEFINE_string("out_dir", "samples", "Where the MIDI files go.")
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 16, "How many pieces.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed gives other pieces.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "best", ["best", "latest"], "Which checkpoint of the run.")
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Replace the samples of another job in out_dir.")
_TAB = flags.DEFINE_boolean("tab", True, "Print the first groove as a drum tab, or a roll of notes.")
_GALLERY = flags.DEFINE_boolean("gallery", False, "Also write index.html: pictures of the pieces, and a play button.")
# Where a flag is not given, the run's own config.sample decides.
_BARS = flags.DEFINE_integer("bars", None, "Bars of each piece, 1..1000.")
_NUM_NOTES = flags.DEFINE_integer("num_notes", None, "Notes of each, however many bars that takes.")
_BPM = flags.DEFINE_float("bpm", None, "Quarter notes per minute, 20..400.")
_STYLE = flags.DEFINE_string(
    "style", None, "A style the model was trained on, or a mix: rock=0.7,jazz=0.3; '' leaves it open."
)
_TIME_SIGNATURE = flags.DEFINE_string("time_signature", None, "Such as 4/4 or 6/8.")
_FILL = flags.DEFINE_integer("fill", None, "Play a fill in every n-th bar; 0 asks for none.")
_DENSITY = flags.DEFINE_float("density", None, "Notes per beat, up to 24; 0 leaves it open.")
_DYNAMICS = flags.DEFINE_float("dynamics", None, "Mean velocity, 1..127; 0 leaves it open.")
_LEAN = flags.DEFINE_float("lean", None, "Milliseconds behind the beat on average: 10 is laid back, -10 pushes.")
_GUIDANCE = flags.DEFINE_float(
    "guidance",
    None,
    "How much style, fills, density and dynamics count, but for timing: 1 as learned, 2 exaggerated (0..10).",
)
_TEMPERATURE = flags.DEFINE_string(
    "temperature", None, "0 (the most likely) .. 10; one number, or per field: hits=0.9,velocity=1,offset=0.8."
)
_SPREAD = flags.DEFINE_float(
    "spread", None, "How far velocity and timing stray from their medians: 1 as widely as drummers do, 0 not at all."
)
_TOP_K = flags.DEFINE_integer("top_k", None, "Choose among the k most likely values only; 0 among all.")
_TOP_P = flags.DEFINE_float("top_p", None, "Choose among the likeliest values up to this probability; 1 among all.")
_NO_REPEAT = flags.DEFINE_integer(
    "no_repeat", None, "Never the same so many notes (on a grid: steps) in a row again, if it can be helped; 0 lets it."
)
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
    from drumjax.jobs.job import Job, generate
    from drumjax.music.kits import read_map
    from drumjax.music.notes import Song
    from drumjax.music.text import write_text
    from drumjax.runs.run import load_run
    from drumjax.sampling.controls import make_controls
    from drumjax.sampling.edits import need_kit
    from drumjax.sampling.piece import make_groove
    from drumjax.sampling.plan import Wish
    from drumjax.sampling.style_mix import add_mix
    from drumjax.system.devices import use_compile_cache

    wish = Wish(
        prompt=_PROMPT.value, prompt_bars=_PROMPT_BARS.value, humanize=_HUMANIZE.value, vary=_VARY.value,
        add=tuple(_ADD.value or ()), infill=_INFILL.value, to=_TO.value, include_prompt=_INCLUDE_PROMPT.value,
        amount=_AMOUNT.value, draws=_DRAWS.value,
    )  # fmt: skip
    use_compile_cache()
    run = load_run(_WORKDIR.value, "best" if _CHECKPOINT.value == "best" else "latest")
    run = add_mix(run, _STYLE.value or "")
    defaults, kit = run.settings.sample, run.codec.kit
    song = wish.read(run, _SEED.value, _KIT.value, _TIME_SIGNATURE.value)
    groove = make_groove(
        defaults, song, bpm=_BPM.value, style=_STYLE.value, time_signature=_TIME_SIGNATURE.value,
        bars=wish.num_bars(song, _BARS.value, defaults.bars) if song else _BARS.value,
        fill_every=_FILL.value, density=_DENSITY.value, dynamics=_DYNAMICS.value,
        lean=_LEAN.value, num_notes=_NUM_NOTES.value,
    )  # fmt: skip
    controls = make_controls(
        wish.sample_settings(run), run.codec.fields, temperature=_TEMPERATURE.value, spread=_SPREAD.value,
        top_k=_TOP_K.value, top_p=_TOP_P.value, guidance=_GUIDANCE.value, no_repeat=_NO_REPEAT.value,
    )  # fmt: skip
    task = wish.task(song, groove, run) if song else None
    out_map = read_map(_OUT_KIT.value, need_kit(run.codec).names) if _OUT_KIT.value else None
    job = Job(groove, controls, _NUM_SAMPLES.value, _SEED.value, task, out_map)

    def show(song: Song) -> None:
        if _TAB.value:
            print(write_text(song, kit, min(run.settings.codec.steps_per_beat, 12)))

    generate(run, job, _OUT_DIR.value, overwrite=_OVERWRITE.value, show=show)
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
