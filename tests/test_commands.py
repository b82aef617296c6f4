"""run_train.py and run_sample.py as a user starts them: processes that are killed, signalled, or asked for nonsense."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time

import numpy as np
import pytest
from tiny import make_weights
from tiny_run import ROOT, Programs, digest_of_state, make_config, make_flags, read_rows, tree_of, write_songs

from drumjax.codecs.factory import make_codec
from drumjax.config.settings import make_settings
from drumjax.midi.reader import read_midi, write_midi
from drumjax.music.notes import Song, make_notes
from drumjax.runs.checkpoint import Checkpoints
from drumjax.runs.run import make_metadata, make_model
from drumjax.system.lock import lock_workdir

NUM_STEPS = 60
CHANGES = {
    "train.num_steps": NUM_STEPS,
    "train.log_every_steps": 4,  # not a divisor of the next one: rows reach over checkpoints
    "train.eval_every_steps": 10,
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return Programs(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("data") / "songs")


@pytest.fixture(scope="module")
def finished(programs, songs):
    """The workdir of an undisturbed run, and what the program said."""
    workdir = programs.folder / "finished"
    status, output = programs.run("run_train.py", *make_flags(songs, CHANGES), f"--workdir={workdir}")
    assert status == 0, output
    return workdir, output


def best_step(workdir):
    rows = [row for row in read_rows(workdir) if row["split"] == "validation"]
    return min(rows, key=lambda row: row["loss"])["step"]


# ---- a run that nobody disturbs


def test_says_how_it_goes(finished):
    workdir, output = finished
    assert re.search(r"^training on \d+ songs \(\d+ minutes\), judged by \d+$", output, re.M)
    steps = re.findall(r"^step (\d+)/60  loss \d\.\d+  [\d.]+ steps/s  \d+:\d\d left$", output, re.M)
    assert [int(step) for step in steps] == list(range(4, 61, 4))
    assert re.search(rf"^best validation loss \d\.\d{{4}} at step {best_step(workdir)}$", output, re.M)
    assert f"play it: python run_sample.py --workdir {workdir} --num_samples 16 --out_dir samples" in output
    assert "BD|" in output


def test_samples_of_the_best_and_the_run_stays_as_it_is(finished, programs):
    workdir, _ = finished
    before = tree_of(workdir)
    out_dir = programs.folder / "samples"
    flags = [f"--workdir={workdir}", "--num_samples=3", f"--out_dir={out_dir}", "--bars=2", "--bpm=90"]
    status, output = programs.run("run_sample.py", *flags)
    assert status == 0, output
    assert tree_of(workdir) == before
    rows = [json.loads(line) for line in (out_dir / "manifest.jsonl").read_text().splitlines()]
    assert [(row["file"], row["step"]) for row in rows] == [(f"{i:06d}.mid", best_step(workdir)) for i in range(3)]
    songs = [read_midi(out_dir / row["file"]) for row in rows]
    assert all(song.tempo_bpm == pytest.approx(90) and song.num_bars <= 2 for song in songs)
    assert any(len(song.notes.pitch) for song in songs)


def test_humanizing_stays_near_what_is_usual(programs, songs, tmp_path):
    """Of a run that was never trained: to make one that knows velocities takes 15 seconds."""
    humanize = {"guidance": 1.0, "spread": 0.4}
    changes = {"train.history_dropout": {"offset": 0.25}, "sample.humanize": humanize, "sample.guidance": 2.0}
    config = make_config(songs, changes | {"codec.expressive": True})
    settings = make_settings(config)
    weights = make_weights(make_model(settings, make_codec(settings.codec), num_styles=1))
    metadata = make_metadata(config, ("",), None, {"time_signatures": ["4/4"]})
    with Checkpoints(tmp_path / "run" / "checkpoints") as checkpoints:
        checkpoints.save(1, params={"params": weights.params}, state={"step": 1}, metadata=metadata, metric=1.0)
    flags = [f"--workdir={tmp_path / 'run'}", f"--out_dir={tmp_path / 'out'}", f"--humanize={songs / '0.mid'}"]
    status, output = programs.run("run_sample.py", *flags, "--num_samples=1")
    assert status == 0, output
    row = json.loads((tmp_path / "out" / "manifest.jsonl").read_text())
    assert (row["edit"], row["spread"], row["guidance"]) == ("humanize", 0.4, 1)


# ---- a run that is killed


def test_killed_and_stopped_at_random_it_ends_the_same(programs, songs, finished):
    """The same command again and again: each array and each row is that of the undisturbed run."""
    generator = random.Random(1)
    workdir = programs.folder / "killed"
    flags = [*make_flags(songs, CHANGES), f"--workdir={workdir}"]
    ends = []
    for ending in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        with programs.start("run_train.py", *flags) as process:
            waits = generator.randrange(1, 4)
            for line in process.stdout:
                waits -= line.startswith("step ")
                if not waits:
                    break
            time.sleep(generator.uniform(0, 0.2))
            process.send_signal(ending)
            output = process.communicate()[0]
        ends.append((process.returncode, ending))
        if (process.returncode, ending) == (0, signal.SIGTERM) and "stopped by" in output:
            assert "SIGTERM: saving a checkpoint, then stopping (once more stops at once)" in output
            assert "the same command goes on from here" in output
            step = int(re.search(r"step (\d+), stopped by SIGTERM", output)[1])
            assert digest_of_state(workdir)[0] == step
    assert all(status in (-ending, 0) for status, ending in ends)
    assert sum(status == -signal.SIGKILL for status, _ in ends) >= 2, f"the run ended before the kills: {ends}"
    status, output = programs.run("run_train.py", *flags)
    assert status == 0, output
    assert digest_of_state(workdir) == digest_of_state(finished[0])
    assert digest_of_state(workdir)[0] == NUM_STEPS
    assert read_rows(workdir) == read_rows(finished[0])


def test_a_second_signal_ends_it_at_once(programs, songs, tmp_path):
    flags = [*make_flags(songs, CHANGES | {"train.num_steps": 10**6, "train.eval_every_steps": 10**6})]
    with programs.start("run_train.py", *flags, f"--workdir={tmp_path}") as process:
        for line in process.stdout:
            if line.startswith("step "):
                break
        process.send_signal(signal.SIGINT)
        while "once more stops at once" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    # The first may have been answered before the second came.
    assert process.returncode in (128 + signal.SIGTERM, -signal.SIGTERM, 0)
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        assert bool(checkpoints.steps()) == (process.returncode == 0)


# ---- samples that are interrupted


def make_sample_flags(finished, out_dir, num_samples):
    return [f"--workdir={finished[0]}", f"--num_samples={num_samples}", f"--out_dir={out_dir}", "--bars=2", "--notab"]


def test_sampling_that_was_killed_and_interrupted_goes_on(programs, finished, tmp_path):
    many = 100_000  # not done before it is stopped, however busy the machine
    flags = make_sample_flags(finished, tmp_path, many)
    for ending in (signal.SIGKILL, signal.SIGINT):
        before = len(list(tmp_path.glob("*.mid")))
        with programs.start("run_sample.py", *flags) as process:
            while len(list(tmp_path.glob("*.mid"))) < before + 150:
                assert process.poll() is None
                time.sleep(0.001)
            process.send_signal(ending)
            output = process.communicate(timeout=60)[0]
        assert process.returncode == (-signal.SIGKILL if ending == signal.SIGKILL else 130), output
        assert "Traceback" not in output
        lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
        for line in lines[:-1]:  # the last may be cut off
            data = (tmp_path / json.loads(line)["file"]).read_bytes()
            assert (data[:4], data[-3:]) == (b"MThd", b"\xff\x2f\x00")
    assert len(lines) == len(list(tmp_path.glob("*.mid"))) < many  # Ctrl-C accounts for all that it leaves
    status, output = programs.run("run_sample.py", *make_sample_flags(finished, tmp_path, len(lines) + 1))
    assert status == 0, output
    assert f"{len(lines) + 1} pieces in {tmp_path}, 1 of them new" in output
    rows = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    names = [f"{i:06d}.mid" for i in range(len(lines) + 1)]
    assert [row["file"] for row in rows] == names
    assert sorted(os.listdir(tmp_path)) == [*names, "manifest.jsonl"]


def test_sampling_onto_a_full_disk(programs, finished, tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        result = programs.run("run_sample.py", *make_sample_flags(finished, tmp_path, 100))
        left = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)
    explains(result, f"No space left on device: '{tmp_path}/")
    assert all(left[name] for name in left if name.endswith(".mid"))
    assert not [name for name in left if name.endswith(".tmp")]


# ---- several processes


def assert_same_losses(workdir, other, num_steps):
    """Of training, up to rounding: sums over the batch have another order."""
    rows, expected = (
        [row for row in read_rows(folder) if row["split"] == "train" and row["step"] <= num_steps]
        for folder in (workdir, other)
    )
    assert [row["step"] for row in rows] == [row["step"] for row in expected] == list(range(4, num_steps + 1, 4))
    np.testing.assert_allclose([row["loss"] for row in rows], [row["loss"] for row in expected], rtol=1e-4)


def test_two_processes_train_together_and_one_goes_on(programs, songs, finished):
    """A signal to either stops both at the same step, and what they leave is a run like any other."""
    workdir = programs.folder / "together"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = [*make_flags(songs, CHANGES | {"train.num_steps": 48, "train.eval_every_steps": 48}), "--distributed"]
    cluster = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    processes = [
        programs.start("run_train.py", *flags, f"--workdir={workdir}", **cluster, JAX_PROCESS_ID=str(number))
        for number in range(2)
    ]
    try:
        line = next(line for line in processes[0].stdout if line.startswith("step "))
        processes[1].send_signal(signal.SIGTERM)
        outputs = [process.communicate(timeout=200)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    assert line.startswith("step 4/48  loss ")
    stops = [re.search(rf"^{workdir}: step (\d+)(, stopped by SIGTERM)?$", output, re.M) for output in outputs]
    assert stops[0][0] == stops[1][0]
    stop = int(stops[0][1])
    assert_same_losses(workdir, finished[0], stop)
    assert len(list((workdir / "tensorboard").iterdir())) == 1
    assert "steps/s" not in outputs[1]  # only one of them tells

    status, output = programs.run("run_train.py", *make_flags(songs, CHANGES), f"--workdir={workdir}")
    assert status == 0, output
    assert f"resuming {workdir} at step {stop}" in output
    assert_same_losses(workdir, finished[0], NUM_STEPS)


# ---- what users get wrong


def explains(result, *patterns):
    """One line begins with error:, or is absl's; it says what matters; no traceback."""
    status, output = result
    lines = [line for line in output.splitlines() if line.startswith(("error:", "FATAL Flags parsing error:"))]
    assert status == 1, output
    assert len(lines) == 1, output
    assert "Traceback" not in output
    text = output if lines[0].startswith("FATAL") else lines[0]
    for pattern in patterns:
        assert re.search(pattern, text), (pattern, text)


