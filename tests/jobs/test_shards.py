"""A job in shards: the same samples however it is cut, killed and joined, and an account of what is missing."""

import dataclasses
import json
import os
import random

import numpy as np
import pyarrow.parquet
import pytest
from pretend_sampler import CONTROLS
from song_files import fail_at

from drumjax.jobs import __main__ as program
from drumjax.jobs import parquet_store
from drumjax.jobs.inventory import join_job, take_inventory, write_ranges
from drumjax.jobs.job import Job, write_samples
from drumjax.jobs.shard import WHOLE, Shard, find_shard, parse_shard
from drumjax.midi.reader import read_midi
from drumjax.sampling.piece import RequestError
from drumjax.sampling.plan import Plan
from drumjax.system.lock import LockError, lock_folder

NUM = 46  # eleven blocks of four, and half a one


@pytest.fixture(scope="module")
def big(run) -> Job:
    return Job(Plan(run, CONTROLS, seed=3, block_size=4), NUM)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parquet_store, "PART_SIZE", 8)
    monkeypatch.setattr(parquet_store, "JOINED_SIZE", 24)
    monkeypatch.setattr("drumjax.jobs.sample_files.PER_FOLDER", 10)


def part(job: Job, index: int, count: int) -> Job:
    return dataclasses.replace(job, shard=Shard(index, count))


