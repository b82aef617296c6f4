"""run_train.py and run_sample.py as a user starts them: processes that end well, are killed, signalled, or refuse."""

import json
import os
import random
import re
import shutil
import signal
import socket
import time

import numpy as np
import pytest
from tiny_run import (
    digest_of_state,
    make_config,
    make_flags,
    read_rows,
    save_untrained,
    tree_of,
)

from drumjax.midi.reader import read_midi, write_midi
from drumjax.music.notes import Song, make_notes
from drumjax.runs.run import load_run
from drumjax.sampling.plan import EditRequest, make_plan
from drumjax.system.errors import UserError
from drumjax.system.lock import lock_folder
from drumjax.training.train import train

NUM_STEPS = 40
CHANGES = {
    "train.num_steps": NUM_STEPS,
    "train.log_every_steps": 4,  # not a divisor of the next one: rows reach over checkpoints
    "train.eval_every_steps": 10,
}
# Before each message of a program that does not speak to a terminal.
WHEN = r"^\d\d:\d\d:\d\d \+\d+:\d\d:\d\d  "


# As many devices as the tests have, of which one is used: what they compiled is found.
DEVICES = {"XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}


def train_flags(songs, workdir, changes=None):
    return ["run_train.py", *make_flags(songs, CHANGES | (changes or {})), "--num_devices=1", f"--workdir={workdir}"]


@pytest.fixture(scope="module")
def finished(programs, songs):
    """The workdir of an undisturbed run, and what the program said."""
    workdir = programs.folder / "finished"
    status, output = programs.run(*train_flags(songs, workdir), **DEVICES)
    assert status == 0, output
    return workdir, output


def best_step(workdir):
    rows = [row for row in read_rows(workdir) if row["split"] == "validation"]
    return min(rows, key=lambda row: row["loss"])["step"]


# ---- a run that nobody disturbs


@pytest.mark.slow
def test_says_how_it_goes(finished):
    workdir, output = finished
    assert re.search(WHEN + r"training on \d+ songs \(\d+ minutes\), judged by \d+$", output, re.M)
    steps = re.findall(WHEN + rf"step (\d+)/{NUM_STEPS}  loss \d\.\d+  [\d.]+ steps/s  \d+:\d\d left$", output, re.M)
    assert [int(step) for step in steps] == list(range(4, NUM_STEPS + 1, 4))
    assert re.search(WHEN + rf"best validation loss \d\.\d{{4}} at step {best_step(workdir)}$", output, re.M)
    assert f"play it: python run_sample.py --workdir {workdir} --gallery" in output
    assert "BD|" in output


@pytest.mark.slow
def test_samples_of_the_best_and_the_run_stays_as_it_is(finished, programs):
    workdir, _ = finished
    before = tree_of(workdir)
    flags = [f"--workdir={workdir}", "--num_samples=3", "--bars=2", "--bpm=90"]
    status, output = programs.run("run_sample.py", *flags)
    assert status == 0, output
    out_dir = programs.folder / "samples" / "finished-001"  # none was asked for
    assert "title: finished · 0\n" in output
    assert "BD|" in output
    assert tree_of(workdir) == before
    rows = [json.loads(line) for line in (out_dir / "manifest.jsonl").read_text().splitlines()]
    assert [(row["file"], row["step"]) for row in rows] == [(f"{i:06d}.mid", best_step(workdir)) for i in range(3)]
    songs = [read_midi(out_dir / row["file"]) for row in rows]
    assert all(song.tempo_bpm == pytest.approx(90) and song.num_bars <= 2 for song in songs)
    assert any(len(song.notes.pitch) for song in songs)


# ---- a run that is stopped; tests/attack kills it


@pytest.mark.long
@pytest.mark.slow
def test_stopped_at_random_it_ends_the_same(programs, songs, finished):
    """The same command again: each array and each row is that of the undisturbed run."""
    workdir = programs.folder / "stopped"
    command = train_flags(songs, workdir)
    with programs.start(*command, **DEVICES) as process:
        next(line for line in process.stdout if re.search(WHEN + "step ", line))
        time.sleep(random.uniform(0, 0.2))
        process.send_signal(signal.SIGTERM)
        output = process.communicate()[0]
    assert process.returncode == 75, output
    assert "SIGTERM: saving a checkpoint, then stopping (once more stops at once)" in output
    assert "the same command goes on from here" in output
    assert digest_of_state(workdir)[0] == int(re.search(r"step (\d+), stopped by SIGTERM", output)[1])
    status, output = programs.run(*command, **DEVICES)
    assert status == 0, output
    assert digest_of_state(workdir) == digest_of_state(finished[0])
    assert digest_of_state(workdir)[0] == NUM_STEPS
    assert read_rows(workdir) == read_rows(finished[0])


# ---- samples that are interrupted


@pytest.mark.long
@pytest.mark.slow
def test_sampling_that_was_killed_and_interrupted_goes_on(programs, finished, tmp_path):
    many = 100_000  # not done before it is stopped, however busy the machine
    flags = [f"--workdir={finished[0]}", f"--num_samples={many}", f"--out_dir={tmp_path}", "--bars=2", "--notab"]
    for ending in (signal.SIGKILL, signal.SIGINT):
        before = len(list(tmp_path.glob("*.mid")))
        with programs.start("run_sample.py", *flags) as process:
            while len(list(tmp_path.glob("*.mid"))) < before + 150:
                assert process.poll() is None
                time.sleep(0.001)
            process.send_signal(ending)
            output = process.communicate(timeout=60)[0]
        assert process.returncode == (-signal.SIGKILL if ending == signal.SIGKILL else 75), output
        assert "Traceback" not in output
        lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
        for line in lines[:-1]:  # the last may be cut off
            data = (tmp_path / json.loads(line)["file"]).read_bytes()
            assert (data[:4], data[-3:]) == (b"MThd", b"\xff\x2f\x00")
    assert f"--out_dir {tmp_path}" in output  # how to go on
    # Ctrl-C accounts for all that it leaves, and nothing of what the kill left is lost or there twice.
    names = [f"{i:06d}.mid" for i in range(len(lines))]
    assert [json.loads(line)["file"] for line in lines] == names
    assert sorted(os.listdir(tmp_path)) == [*names, "manifest.jsonl"]
    assert len(names) < many


# ---- several processes


def assert_same_losses(workdir, other, num_steps):
    """Of training, up to rounding: sums over the batch have another order."""
    rows, expected = (
        [row for row in read_rows(folder) if row["split"] == "train" and row["step"] <= num_steps]
        for folder in (workdir, other)
    )
    assert [row["step"] for row in rows] == [row["step"] for row in expected] == list(range(4, num_steps + 1, 4))
    np.testing.assert_allclose([row["loss"] for row in rows], [row["loss"] for row in expected], rtol=1e-4)


@pytest.mark.long
@pytest.mark.slow
def test_two_processes_train_together_and_one_goes_on(programs, songs, finished, caplog):
    """A signal to either stops both at the same step, and what they leave is a run like any other."""
    workdir = programs.folder / "together"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    changes = CHANGES | {"train.eval_every_steps": NUM_STEPS}
    flags = [*make_flags(songs, changes), "--distributed", f"--workdir={workdir}"]
    cluster = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    processes = [programs.start("run_train.py", *flags, **cluster, JAX_PROCESS_ID=str(number)) for number in range(2)]
    try:
        line = next(line for line in processes[0].stdout if re.search(WHEN + "step ", line))
        processes[1].send_signal(signal.SIGTERM)
        outputs = [process.communicate(timeout=200)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [75, 75], "\n".join(outputs)
    assert re.search(WHEN + f"step 4/{NUM_STEPS}  loss ", line)
    stop = int(re.search(rf"{workdir}: step (\d+), stopped by SIGTERM$", outputs[0], re.M)[1])
    assert_same_losses(workdir, finished[0], stop)
    assert len(list((workdir / "tensorboard").iterdir())) == 1
    assert not re.search("steps/s|stopped by|play it", outputs[1])  # only one of them tells

    with caplog.at_level("INFO"):
        assert train(make_config(songs, changes), workdir, num_devices=1).step == NUM_STEPS
    assert f"resuming {workdir} at step {stop}" in caplog.text
    assert_same_losses(workdir, finished[0], NUM_STEPS)


# ---- what users get wrong


@pytest.fixture(scope="module")
def untrained(songs, tmp_path_factory):
    """A run of random weights, whose model plays hits alone."""
    return save_untrained(tmp_path_factory.mktemp("untrained") / "run", make_config(songs))


def test_runs_that_cannot_be_loaded(untrained, tmp_path):
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    half = tmp_path / "half" / "checkpoints"
    (half / "10.orbax-checkpoint-tmp").mkdir(parents=True)  # killed in its first save
    (half / "10").mkdir()
    damaged = shutil.copytree(untrained, tmp_path / "damaged")
    for path in (damaged / "checkpoints").glob("*/metadata/metadata"):
        path.write_bytes(path.read_bytes()[:100])
    cases = {"missing": "there is no run or model", "empty": "train first", "half": "no good checkpoint",
             "damaged": "no good checkpoint"}  # fmt: skip
    for name, words in cases.items():
        with pytest.raises(UserError, match=words) as caught:
            load_run(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_cannot_be_played(untrained, songs, tmp_path):
    run, prompt = load_run(untrained), songs / "0.mid"
    piano, bongos = tmp_path / "piano.mid", tmp_path / "bongos.mid"
    for path, is_drums in ((piano, False), (bongos, True)):
        write_midi(Song(make_notes([0], [1], [60], [64]), is_drums=is_drums), path)
    cases = [
        ({}, {"temperature": "11"}, "temperature"),
        ({}, {"style": "polka"}, "'polka'; it knows: none"),
        ({}, {"time_signature": "7/8"}, "not trained on 7/8; it knows: 4/4"),
        ({"prompt": tmp_path / "none.mid"}, {}, r"none\.mid"),
        ({"prompt": piano}, {}, r"piano\.mid"),
        ({"prompt": bongos}, {}, r"bongos\.mid has no hit on a drum of roland_td11"),
        ({"humanize": prompt}, {}, "velocity and timing"),
        ({}, {"spread": 0.5}, "velocity and timing.* spread"),
        ({"infill": "9-10", "to": prompt}, {}, "9-10 .* 4 bars"),
        ({"vary": prompt, "kit": "gm"}, {}, "'gm'"),
    ]
    for request, controls, pattern in cases:
        with pytest.raises((UserError, OSError), match=pattern) as caught:
            make_plan(run, EditRequest(**request), **controls)
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_device_that_is_not_there_is_one_line(programs, songs, untrained, tmp_path):
    train_it = train_flags(songs, tmp_path / "run")
    sample = ["run_sample.py", f"--workdir={untrained}", f"--out_dir={tmp_path / 'out'}", "--notab"]
    status, output = programs.run(*train_it, JAX_PLATFORMS="cuda")
    assert (status, output.count("\n")) == (1, 1), output
    assert output.startswith("error: JAX finds no device for JAX_PLATFORMS=cuda")
    status, output = programs.run(*sample, "--require_accelerator")
    assert (status, output.count("\n")) == (1, 1), output
    assert output.startswith("error: --require_accelerator: JAX finds no GPU or TPU, only the CPU")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_mistake_is_one_line_and_no_traceback(programs, songs, finished, small_disk, tmp_path):
    """What each mistake says is tested where it is found out; here, that it arrives. Of a full disk too, and of a
    workdir that another process uses."""
    workdir, (full, fuller) = finished[0], (small_disk(4), small_disk(64))
    busy, mine, page = (tmp_path / name for name in ("busy", "mine", "page"))
    mine.mkdir(), page.mkdir()
    for path in (tmp_path / "file", mine / "000001.mid", page / "index.html"):
        path.write_text("")
    sample = ["run_sample.py", f"--workdir={workdir}", f"--out_dir={tmp_path / 'out'}", "--notab"]
    cases = [
        (["run_train.py", "--config=tiny", "--config.modle.x=1"], "modle"),
        (["run_train.py"], "--config is missing"),
        (["run_sample.py", "--workdir=x", "--bars=many"], "bars=many"),
        (train_flags(songs, workdir, {"model.hidden_size": 16}), "model.hidden_size: saved 8, wanted 16"),
        (train_flags(songs, workdir), f"{workdir} is in use by pid {os.getpid()} on {socket.gethostname()}"),
        (train_flags(songs, full / "run"), f"No space left on device: '{full}/run/config.json"),
        ([*train_flags(songs, tmp_path / "run"), "--num_devices=64"], r"num_devices is 64; there are \d+"),
        ([*train_flags(songs, tmp_path / "run"), "--distributed"], "cluster: .*JAX_COORDINATOR_ADDRESS"),
        (["run_sample.py", f"--workdir={tmp_path / 'missing'}"], "there is no run or model .*missing; train one"),
        ([*sample, "--style=polka"], "'polka'; it knows: none"),
        ([*sample, f"--prompt={tmp_path / 'none.mid'}"], r"none\.mid: No such file"),
        ([*sample, "--out_kit=none.json"], r"none\.json: No such file"),
        ([*sample, f"--out_dir={tmp_path / 'file'}"], "file"),
        ([*sample, f"--out_dir={busy}"], f"{busy} is in use by pid {os.getpid()} on .* choose another --out_dir"),
        ([*sample, f"--out_dir={mine}"], "holds 000001.mid, which no manifest.jsonl names"),
        ([*sample, "--gallery", f"--out_dir={page}"], f"{page}/index.html is a file that drumjax did not write"),
        ([*sample, f"--out_dir={fuller}", "--num_samples=100", "--bars=2"], f"No space left on device: '{fuller}/"),
    ]
    with lock_folder(workdir, "--workdir"), lock_folder(busy, "--out_dir"):
        results = programs.run_all([case for case, _ in cases])
    for (case, pattern), (status, output) in zip(cases, results, strict=True):
        assert status == 1, (case, output)
        assert "Traceback" not in output
        (line,) = [line for line in output.splitlines() if line.startswith("error:")]
        assert re.search(pattern, line), (pattern, line)
    assert not list(tmp_path.glob("out/*.mid"))
    assert not (tmp_path / "run" / "checkpoints").exists() or not os.listdir(tmp_path / "run" / "checkpoints")
    left = {path.name: path.stat().st_size for path in [*full.rglob("*"), *fuller.iterdir()] if path.is_file()}
    assert not [name for name in left if "tmp" in name]
    assert all(left[name] for name in left if name.endswith(".mid"))
