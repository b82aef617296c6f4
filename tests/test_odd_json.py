"""Whatever somebody has written into a file of JSON, reading it ends with a line, or without it."""

import contextlib
import json
from pathlib import Path

import pytest

from drumjax.compare import compare, read_record
from drumjax.jobs.gallery import write_gallery
from drumjax.jobs.manifest import MANIFEST, Manifest, remove_job
from drumjax.midi.writer import encode_song
from drumjax.music.drum_maps import read_map
from drumjax.music.kits import NINE_DRUMS
from drumjax.music.notes import Song, make_notes
from drumjax.runs.metrics import MetricsLog, read_metrics
from drumjax.runs.workdir import check_same_run, describe_fallback, read_config
from drumjax.studies import ablation
from drumjax.system.errors import UserError
from drumjax.training.overfitting import describe_fit

SONG = Song(make_notes([0], [1], [36], [90]), is_drums=True)
DEEP = "[" * 100_000
NOT_JSON = [DEEP, DEEP + "]" * 100_000, '{"a":' * 5000, "9" * 5000, "", "{", "\0", "NaN", "null", "3", "[]", '"x"']
# For a value that should be a whole number, a text, or an object.
ODD_VALUES = ["Infinity", "-Infinity", "NaN", "1e999", "1e400", "9" * 400, "-1", "1.5", "true", "null", '"x"', "[1]",
              '{"a": 1}', "[" * 500 + "]" * 500]  # fmt: skip


def read_manifest(folder: Path, text: str) -> None:
    refused = []
    for read in (
        lambda: write_gallery(folder, None, ""),
        lambda: remove_job(folder),
        lambda: Manifest(folder, "x"),
    ):
        (folder / MANIFEST).write_text(text + "\n")
        (folder / "000000.mid").write_bytes(encode_song(SONG))
        try:
            read()
        except UserError as error:
            refused.append(error)
    if len(refused) == 3:
        raise refused[0]


def read_drum_map(folder: Path, text: str) -> None:
    (folder / "own.json").write_text(text)
    read_map(str(folder / "own.json"), NINE_DRUMS)


def read_workdir(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    read_config(folder)
    describe_fallback(folder)
    compare([read_record(folder)] * 2)
    check_same_run(folder, json.loads(SETTINGS))
    raise UserError("it is as it should be")


def read_rows(folder: Path, text: str) -> None:
    good = '{"step": 1, "split": "validation", "loss": 2.5}\n'
    (folder / "metrics.jsonl").write_text(good + text + "\n" + good)
    rows = read_metrics(folder)
    assert rows[0] == rows[-1] == json.loads(good)
    (folder / "config.json").write_text('{"config": {}}')
    compare([read_record(folder)] * 2)
    describe_fit(rows)
    MetricsLog(folder, 10).__exit__()
    assert len(read_metrics(folder)) == len(rows)
    raise UserError("it is read, or left out with a warning")


def read_ablation(folder: Path, text: str) -> None:
    (folder / "ablation.json").write_text(text)
    ablation.make_table(ablation.read(folder))
    if text == "[]":
        raise UserError("nothing is trained yet")


SETTINGS = json.dumps({"data": {"dataset": "starter"}})
# What we write, with @ in the place of a value.
READERS = {
    read_manifest: [
        '{"file": "000000.mid", "index": @, "job": "y"}', '{"file": @, "index": 0, "job": "y"}',
        '{"file": "000000.mid", "index": 0, "job": @}', '{"file": "000000.mid", "index": 0, "job": "x", "context": @}',
    ],
    read_drum_map: ['{"read": {"36": @}}', '{"read": @}', '{"write": {"kick": @}}', '{"write": @}'],
    read_workdir: [
        '{"config": {"train": {"num_steps": @}}}', '{"config": {"data": {"dataset": @}}}', '{"config": {"train": @}}',
        '{"config": @}', '{"config": {}, "data": {"is_fallback": @}}', '{"config": {}, "data": @}',
    ],
    read_rows: [
        '{"step": @, "split": "train", "loss": 2.5}', '{"step": 2, "split": @, "loss": 2.5}',
        '{"step": 2, "split": "train", "loss": @}', '{"step": 2, "split": "validation", "loss": 1, "nll_each/x": @}',
    ],
    read_ablation: [
        '[{"data": "all styles", "case": @, "seed": 0}]',
        *('[{"data": "all styles", "case": "none", "seed": 0, "nll_each/hits": @, "nll_each/velocity": 2.5, '
          '"nll_each/offset": 3.5}]',),
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", NOT_JSON, ids=lambda text: text[:6] or "empty")
@pytest.mark.parametrize("read", READERS)
def test_what_is_not_what_we_write_is_a_line(tmp_path, read, text):
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: value[:8])
@pytest.mark.parametrize("read", READERS)
def test_odd_values_are_a_line_or_read(tmp_path, read, value):
    for text in READERS[read]:
        with contextlib.suppress(UserError):
            read(tmp_path, text.replace("@", value))
