"""Plays a trained model: `run_sample.py`, or `drumjax sample`.

Only flags are parsed here; everything else is importable from a notebook. The workdir's checkpoint is all it needs, and
without one a model that comes with drumjax plays. Exit status: 0 finished, 75 stopped by a signal and to be resumed, 1
refused or failed.
"""

import dataclasses
import logging
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from absl import flags

from drumjax.config.flags import define_cluster, define_controls, given_controls
from drumjax.runs.pretrained import DEFAULT, choose_model, model_name, pretrained_names
from drumjax.system.command_line import CommandLine
from drumjax.system.command_name import command_name

NUM_SAMPLES = 16
SAMPLES = Path("samples")  # where the folders of calls without --out_dir are made
FLAGS = "[--workdir runs/rock] [--style funk] [--bpm 96] [--gallery] [--humanize mine.mid]"
# What other programs call it.
ALIASES = {
    "tempo": "bpm", "qpm": "bpm", "metre": "time_signature", "meter": "time_signature", "temp": "temperature",
    "n": "num_samples", "num": "num_samples", "count": "num_samples", "num_outputs": "num_samples",
    "output": "out_dir", "output_dir": "out_dir", "out": "out_dir", "outdir": "out_dir", "length": "bars",
    "measures": "bars", "num_bars": "bars", "num_steps": "bars", "run": "workdir", "run_dir": "workdir",
    "config": "workdir", "genre": "style", "fills": "fill", "velocity": "dynamics", "input": "prompt",
    "continue": "prompt", "primer": "prompt", "primer_midi": "prompt", "primer_drums": "prompt", "page": "gallery",
    "html": "gallery", "quantize": "humanize", "groove": "humanize", "random_seed": "seed",
}  # fmt: skip


def make_command_line() -> CommandLine:
    """The flags of this program."""
    line = CommandLine(f"{command_name('sample')} {FLAGS}", ALIASES)
    known = ", ".join(pretrained_names())
    with line.section("What plays") as values:
        flags.DEFINE_string("workdir", None, "The run to play, such as runs/rock.", flag_values=values)
        flags.DEFINE_string(
            "model", None, f"Or a model file, or one that comes with drumjax: {known} ({DEFAULT} if neither is given).",
            flag_values=values,
        )  # fmt: skip
        flags.DEFINE_enum("checkpoint", "best", ["best", "latest"], "Which checkpoint of the run.", flag_values=values)
        flags.DEFINE_integer("seed", 0, "Another seed gives other pieces.", flag_values=values)
    with line.section("What is written") as values:
        flags.DEFINE_integer("num_samples", None, "How many pieces; 16, or 1 of your own music.", flag_values=values)
        flags.DEFINE_string(
            "out_dir", None, "Where the MIDI files go; a new folder in samples/ unless given.", flag_values=values
        )
        flags.DEFINE_enum(
            "format", "midi", ["midi", "parquet"], "A MIDI file each, or Parquet files of many pieces.",
            flag_values=values,
        )  # fmt: skip
        flags.DEFINE_boolean("overwrite", False, "Replace the samples of another job in out_dir.", flag_values=values)
        flags.DEFINE_boolean(
            "gallery", False, "Also write index.html: all pieces, to see and to hear.", flag_values=values
        )
        flags.DEFINE_boolean(
            "tab", True, "Print the first piece as a drum tab, or a roll of notes.", flag_values=values
        )
        flags.DEFINE_string(
            "out_kit", "", "Pitches to write: general_midi, roland_td11, addictive_drums_2 or a .json file.",
            flag_values=values,
        )  # fmt: skip
    with line.section(
        "On what", "A job can be cut into shards, each made by a process of its own, on any machine."
    ) as values:
        flags.DEFINE_string(
            "shard", None, "Which part of the job, such as 3/64, from 0/64 to 63/64; taken from the task of a Slurm "
            "array or the pod of an indexed Kubernetes Job unless given.", flag_values=values,
        )  # fmt: skip
        define_cluster(values, "Join a cluster (TPU pod, Slurm, ...): each process makes its shard.")
        flags.DEFINE_boolean(
            "require_accelerator", False, "Refuse to play on the CPU where no GPU or TPU is found.", flag_values=values
        )
    # A flag for each control: where one is not given, the run's own config.sample decides.
    with line.section("What music is asked for", "What is not asked for is as the run's settings say.") as values:
        define_controls(values, "piece")
    with line.section("How it is drawn") as values:
        define_controls(values, "draw")
    _define_edits(line)
    return line


def _define_edits(line: CommandLine) -> None:
    with line.section(
        "Your own music: a MIDI file or a drum tab",
        "At most one of --prompt, --humanize, --vary, --add and --infill at a time.",
    ) as values:
        flags.DEFINE_string(
            "prompt", None, "Continue this; random: a stretch of a held-out performance.", flag_values=values
        )
        flags.DEFINE_integer("prompt_bars", 4, "Bars of a random prompt.", flag_values=values)
        flags.DEFINE_boolean(
            "include_prompt", True, "Write the prompt too, before what follows it.", flag_values=values
        )
        flags.DEFINE_string("humanize", None, "Give every hit of this a velocity and a timing.", flag_values=values)
        flags.DEFINE_string("vary", None, "Play some of this differently: --amount of it.", flag_values=values)
        flags.DEFINE_float("amount", 0.3, "Odds that --vary chooses a drum at a step anew, 0..1.", flag_values=values)
        flags.DEFINE_list(
            "add", None, "Play these drums, such as hihat,ride, beside the others in --to.", flag_values=values
        )
        flags.DEFINE_string("infill", None, "Rewrite these bars, such as 5-6, of --to.", flag_values=values)
        flags.DEFINE_integer(
            "draws", 8, "How many versions --infill tries for each that it writes.", lower_bound=1, flag_values=values
        )
        flags.DEFINE_string("to", None, "What --add and --infill work on.", flag_values=values)
        flags.DEFINE_string(
            "kit", "", "Which pitch of your file is which drum: general_midi, roland_td11 or a .json file.",
            flag_values=values,
        )  # fmt: skip
        flags.DEFINE_string(
            "instrument", "", "Which notes of your file: drums, all, pitched, program=0-7 or track=name; as those the "
            "model learned from unless given.", flag_values=values,
        )  # fmt: skip