def tree(folder) -> dict[str, bytes]:
    """All files below a folder, but for locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(params=["midi", "parquet"])
def form(request) -> str:
    return request.param


def undisturbed(job: Job, folder) -> dict[str, bytes]:
    write_samples(job, folder)
    join_job(folder)
    return tree(folder)


# ---- Which samples a shard has


@pytest.mark.parametrize("num", [1, 4, 5, 46, 640])
@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_shards_are_whole_blocks_that_cover_the_job_once(num, count):
    spans = [Shard(i, count).span(num, 4) for i in range(count)]
    assert [i for span in spans for i in span] == list(range(num))
    assert all(span.start % 4 == 0 for span in spans if len(span))
    blocks = [-(-len(span) // 4) for span in spans]
    assert max(blocks) - min(blocks) <= 1


@pytest.mark.parametrize("text", ["", "3", "64/64", "-1/4", "1/0", "a/b", "1/2/3", "0x1/4", "1.0/4"])
def test_a_shard_that_cannot_be_is_one_line(text):
    with pytest.raises(RequestError, match="--shard is"):
        parse_shard(text)


def test_schedulers_say_which_shard_it_is():
    assert find_shard({}) is None
    slurm = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "6",
             "SLURM_ARRAY_TASK_COUNT": "7"}  # fmt: skip
    assert find_shard(slurm) == (Shard(3, 7), "SLURM_ARRAY_TASK_ID")
    from_one = slurm | {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "7"}
    assert find_shard(from_one) == (Shard(2, 7), "SLURM_ARRAY_TASK_ID")
    pod = {"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "7"}
    assert find_shard(pod) == (Shard(3, 7), "JOB_COMPLETION_INDEX")


@pytest.mark.parametrize(
    ("environment", "hint"),
    [
        ({"JOB_COMPLETION_INDEX": "3"}, "set JOB_COMPLETIONS"),
        ({"SLURM_ARRAY_TASK_ID": "3"}, "--shard 3/N"),
        ({"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "5",
          "SLURM_ARRAY_TASK_COUNT": "2"}, "--shard 5/N"),
        ({"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "8",
          "SLURM_ARRAY_TASK_COUNT": "5"}, "--shard 4/N"),
    ],
)  # fmt: skip
def test_where_it_is_not_said_how_many_there_are_nothing_is_guessed(environment, hint):
    with pytest.raises(RequestError, match=hint):
        find_shard(environment)


# ---- The same samples


@pytest.mark.parametrize("count", [2, 7, 13])
def test_joined_shards_are_the_whole_job(big, tmp_path, form, count):
    big = dataclasses.replace(big, format=form)
    for index in random.Random(count).sample(range(count), count):
        write_samples(part(big, index, count), tmp_path / "shards")
    assert take_inventory(tmp_path / "shards").missing.size == 0
    assert join_job(tmp_path / "shards") == NUM
    assert tree(tmp_path / "shards") == undisturbed(big, tmp_path / "whole")


def test_killed_and_cut_in_other_ways_it_ends_the_same(big, tmp_path, monkeypatch, form):
    big, folder, chance = dataclasses.replace(big, format=form), tmp_path / "shards", random.Random(1)
    for count in (7, 4, 3):
        for index in range(count):
            if chance.random() < 0.5:
                continue
            with monkeypatch.context() as patch:
                fail_at(patch, chance.randrange(8), KeyboardInterrupt()) if form == "midi" else None
                if form == "parquet":
                    interrupt_flush(patch, chance.randrange(3))
                try:
                    write_samples(part(big, index, count), folder)
                except KeyboardInterrupt:
                    continue
    found = take_inventory(folder)
    assert 0 < len(found.missing) < NUM
    join_job(folder)  # as far as it is
    assert np.array_equal(take_inventory(folder).missing, found.missing)
    for index in found.shards_to_start:
        write_samples(part(big, index, found.num_shards), folder)
    assert join_job(folder) == NUM
    assert tree(folder) == undisturbed(big, tmp_path / "whole")
    assert write_samples(big, folder) == 0


def interrupt_flush(patch, at: int) -> None:
    flush, calls = parquet_store.ParquetStore._flush, []

    def interrupted(self):
        calls.append(1)
        if len(calls) > at:
            raise KeyboardInterrupt
        flush(self)

    patch.setattr(parquet_store.ParquetStore, "_flush", interrupted)


def test_a_job_that_asks_for_more_goes_on(big, tmp_path, form):
    big = dataclasses.replace(big, format=form)
    for num in (20, NUM):
        for index in range(3):
            write_samples(part(dataclasses.replace(big, num_samples=num), index, 3), tmp_path / "shards")
    join_job(tmp_path / "shards")
    assert tree(tmp_path / "shards") == undisturbed(big, tmp_path / "whole")


def test_the_first_lie_in_the_folder_and_the_others_in_subfolders(big, tmp_path):
    write_samples(big, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.mid")) == [f"{i:06d}.mid" for i in range(10)]
    assert sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / "004").iterdir()) == [
        f"004/{i:06d}.mid" for i in range(40, NUM)
    ]
    write_samples(
        dataclasses.replace(big, plan=dataclasses.replace(big.plan, seed=4), num_samples=2), tmp_path, overwrite=True
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000.mid", "000001.mid", "manifest.jsonl"]


def test_names_are_no_other_piece_s(big, tmp_path):
    """Not of another seed either, in the file as in its row."""
    names = []
    for seed in (3, 4):
        job = dataclasses.replace(big, plan=dataclasses.replace(big.plan, seed=seed), num_samples=5)
        write_samples(job, tmp_path / str(seed))
        rows = [json.loads(line) for line in (tmp_path / str(seed) / "manifest.jsonl").read_text().splitlines()]
        names += [row["name"] for row in rows]
        assert read_midi(tmp_path / str(seed) / "000004.mid").name
        assert rows[4]["name"].encode() in (tmp_path / str(seed) / "000004.mid").read_bytes()
    assert len(set(names)) == 10


# ---- Parquet


def test_parts_are_read_by_those_who_read_parquet(big, tmp_path):
    import datasets
    import pandas

    write_samples(dataclasses.replace(big, format="parquet"), tmp_path / "parts")
    write_samples(big, tmp_path / "files")
    frame = pandas.read_parquet(tmp_path / "parts")
    assert frame["index"].tolist() == list(range(NUM))
    loaded = datasets.load_dataset(
        "parquet", data_dir=str(tmp_path / "parts"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded["index"] == frame["index"].tolist()
    manifest = [json.loads(line) for line in (tmp_path / "files" / "manifest.jsonl").read_text().splitlines()]
    for row, expected in zip(frame.to_dict("records"), manifest, strict=True):
        assert row["midi"] == (tmp_path / "files" / expected["file"]).read_bytes()
        assert json.loads(row["row"]) == {name: value for name, value in expected.items() if name != "file"}
        assert (row["style"], row["bpm"], row["bars"], row["seed"]) == ("rock", 101.0, 2, 3)
        assert row["nll_hits"] == expected["nll"]["hits"]


def test_parts_are_whole_blocks_with_the_same_columns(big, tmp_path):
    write_samples(dataclasses.replace(big, format="parquet"), tmp_path)
    files = [pyarrow.parquet.ParquetFile(path) for path in sorted(tmp_path.glob("*.parquet"))]
    assert [file.metadata.num_rows for file in files] == [8, 8, 8, 8, 8, 6]
    assert all(file.num_row_groups == 1 for file in files)
    assert all(file.schema_arrow == files[0].schema_arrow for file in files)


def test_parquet_of_another_job_is_not_replaced(big, tmp_path):
    big = dataclasses.replace(big, format="parquet", num_samples=5)
    other = dataclasses.replace(big, plan=dataclasses.replace(big.plan, seed=4))
    write_samples(big, tmp_path)
    before = tree(tmp_path)
    with pytest.raises(RequestError, match="another job"):
        write_samples(other, tmp_path)
    assert tree(tmp_path) == before
    assert write_samples(other, tmp_path, overwrite=True) == 5
    (tmp_path / "part-00000008.parquet").write_text("mine")
    with pytest.raises(RequestError, match=r"part-00000008.*damaged"):
        write_samples(other, tmp_path)
    assert (tmp_path / "part-00000008.parquet").read_text() == "mine"


def test_without_pyarrow_one_line_says_what_to_install(big, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(RequestError, match="pip install"):
        write_samples(dataclasses.replace(big, format="parquet"), tmp_path)


# ---- Several at work


def test_of_two_processes_on_a_shard_the_second_is_refused(big, tmp_path):
    with lock_folder(tmp_path, "", is_shared=True), lock_folder(tmp_path, "", name="lock-00001-of-00003"):
        with pytest.raises(LockError, match="in use by pid"):
            write_samples(part(big, 1, 3), tmp_path)
        with pytest.raises(LockError, match="in use by pid"):
            write_samples(big, tmp_path)
        with pytest.raises(LockError, match="in use by pid"):
            join_job(tmp_path)
        assert write_samples(part(big, 0, 3), tmp_path) == 16
        found = take_inventory(tmp_path)
        assert [number for number, _ in found.at_work] == [1]
        assert found.shards_to_start == (2,)
    assert write_samples(part(big, 1, 3), tmp_path) == 16
    assert not list(tmp_path.glob("lock*"))


def test_a_shard_of_another_job_is_refused(big, tmp_path, form):
    big = dataclasses.replace(big, format=form)
    write_samples(part(big, 0, 3), tmp_path)
    other = dataclasses.replace(big, plan=dataclasses.replace(big.plan, seed=4))
    with pytest.raises(RequestError, match="another job"):
        write_samples(part(other, 1, 3), tmp_path)
    with pytest.raises(RequestError, match="a shard replaces nothing"):
        write_samples(part(other, 1, 3), tmp_path, overwrite=True)


def test_files_of_the_users_own_are_left_to_the_shard_they_are_in_the_way_of(big, tmp_path):
    (tmp_path / "001").mkdir()
    (tmp_path / "001" / "000013.mid").write_text("mine")
    assert write_samples(part(big, 0, 4), tmp_path) == 12
    with pytest.raises(RequestError, match=r"holds 001/000013\.mid, which no"):
        write_samples(part(big, 1, 4), tmp_path)
    assert (tmp_path / "001" / "000013.mid").read_text() == "mine"


# ---- What is missing


def run(monkeypatch, capsys, *argv) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["jobs", *map(str, argv)])
    monkeypatch.setattr(program, "set_up_logging", lambda: None)
    status = program.main()
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_it_is_said_which_shards_to_start_again(big, tmp_path, monkeypatch, capsys, form):
    big = dataclasses.replace(big, format=form)
    for index in (0, 2, 3, 6):
        write_samples(part(big, index, 7), tmp_path)
    status, said = run(monkeypatch, capsys, tmp_path)
    assert status == 75
    assert "shards to start again: 1,4-5 of 7" in said
    for index in (1, 4, 5):
        write_samples(part(big, index, 7), tmp_path)
    status, said = run(monkeypatch, capsys, tmp_path, "--join")
    assert status == 0
    assert f"{NUM} of {NUM} samples are there: complete" in said
    status, said = run(monkeypatch, capsys, tmp_path)
    assert (status, "not said here: --num_samples" in said) == (0, True)
    status, said = run(monkeypatch, capsys, tmp_path, "--num_samples", NUM + 2)
    assert (status, f"missing: 2 ({NUM}-{NUM + 1})" in said) == (75, True)


def test_a_sample_that_was_lost_is_missed(big, tmp_path):
    for index in range(3):
        write_samples(part(big, index, 3), tmp_path)
    os.unlink(tmp_path / "002" / "000021.mid")
    assert take_inventory(tmp_path).missing.tolist() == [21]
    assert take_inventory(tmp_path).shards_to_start == (1,)
    assert write_samples(part(big, 1, 3), tmp_path) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"job": 3}', "not json"])
def test_another_file_of_its_name_is_one_line(tmp_path, big, text, monkeypatch, capsys):
    (tmp_path / "job.json").write_text(text)
    status, said = run(monkeypatch, capsys, tmp_path)
    assert (status, len(said.splitlines())) == (1, 1)
    with pytest.raises(RequestError, match=r"job\.json"):
        write_samples(part(big, 0, 3), tmp_path)
    assert (tmp_path / "job.json").read_text() == text


def test_a_folder_without_samples_is_one_line(tmp_path, monkeypatch, capsys):
    for folder in (tmp_path, tmp_path / "nowhere"):
        status, said = run(monkeypatch, capsys, folder)
        assert (status, len(said.splitlines())) == (1, 1)


def test_ranges():
    assert write_ranges([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"
    assert write_ranges(range(0, 60, 2)).endswith(",22 and 18 more ranges")
    assert WHOLE.suffix == ""
