"""Jobs: complete files, a manifest that agrees with them, and restarts that neither lose nor repeat a sample."""

import dataclasses
import errno
import functools
import json
import os

import jax
import numpy as np
import pytest
from pretend_sampler import CONTROLS, TEMPERATURE, pretend_sampler
from song_files import fail_at
from tiny import PLAYERS, STYLES

from drumjax.config.conditions import CONDITIONS
from drumjax.config.controls import CONDITION_OF, Controls
from drumjax.config.controls import CONTROLS as TABLE
from drumjax.jobs import midi_store
from drumjax.jobs.job import Job, job_identity, write_samples
from drumjax.jobs.manifest import MANIFEST, Manifest
from drumjax.midi.reader import read_midi
from drumjax.music.drum_maps import OUT_MAPS, read_map
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.sampling import blocks
from drumjax.sampling.blocks import BLOCKS_AHEAD, sample_blocks, sample_songs
from drumjax.sampling.edits import continue_song
from drumjax.sampling.given_music import give
from drumjax.sampling.piece import RequestError
from drumjax.sampling.plan import Plan
from drumjax.sampling.sampler import make_sampler
from drumjax.system.lock import LockError

# What music is asked for, as the manifest says it.
CONTEXT = {
    "style": "rock", "bpm": 101.0, "time_signature": "4/4", "bars": 2, "num_notes": 0, "fill": 0, "density": 0.0,
    "dynamics": 0.0, "steadiness": None, "backbeat": None, "timekeeper": "", "player": "", "lean": None,
    "fill_bars": 1, "fill_intensity": None, "crescendo": "", "form": "", "swing": None, "half_time": False,
    "double_time": False, "without": "", "only": "", "balance": "",
}  # fmt: skip
SONG, LOUDER = (Song(make_notes([0, 1], [0.1, 0.1], [36, 38], [80, v]), time_signature=(4, 4)) for v in (80, 127))


def change(job: Job, **changes) -> Job:
    """The job with another plan."""
    return dataclasses.replace(job, plan=dataclasses.replace(job.plan, **changes))


def songs_of(job: Job, first: int = 0):
    return sample_songs(job.plan, job.num_samples, first)


@pytest.fixture(scope="module")
def undisturbed(job, tmp_path_factory):
    """The files of the job, done in one go."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert write_samples(job, folder) == 6
    return contents(folder)


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_manifest(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / MANIFEST).read_text().splitlines()]


def mark_as_killed(folder, job):
    """What says that the job was at work there."""
    (folder / f".{job_identity(job)}.unfinished").touch()


def assert_manifest_agrees(folder):
    """One row per file, and no other file."""
    files = [row["file"] for row in read_manifest(folder)]
    assert sorted([*files, MANIFEST]) == sorted(contents(folder))


def assert_same_samples(folder, expected: dict[str, bytes]):
    """The same files, and the same rows in whatever order."""
    actual = contents(folder)
    assert sorted(actual.pop(MANIFEST).splitlines()) == sorted(expected[MANIFEST].splitlines())
    assert actual == {name: data for name, data in expected.items() if name != MANIFEST}


class LimitedFile:
    """A file on a disk with room for so many bytes."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        written = self._file.write(data[: self._room])
        self._room -= written
        return written