def test_flags_that_are_wrong(programs, songs, tmp_path):
    (tmp_path / "broken.py").write_text("def get_config(:\n")
    (tmp_path / "empty.py").write_text("")
    config = f"--config={ROOT / 'configs/tiny.py'}"
    cases = {
        ("run_train.py", config, "--config.modle.x=1"): ("modle", 'Did you mean "model"'),
        ("run_train.py", config, "--config.model.hiden_size=1"): ("hiden_size", 'Did you mean "hidden_size"'),
        ("run_train.py", config, "--config.train.num_steps=abc"): ("num_steps=abc", "invalid literal"),
        ("run_train.py", config, "--config.train=3"): ("config.train=3", "not a dict"),
        ("run_train.py", "--config=missing.py"): ("missing.py", "No such file"),
        ("run_train.py", f"--config={tmp_path / 'broken.py'}"): ("SyntaxError", "broken.py"),
        ("run_train.py", f"--config={tmp_path / 'empty.py'}"): ("get_config",),
        ("run_train.py", config, "--nonsense=1"): ("Unknown command line flag 'nonsense'",),
        ("run_train.py", config, "--num_devices=-1"): ("num_devices=-1",),
        ("run_train.py", config, "surplus"): ("unexpected argument 'surplus'",),
        ("run_sample.py",): ("--workdir",),
        ("run_sample.py", "--workdir=x", "--bars=many"): ("bars=many",),
        ("run_sample.py", "--workdir=x", "--checkpoint=newest"): ("newest", "best|latest"),
        ("run_sample.py", "--workdir=x", "surplus"): ("unexpected argument 'surplus'",),
    }
    for case, patterns in cases.items():
        explains(programs.run(*case), *patterns)