def count_samples(given: flags.FlagValues) -> int:
    """How many pieces are written: one of the user's own music, unless more are asked for."""
    if given.num_samples is not None:
        return int(given.num_samples)
    is_edit = any((given.prompt, given.humanize, given.vary, given.add, given.infill))
    return 1 if is_edit else NUM_SAMPLES


def choose_shard(given: flags.FlagValues) -> Any:
    """Which part of the job this process makes. Raises RequestError for a shard that cannot be, or with flags that
    only the whole job has."""
    from drumjax.jobs.shard import WHOLE, Shard, find_shard, parse_shard
    from drumjax.sampling.piece import RequestError

    shard, why = WHOLE, "--shard"
    if given.shard:
        shard = parse_shard(given.shard)
    elif given.distributed:
        import jax

        shard, why = Shard(jax.process_index(), jax.process_count()), "--distributed"
    elif found := find_shard(os.environ):
        shard, why = found
        said = "this is shard %s, says %s; --shard 0/1 makes all samples"
        logging.getLogger("drumjax").info(said, shard, why)
    if shard != WHOLE and not given.out_dir:
        raise RequestError(f"{why} says that this is shard {shard}: give --out_dir, the same for all shards")
    if shard != WHOLE and given.gallery:
        raise RequestError(
            f"--gallery is for a whole job, and {why} says that this is shard {shard}: once all are done, "
            f"python -m drumjax.jobs {shlex.quote(given.out_dir)} --join, then this command with --shard 0/1"
        )
    if given.gallery and given.format != "midi":
        raise RequestError("--gallery shows MIDI files; leave --format out, or the page")
    return shard


def play(given: flags.FlagValues) -> int:
    """Samples as the flags say; returns the exit status."""
    from drumjax.jobs.gallery import check_gallery, describe, make_title, write_gallery
    from drumjax.jobs.job import Job, write_samples
    from drumjax.jobs.out_dir import make_next_folder
    from drumjax.music.drum_maps import read_map
    from drumjax.music.notes import Song
    from drumjax.music.text import write_text
    from drumjax.runs.run import load_run
    from drumjax.sampling.edits import need_kit
    from drumjax.sampling.plan import EditRequest, make_plan
    from drumjax.system.devices import find_devices, use_compile_cache
    from drumjax.system.files import user_path

    request = EditRequest(
        prompt=given.prompt, prompt_bars=given.prompt_bars, humanize=given.humanize, vary=given.vary,
        add=tuple(given.add or ()), infill=given.infill, to=given.to, include_prompt=given.include_prompt,
        amount=given.amount, draws=given.draws, kit=given.kit, instrument=given.instrument,
        keep_pitches=not given.out_kit,
    )  # fmt: skip
    model = choose_model(given.workdir, given.model)
    if not given.workdir and not given.model:
        known = "%s plays, which comes with drumjax; --workdir plays a run of yours"
        logging.getLogger("drumjax").info(known, model_name(model))
    if not given.distributed:
        find_devices(require_accelerator=given.require_accelerator)
    use_compile_cache()
    run = load_run(model, "best" if given.checkpoint == "best" else "latest")
    kit, steps_per_beat = run.codec.kit, run.settings.codec.steps_per_beat
    plan = make_plan(run, request, seed=given.seed, **given_controls(given))
    out_map = read_map(given.out_kit, need_kit(run.codec).names) if given.out_kit else None
    shard, name = choose_shard(given), model_name(model)
    job = Job(plan, count_samples(given), out_map, shard, given.format)

    def show(song: Song, row: dict[str, Any]) -> None:
        if given.tab and shard.index == 0:
            song = dataclasses.replace(song, name=make_title(name, row), style=row["context"]["style"])
            every, swing = row["context"]["fill"], float(row["context"].get("swing") or 0)
            print(write_text(song, kit, min(steps_per_beat, 12), fill_every=every, swing=swing, remark=describe(row)))

    out_dir = user_path(given.out_dir) if given.out_dir else make_next_folder(SAMPLES, name)
    if given.gallery:
        check_gallery(out_dir)
    try:
        write_samples(job, out_dir, overwrite=given.overwrite, show=show)
    except KeyboardInterrupt:
        again = f"--out_dir {shlex.quote(str(out_dir))}"
        logging.getLogger("drumjax").info("the same command goes on from here with %s", again)
        raise
    if given.gallery:
        print(write_gallery(out_dir, kit, name, out_map, plan))
    return 0


def main() -> int:
    line = make_command_line()
    line.parse(sys.argv)
    from drumjax.system.console import run_or_explain, set_up_logging

    set_up_logging()
    if (given := line.values).distributed:
        from drumjax.system.cluster import Timeouts, run_in_cluster

        timeouts = Timeouts(given.heartbeat_timeout, given.initialization_timeout)
        return run_in_cluster(lambda: play(given), timeouts=timeouts, require_accelerator=given.require_accelerator)
    return run_or_explain(lambda: play(given))