def test_every_sample_has_a_file_and_a_row(undisturbed, tmp_path, job):
    write_samples(job, tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(contents(folder)) == [f"{i:06d}.mid" for i in range(6)] + [MANIFEST]
    assert contents(folder) == undisturbed
    for index, row in enumerate(read_manifest(folder)):
        assert (row["file"], row["index"], row["seed"], row["step"]) == (f"{index:06d}.mid", index, 3, 12)
        assert row["context"] == CONTEXT
        assert row["temperature"] == TEMPERATURE
        assert (row["top_k"], row["top_p"], row["spread"]) == (0, 0.95, 1)
        assert row["nll"].keys() == {"hits", "velocity", "offset"}
        assert all(np.isfinite(nll) and nll > 0 for nll in row["nll"].values())
        assert row["job"] == job_identity(job)


def test_files_are_the_songs(undisturbed, tmp_path, job):
    for index, song, *_ in songs_of(job):
        path = tmp_path / "song.mid"
        path.write_bytes(undisturbed[f"{index:06d}.mid"])
        read = read_midi(path)
        assert (read.tempo_bpm, read.time_signature) == (pytest.approx(101, abs=0.01), (4, 4))
        assert read.notes.onset_beat.max() < 8
        np.testing.assert_array_equal(np.sort(read.notes.pitch), np.sort(song.notes.pitch))
    assert len(set(undisturbed.values())) == 7


def test_a_job_that_is_done_is_left_alone(undisturbed, tmp_path, job):
    write_samples(job, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.mid")}
    assert write_samples(job, tmp_path) == 0
    assert contents(tmp_path) == undisturbed
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.mid")}


@pytest.mark.parametrize("first", [1, 4, 5])
def test_more_samples_of_a_job_go_on_where_it_ended(undisturbed, tmp_path, first, job):
    assert write_samples(dataclasses.replace(job, num_samples=first), tmp_path) == first
    assert_manifest_agrees(tmp_path)
    assert write_samples(job, tmp_path) == 6 - first
    assert contents(tmp_path) == undisturbed


def test_fewer_samples_of_a_job_take_nothing_away(undisturbed, tmp_path, job):
    write_samples(job, tmp_path)
    assert write_samples(dataclasses.replace(job, num_samples=2), tmp_path) == 0
    assert contents(tmp_path) == undisturbed


def test_a_file_that_was_deleted_is_made_again(undisturbed, tmp_path, job):
    write_samples(job, tmp_path)
    (tmp_path / "000002.mid").unlink()
    assert write_samples(job, tmp_path) == 1
    assert_same_samples(tmp_path, undisturbed)


@pytest.mark.parametrize("index", [0, 2, 4, 5])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["disk full", "interrupted"]
)
def test_a_job_that_was_interrupted_goes_on(undisturbed, tmp_path, monkeypatch, index, error, job):
    with monkeypatch.context() as patch:
        fail_at(patch, index, error)
        with pytest.raises(type(error)):
            write_samples(job, tmp_path)
    done = {row["index"] for row in read_manifest(tmp_path)}
    assert done >= set(range(index))
    assert index not in done
    assert_manifest_agrees(tmp_path)
    for name, data in contents(tmp_path).items():
        assert name == MANIFEST or data == undisturbed[name]
    assert write_samples(job, tmp_path) == 6 - len(done)
    assert_same_samples(tmp_path, undisturbed)


def test_a_job_that_was_killed_goes_on(undisturbed, tmp_path, job):
    """Killed with three files in place, of which the manifest knows one, and a fourth half written."""
    for number in range(3):
        (tmp_path / f"{number:06d}.mid").write_bytes(undisturbed[f"{number:06d}.mid"])
    (tmp_path / MANIFEST).write_bytes(undisturbed[MANIFEST].splitlines(keepends=True)[0])
    (tmp_path / ".0123456789abcdef.tmp").write_bytes(b"MThd")
    mark_as_killed(tmp_path, job)
    assert write_samples(job, tmp_path) == 5
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize("num_devices", [1, 3])
def test_no_device_is_without_work_nor_far_ahead(monkeypatch, num_devices, job):
    """While a block is being written, each device has its next, and no other."""
    begun, devices = [], jax.devices()[:num_devices]
    monkeypatch.setattr(jax, "local_devices", lambda: devices)

    def make_counting_sampler(model, codec, *options, **how):
        sampler = pretend_sampler(model, codec, **how)

        def sample(weights, key, request):
            assert request.number.devices() == {devices[len(begun) % num_devices]}
            begun.append(int(request.number[0]))
            return sampler(weights, key, request)

        return sample

    monkeypatch.setattr(blocks, "make_sampler", functools.cache(make_counting_sampler))
    made = sample_blocks(job.plan, 20)
    assert begun == []
    for number, block in enumerate(made):
        assert [index for index, *_ in block] == list(range(4 * number, 4 * number + 4))
        assert begun == list(range(0, 20, 4))[: number + 1 + BLOCKS_AHEAD * num_devices]
    assert begun == [0, 4, 8, 12, 16]


@pytest.mark.parametrize(
    ("sampler", "nums"),
    [(pretend_sampler, (1, 2, 4)), pytest.param(make_sampler, (1, 2), marks=pytest.mark.slow)],
    ids=["pretended", "of a model"],
)
def test_a_sample_does_not_depend_on_the_number_of_devices(monkeypatch, job, sampler, nums):
    devices, samples = jax.devices(), []
    monkeypatch.setattr(blocks, "make_sampler", sampler)
    for num in nums:
        monkeypatch.setattr(jax, "local_devices", lambda num=num: devices[:num])
        samples.append(list(songs_of(dataclasses.replace(job, num_samples=14))))
    for others in samples[1:]:
        for (index, song, nll, *_), (other_index, other, other_nll, *_) in zip(samples[0], others, strict=True):
            assert (index, nll) == (other_index, other_nll)
            for a, b in zip(song.notes, other.notes, strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_manifest_that_cannot_be_written_stops_the_job(undisturbed, tmp_path, monkeypatch, job):
    """With a line that names it, and nothing in it that the next start would stumble over."""
    first_row = undisturbed[MANIFEST].splitlines(keepends=True)[0]

    def make_full(*args, **flags):
        manifest = Manifest(*args, **flags)
        manifest._file = LimitedFile(manifest._file, len(first_row) * 3 // 2)
        return manifest

    with monkeypatch.context() as patch:
        patch.setattr(midi_store, "Manifest", make_full)
        with pytest.raises(OSError, match=r"No space left on device: .*manifest\.jsonl"):
            write_samples(job, tmp_path)
    assert (tmp_path / MANIFEST).read_bytes() == first_row
    assert write_samples(job, tmp_path) == 5
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize("lost", [1, 10, 10_000])
def test_a_row_that_a_kill_cut_off_is_written_again(undisturbed, tmp_path, lost, job):
    """Of six samples all files are there, and the rows but for their last bytes."""
    write_samples(job, tmp_path)
    (tmp_path / MANIFEST).write_bytes(undisturbed[MANIFEST][:-lost])
    mark_as_killed(tmp_path, job)
    write_samples(job, tmp_path)
    assert_same_samples(tmp_path, undisturbed)


@pytest.fixture
def other_job(job) -> Job:
    return dataclasses.replace(change(job, seed=4), num_samples=2)


def test_samples_of_another_job_are_not_replaced(undisturbed, tmp_path, job, other_job):
    write_samples(job, tmp_path)
    with pytest.raises(RequestError, match=r"holds the samples of another job.*--out_dir.*--overwrite"):
        write_samples(other_job, tmp_path)
    assert contents(tmp_path) == undisturbed


def test_overwriting_replaces_the_other_job(undisturbed, tmp_path, job, other_job):
    write_samples(job, tmp_path)
    assert write_samples(other_job, tmp_path, overwrite=True) == 2
    assert [row["seed"] for row in read_manifest(tmp_path)] == [4, 4]
    for name in ("000000.mid", "000001.mid"):
        assert contents(tmp_path)[name] != undisturbed[name]


def test_overwriting_leaves_no_samples_of_the_other_job_behind(tmp_path, job, other_job):
    write_samples(job, tmp_path)
    write_samples(other_job, tmp_path, overwrite=True)
    assert_manifest_agrees(tmp_path)


@pytest.mark.parametrize("count", [0, 1])
def test_overwriting_that_was_interrupted_passes_no_sample_off_as_another(
    undisturbed, tmp_path, monkeypatch, count, job, other_job
):
    """The first job, asked for again, must not take files of the second for its own."""
    write_samples(job, tmp_path)
    with monkeypatch.context() as patch:
        fail_at(patch, count, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            write_samples(other_job, tmp_path, overwrite=True)
    if read_manifest(tmp_path):
        with pytest.raises(RequestError, match="another job"):
            write_samples(job, tmp_path)
    write_samples(job, tmp_path, overwrite=True)
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize("text", ["not json\n", "[1]\n", '{"file": "x"}\n'])
def test_a_manifest_of_something_else_is_not_touched(tmp_path, text, job):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(RequestError, match=r"manifest\.jsonl.* not a manifest of samples; choose another --out_dir"):
        write_samples(job, tmp_path)
    assert contents(tmp_path) == {MANIFEST: text.encode()}


def test_samples_may_begin_anywhere(job):
    everything = list(songs_of(job))
    assert [index for index, *_ in everything] == list(range(6))
    for first in (1, 4, 5, 6):
        some = list(songs_of(job, first))
        assert [index for index, *_ in some] == list(range(first, 6))
        for (_, song, nll, *_), (_, expected, expected_nll, *_) in zip(some, everything[first:], strict=True):
            assert nll == expected_nll
            for column, other in zip(song.notes, expected.notes, strict=True):
                np.testing.assert_array_equal(column, other)


def test_the_first_new_groove_is_shown(tmp_path, job):
    shown = []
    for num_samples in (2, 2, 5):
        write_samples(
            dataclasses.replace(job, num_samples=num_samples), tmp_path, show=lambda song, row: shown.append(song)
        )
    expected = [song for index, song, *_ in songs_of(job) if index in (0, 2)]
    assert len(shown) == 2
    for song, other in zip(shown, expected, strict=True):
        np.testing.assert_array_equal(song.notes.onset_beat, other.notes.onset_beat)


def test_identity_is_all_that_decides_what_a_sample_is(run, job):
    identity = job_identity(job)
    assert identity == job_identity(dataclasses.replace(job, num_samples=99))
    louder = {**TEMPERATURE, "offset": 0.7}
    params = jax.tree.map(lambda p: p, run.weights.params)
    params["bias"] = params["bias"].at[0].add(1e-6)
    others = [
        change(job, seed=4),
        change(job, block_size=2),
        change(job, controls=dataclasses.replace(CONTROLS, bpm=102.0)),
        change(job, controls=dataclasses.replace(CONTROLS, temperature=louder)),
        dataclasses.replace(job, out_map=read_map("roland_td11", ROLAND_TD11.names)),
        *(change(job, edit=continue_song(give(song, run.codec), run.codec, include=True)) for song in (SONG, LOUDER)),
        change(job, run=dataclasses.replace(run, weights=run.weights._replace(params=params))),
        change(job, run=dataclasses.replace(run, step=13)),
    ]
    assert len({identity, *map(job_identity, others)}) == 10


def test_files_are_written_in_the_pitches_of_another_instrument(tmp_path, job):
    write_samples(dataclasses.replace(job, num_samples=2), tmp_path / "own")
    other = dataclasses.replace(job, num_samples=2, out_map=read_map("addictive_drums_2", ROLAND_TD11.names))
    write_samples(other, tmp_path / "other")
    write = dict(zip(ROLAND_TD11.write, OUT_MAPS["addictive_drums_2"].values(), strict=True))
    for name in ("000000.mid", "000001.mid"):
        own, theirs = (read_midi(tmp_path / folder / name).notes for folder in ("own", "other"))
        assert sorted(write[p] for p in own.pitch.tolist()) == sorted(theirs.pitch.tolist())
        np.testing.assert_array_equal(np.sort(own.onset_beat), np.sort(theirs.onset_beat))


def test_a_metre_that_was_not_trained_is_refused_before_anything_is_written(run, job):
    known = dataclasses.replace(run, time_signatures=("4/4", "6/8"))
    with pytest.raises(RequestError, match="not trained on 7/8; it knows: 4/4, 6/8"):
        Plan(known, dataclasses.replace(CONTROLS, time_signature="7/8"))


@pytest.mark.parametrize(
    ("num_samples", "message"),
    [(0, r"num_samples is 0; it must be in 1\.\."), (10**8, "num_samples is 100000000")],
)
def test_jobs_that_cannot_be(job, num_samples, message):
    with pytest.raises(RequestError, match=message):
        dataclasses.replace(job, num_samples=num_samples)


@pytest.mark.parametrize(("seed", "message"), [(-1, "seed is -1"), (2**32, "seed is 4294967296")])
def test_plans_that_cannot_be(job, seed, message):
    with pytest.raises(RequestError, match=message):
        change(job, seed=seed)


@pytest.mark.parametrize(
    "asked",
    [{"style": "rock"}, {"fill": 4}, {"density": 3.0}, {"dynamics": 70.0}, {"steadiness": 0.5}, {"backbeat": 0.0},
     {"timekeeper": "none"}, {"player": "drummer1"}],
)  # fmt: skip
def test_what_a_model_is_not_conditioned_on_cannot_be_asked_for(run, asked):
    (name,) = asked
    conditions = tuple(condition for condition in CONDITIONS if condition != CONDITION_OF[name])
    model = dataclasses.replace(run.settings.model, conditions=conditions)
    without = dataclasses.replace(run, settings=dataclasses.replace(run.settings, model=model))
    with pytest.raises(RequestError, match=f"trained without {CONDITION_OF[name]}"):
        Plan(without, Controls(temperature=TEMPERATURE, **asked))
    sample = dataclasses.replace(run.settings.sample, **asked)
    assert sample.as_trained(run.settings.model.conditions, STYLES, PLAYERS) == sample
    assert getattr(sample.as_trained(conditions, STYLES, PLAYERS), name) == TABLE[name].neutral


def test_an_unknown_style_is_refused_before_anything_is_written(run):
    with pytest.raises(RequestError, match="does not know the style 'polka'"):
        Plan(run, dataclasses.replace(CONTROLS, style="polka"))
    assert run.settings.sample.as_trained(tuple(CONDITIONS), ("", "jazz")).style == ""


@pytest.mark.parametrize("name", ["../000009.mid", "{outside}", "mine.mid", "000008.mid"])
def test_a_manifest_cannot_have_other_files_removed(tmp_path, job, name):
    """Only samples in the folder itself are replaced, whatever names a manifest holds."""
    out_dir, outside = tmp_path / "out", tmp_path / "000009.mid"
    out_dir.mkdir()
    for path in (outside, out_dir / "mine.mid", out_dir / "000007.mid", out_dir / "000008.mid"):
        path.write_bytes(b"mine")
    rows = [{"file": "000007.mid", "index": 7}, {"file": name.format(outside=outside), "index": 9}]
    (out_dir / MANIFEST).write_text("".join(json.dumps(row | {"job": "x"}) + "\n" for row in rows))
    before = contents(out_dir)
    with pytest.raises(RequestError, match=r"manifest\.jsonl, line 2: not a manifest of samples"):
        write_samples(job, out_dir, overwrite=True)
    assert contents(out_dir) == before
    assert outside.read_bytes() == b"mine"


# ---- files of the user's own, and other jobs in the same folder


@pytest.mark.parametrize("name", ["000001.mid", "000700.mid", "000002.MID"])
@pytest.mark.parametrize("more", [True, False], ids=["beside samples", "alone"])
def test_a_numbered_file_of_the_users_own_is_not_replaced(tmp_path, job, name, more):
    if more:
        write_samples(dataclasses.replace(job, num_samples=1), tmp_path)
    (tmp_path / name).write_bytes(b"mine")
    before = contents(tmp_path)
    with pytest.raises(RequestError, match=rf"{tmp_path} holds {name}, which no .*--out_dir.*--overwrite"):
        write_samples(job, tmp_path)
    assert contents(tmp_path) == before


def test_samples_whose_manifest_is_gone_are_not_replaced(undisturbed, tmp_path, job, other_job):
    write_samples(job, tmp_path)
    (tmp_path / MANIFEST).unlink()
    for again in (job, other_job):
        with pytest.raises(RequestError, match=r"holds 000000\.mid and 5 more, which no manifest\.jsonl names"):
            write_samples(again, tmp_path)
    assert contents(tmp_path) == {name: data for name, data in undisturbed.items() if name != MANIFEST}


def test_overwriting_replaces_what_is_in_the_way_and_nothing_else(undisturbed, tmp_path, job):
    mine = dict.fromkeys(("000001.mid", "000700.mid", "notes.txt"), b"mine")
    for name, data in mine.items():
        (tmp_path / name).write_bytes(data)
    for _ in range(2):  # as if the first had been killed
        write_samples(job, tmp_path, overwrite=True)
        assert contents(tmp_path) == mine | undisturbed
        (tmp_path / f".{job_identity(job)}.unfinished").write_text("000001.mid\n000700.mid")
        (tmp_path / MANIFEST).write_bytes(undisturbed[MANIFEST].splitlines(keepends=True)[0])


def test_what_a_killed_job_left_is_no_file_of_the_users(undisturbed, tmp_path, job, other_job):
    """Its own job goes on, others do not replace it; one that overwrites leaves none of it."""
    write_samples(job, tmp_path)
    (tmp_path / MANIFEST).write_bytes(undisturbed[MANIFEST].splitlines(keepends=True)[0])
    mark_as_killed(tmp_path, job)
    with pytest.raises(RequestError, match="another job"):
        write_samples(other_job, tmp_path)
    assert write_samples(job, tmp_path) == 5
    assert contents(tmp_path) == undisturbed
    (tmp_path / MANIFEST).write_bytes(b"")
    mark_as_killed(tmp_path, job)
    with pytest.raises(RequestError, match=r"000000\.mid and 5 more"):
        write_samples(other_job, tmp_path)
    assert write_samples(other_job, tmp_path, overwrite=True) == 2
    assert_manifest_agrees(tmp_path)


def test_a_manifest_of_something_else_is_not_overwritten(tmp_path, job):
    (tmp_path / MANIFEST).write_bytes(b'{"image": "cat.png"}\n')
    with pytest.raises(RequestError, match=r"manifest\.jsonl, line 1: not a manifest of samples"):
        write_samples(job, tmp_path, overwrite=True)
    assert contents(tmp_path) == {MANIFEST: b'{"image": "cat.png"}\n'}


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_has_one_job_at_a_time(undisturbed, tmp_path, job, other_job, overwrite):
    """The second is told, before it has changed anything, who is there."""
    refused = []

    def start_another(song, row):
        for again in (job, other_job):
            with pytest.raises(LockError, match=rf"{tmp_path} is in use by pid {os.getpid()} on .*another --out_dir"):
                write_samples(again, tmp_path, overwrite=overwrite)
            refused.append(again)

    assert write_samples(job, tmp_path, show=start_another) == 6
    assert refused == [job, other_job]
    assert contents(tmp_path) == undisturbed