def test_runs_that_cannot_be_trained(programs, songs, finished, tmp_path):
    (tmp_path / "file").write_text("")

    def command(changes, workdir=tmp_path / "run"):
        return ["run_train.py", *make_flags(songs, CHANGES | changes), f"--workdir={workdir}"]

    cases = [
        (command({"train.window_beats": 40}), "window_beats is 40, but the longest training song has 16 beats"),
        (command({"sample.temperature.hits": 11.0}), "temperature"),
        (command({"model.hidden_size": 16}, finished[0]), "model.hidden_size: saved 8, wanted 16"),
        (command({}, tmp_path / "file" / "run"), "cannot make .*file/run: Not a directory"),
        (command({}, "/proc/run"), "cannot make /proc/run"),
        ([*command({}), "--num_devices=64"], "num_devices is 64; there are \\d+"),
        ([*command({}), "--distributed"], "cannot join the cluster: .*JAX_COORDINATOR_ADDRESS"),
    ]
    for (_, pattern), result in zip(cases, programs.run_all([case for case, _ in cases]), strict=True):
        explains(result, pattern)
    assert not (tmp_path / "run" / "checkpoints").exists() or not os.listdir(tmp_path / "run" / "checkpoints")


def test_samples_that_cannot_be_played(programs, songs, finished, tmp_path):
    workdir = finished[0]
    (tmp_path / "file").write_text("")
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    half = tmp_path / "half" / "checkpoints"
    (half / "10.orbax-checkpoint-tmp").mkdir(parents=True)  # killed in its first save
    (half / "10").mkdir()
    damaged = shutil.copytree(workdir, tmp_path / "damaged")
    for path in (damaged / "checkpoints").glob("*/metadata/metadata"):
        path.write_bytes(path.read_bytes()[:100])

    prompt = next(songs.glob("0.mid"))
    piano, bongos = tmp_path / "piano.mid", tmp_path / "bongos.mid"
    for path, is_drums in ((piano, False), (bongos, True)):
        write_midi(Song(make_notes([0], [1], [60], [64]), is_drums=is_drums), path)

    def command(*flags, workdir=workdir):
        return ["run_sample.py", f"--workdir={workdir}", f"--out_dir={tmp_path / 'out'}", "--num_samples=1", *flags]

    cases = [
        (command(workdir=tmp_path / "missing"), "missing is not a directory; train first"),
        (command(workdir=tmp_path / "empty"), "no checkpoint in .*train first"),
        (command(workdir=tmp_path / "half"), "checkpoint in .*half"),
        (command(workdir=damaged), "no good checkpoint in .*damaged"),
        (command("--temperature=11"), "temperature"),
        (command("--style=polka"), "does not know the style 'polka'; it knows: none"),
        (command("--time_signature=7/8"), "not trained on 7/8; it knows: 4/4"),
        (command(f"--prompt={tmp_path / 'none.mid'}"), r"none\.mid: No such file"),
        (command(f"--prompt={piano}"), r"piano\.mid"),
        (command(f"--prompt={bongos}"), r"bongos\.mid has no hit on a drum of roland_td11"),
        (command(f"--humanize={prompt}"), "knows no velocity and timing"),
        (command("--spread=0.5"), "no velocity and timing, which spread is about"),
        (command("--infill=9-10", f"--to={prompt}"), "bars 9-10 are not in a song of 4 bars"),
        (command(f"--vary={prompt}", "--kit=gm"), "no drum map 'gm'"),
        (command("--out_kit=none.json"), r"none\.json: No such file"),
        (command(f"--out_dir={tmp_path / 'file'}"), "file"),
    ]
    for (_, pattern), result in zip(cases, programs.run_all([case for case, _ in cases]), strict=True):
        explains(result, pattern)
    assert not list(tmp_path.glob("out/*.mid"))


def test_a_workdir_in_use_is_refused_by_name(programs, songs, finished):
    with lock_workdir(finished[0]):
        result = programs.run("run_train.py", *make_flags(songs, CHANGES), f"--workdir={finished[0]}")
    explains(result, f"{finished[0]} is in use by pid {os.getpid()} on {socket.gethostname()}")


@pytest.mark.parametrize(("kilobytes", "file"), [(4, "config.json"), (90, "checkpoints/10")])
def test_a_full_disk(programs, songs, finished, tmp_path, kilobytes, file):
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", tmp_path]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        status, output = programs.run("run_train.py", *make_flags(songs, CHANGES), f"--workdir={tmp_path / 'run'}")
        left = list((tmp_path / "run").rglob("*"))
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)
    (line,) = [line for line in output.splitlines() if line.startswith("error:")]
    assert status == 1
    assert str(tmp_path / "run" / file) in line
    # Where Orbax writes, TensorStore's threads print tracebacks of their own.
    assert file.startswith("checkpoints") or "Traceback" not in output
    assert not [path for path in left if "tmp" in path.name]  # what is half written takes up no space
