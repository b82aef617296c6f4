import errno
import json
import logging
import math
import os
import struct
import sys

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from drumjax.runs.metrics import MetricsLog, read_metrics
from drumjax.runs.progress import GroupProgress, TextProgress


def write_steps(workdir, resumed_at, steps, loss=0.0):
    with MetricsLog(workdir, resumed_at) as log:
        for step in steps:
            log.write(step, "train", {"loss": loss + step})
            if step % 2 == 0:
                log.write(step, "validation", {"loss": loss, "nll/hits": 0.5})


def steps_of(rows):
    return [(row["step"], row["split"]) for row in rows]


def read_board(workdir):
    """{(tag, step): [values]} as TensorBoard shows it: a file that starts at step n hides what others have from n on.

    The format is that of TFRecord: length (8 bytes), its CRC (4), that many bytes, their CRC (4).
    """
    shown = {}
    for path in sorted((workdir / "tensorboard").iterdir(), key=lambda path: path.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event, data = Event.FromString(data[12 : 12 + length]), data[16 + length :]
            if event.session_log.status == SessionLog.START:
                shown = {key: values for key, values in shown.items() if key[1] < event.step}
            for value in event.summary.value:
                shown.setdefault((value.tag, event.step), []).append(value.simple_value)
    return shown


def test_one_row_per_step_and_split(tmp_path):
    write_steps(tmp_path, 0, [1, 2, 3])
    assert read_metrics(tmp_path) == [
        {"step": 1, "split": "train", "loss": 1.0},
        {"step": 2, "split": "train", "loss": 2.0},
        {"step": 2, "split": "validation", "loss": 0.0, "nll/hits": 0.5},
        {"step": 3, "split": "train", "loss": 3.0},
    ]
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == read_metrics(tmp_path)
    assert read_board(tmp_path)[("validation/nll/hits", 2)] == [0.5]


def test_a_row_is_on_disk_at_once(tmp_path):
    with MetricsLog(tmp_path, 0) as log:
        log.write(1, "train", {"loss": 1.0})
        assert steps_of(read_metrics(tmp_path)) == [(1, "train")]


@pytest.mark.parametrize("resumed_at", [0, 1, 2, 4])
def test_resuming_drops_what_will_be_written_again(tmp_path, resumed_at):
    write_steps(tmp_path, 0, [1, 2, 3, 4])
    write_steps(tmp_path, resumed_at, range(resumed_at + 1, 6), loss=100.0)
    rows = read_metrics(tmp_path)
    splits = [
        (1, "train"),
        (2, "train"),
        (2, "validation"),
        (3, "train"),
        (4, "train"),
        (4, "validation"),
        (5, "train"),
    ]
    assert steps_of(rows) == splits
    assert all((row["loss"] >= 100) == (row["step"] > resumed_at) for row in rows)
    board = read_board(tmp_path)
    assert board == {
        (f"{row['split']}/{name}", row["step"]): [row[name]]
        for row in rows
        for name in ("loss", "nll/hits")
        if name in row
    }


@pytest.mark.parametrize("end", ['{"step": 3, "spl', "\0\0\0\0", '{"step": "3"}\n', "[3]\n", "3\n", "\xff\n"])
def test_a_damaged_line_is_dropped_and_the_others_stay(tmp_path, end, caplog):
    write_steps(tmp_path, 0, [1, 2])
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(end.encode("latin-1"))  # what a power cut or a full disk leaves
    assert steps_of(read_metrics(tmp_path)) == [(1, "train"), (2, "train"), (2, "validation")]
    assert f"{tmp_path / 'metrics.jsonl'}: dropped a damaged line" in caplog.text
    write_steps(tmp_path, 2, [3])  # does not go on in the middle of that line
    caplog.clear()
    assert steps_of(read_metrics(tmp_path))[-1] == (3, "train")
    assert not caplog.records


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 3}', '{"step": 3, "split": 1, "loss": 1.0}', '{"step": 3, "split": "train"}',
        '{"step": 3, "split": "train", "loss": "low"}', '{"step": 3, "split": "train", "loss": [1.0]}',
        '{"step": 3, "split": "train", "loss": 1.0, "accuracy/hits": {}}', '{"step": -3, "split": "train", "loss": 1}',
        '{"step": 3, "split": "train", "loss": 1' + "0" * 400 + "}", "[" * 100_000, '{"a":' * 100_000,
    ],
)  # fmt: skip
def test_a_row_whose_figures_are_no_numbers_is_dropped(tmp_path, line):
    write_steps(tmp_path, 0, [1])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    assert [row["step"] for row in read_metrics(tmp_path)] == [1]


def test_a_figure_that_is_not_finite_stays(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 3, "split": "train", "loss": null, "nll/hits": NaN}\n')
    (row,) = read_metrics(tmp_path)
    assert (row["step"], row["split"]) == (3, "train")
    assert math.isnan(row["loss"])
    assert math.isnan(row["nll/hits"])


def test_reading_where_there_is_nothing(tmp_path):
    assert read_metrics(tmp_path) == []
    assert os.listdir(tmp_path) == []


def test_only_one_process_of_a_run_writes(tmp_path):
    with MetricsLog(tmp_path, 0, enabled=False) as log:
        log.write(1, "train", {"loss": 1.0})
    assert os.listdir(tmp_path) == []


def test_a_row_that_cannot_be_written_names_the_file(tmp_path, monkeypatch):
    def fail(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with MetricsLog(tmp_path, 0) as log:
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left") as caught:
            log.write(1, "train", {"loss": 1.0})
    assert caught.value.filename == str(tmp_path / "metrics.jsonl")


class Terminal:
    """A standard error that says it is a terminal."""

    def __init__(self, is_terminal):
        self.isatty, self.text = lambda: is_terminal, ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def show_progress(monkeypatch, caplog, *, is_terminal, enabled=True):
    terminal = Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    with caplog.at_level(logging.INFO), TextProgress(10, 100, enabled) as progress:
        progress.advance(60, 1.25)
        progress.report(60, 1.25, 0.5)
        progress.say("half way")
    return terminal.text, [record.getMessage() for record in caplog.records]


def test_a_line_where_there_is_no_terminal(monkeypatch, caplog):
    text, lines = show_progress(monkeypatch, caplog, is_terminal=False)
    assert lines == ["step 60/100  loss 1.250  0.50 steps/s  1:20 left", "half way"]
    assert text == ""


def test_a_bar_on_a_terminal(monkeypatch, caplog):
    text, lines = show_progress(monkeypatch, caplog, is_terminal=True)
    assert lines == ["half way"]
    assert "60/100" in text
    assert "loss 1.250" in text


@pytest.mark.parametrize("is_terminal", [False, True])
def test_the_other_processes_of_a_run_are_silent(monkeypatch, caplog, is_terminal):
    assert show_progress(monkeypatch, caplog, is_terminal=is_terminal, enabled=False) == ("", [])


def test_runs_that_are_trained_together_have_one_line(caplog):
    group = GroupProgress()
    with caplog.at_level(logging.INFO):
        for name, loss in (("a", 2.0), ("b", 1.0)):
            with group.member(name, 100) as progress:
                progress.advance(40, loss)
                progress.report(40, loss, 2.0)
        group.tell()
        group.tell()  # nothing new
        progress.say("step 40  validation loss 1.5")
    assert [record.getMessage() for record in caplog.records] == [
        "step 40/100  loss 1.000 to 2.000 of 2 runs  2.00 steps/s of each  0:30 left",
        "b: step 40  validation loss 1.5",
    ]
