"""Plays a trained model: `python run_sample.py --workdir runs/rock --num_samples 16 --out_dir samples [--bpm 120]`.

Only flags are parsed here; everything else is in drumjax, importable from a notebook. The workdir's checkpoint is all
it needs.
"""

import sys

from absl import app, flags

_WORKDIR = flags.DEFINE_string("workdir", None, "The run to play.", required=True)
_OUT_DIR = flags.DEFINE_string("out_dir", "samples", "Where the MIDI files go.")
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 16, "How many grooves.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed gives other grooves.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "best", ["best", "latest"], "Which checkpoint of the run.")
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Replace the samples of another job in out_dir.")
_TAB = flags.DEFINE_boolean("tab", True, "Print the first groove as a drum tab.")
# Where a flag is not given, the run's own config.sample decides.
_BARS = flags.DEFINE_integer("bars", None, "Bars of each groove, 1..1000.")
_BPM = flags.DEFINE_float("bpm", None, "Quarter notes per minute, 20..400.")
_STYLE = flags.DEFINE_string("style", None, "A style the model was trained on; '' leaves it open.")
_TIME_SIGNATURE = flags.DEFINE_string("time_signature", None, "Such as 4/4 or 6/8.")
_TEMPERATURE = flags.DEFINE_string(
    "temperature", None, "0 (the most likely) .. 10; one number, or per field: hits=0.9,velocity=1,offset=0.8."
)
_TOP_K = flags.DEFINE_integer("top_k", None, "Choose among the k most likely values only; 0 among all.")
_TOP_P = flags.DEFINE_float("top_p", None, "Choose among the likeliest values up to this probability; 1 among all.")


def play() -> None:
    from drumjax.device import use_compile_cache
    from drumjax.generate import Job, generate
    from drumjax.grooves import make_controls, make_groove
    from drumjax.kits import get_kit
    from drumjax.notes import Song
    from drumjax.runs import load_run
    from drumjax.tab import write_tab

    use_compile_cache()
    run = load_run(_WORKDIR.value, "best" if _CHECKPOINT.value == "best" else "latest")
    defaults = run.settings.sample
    groove = make_groove(
        defaults, bars=_BARS.value, bpm=_BPM.value, style=_STYLE.value, time_signature=_TIME_SIGNATURE.value
    )
    controls = make_controls(
        defaults, run.codec.fields, temperature=_TEMPERATURE.value, top_k=_TOP_K.value, top_p=_TOP_P.value
    )
    job = Job(groove, controls, _NUM_SAMPLES.value, _SEED.value)

    def show(song: Song) -> None:
        if _TAB.value:
            kit = get_kit(run.settings.codec.kit)
            print(write_tab(song, kit, run.settings.codec.steps_per_beat))

    generate(run, job, _OUT_DIR.value, overwrite=_OVERWRITE.value, show=show)


def main(argv: list[str]) -> int:
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags start with --")
    from drumjax.console import run_or_explain, set_up_logging

    set_up_logging()
    return run_or_explain(play)


if __name__ == "__main__":
    app.run(main)
