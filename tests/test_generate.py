"""Jobs: complete files, a manifest that agrees with them, and restarts that neither lose nor repeat a sample."""

import dataclasses
import errno
import functools
import json

import jax
import numpy as np
import pytest
from song_files import fail_at
from tiny import STYLES, make_params

from configs import default
from drumjax.codecs.factory import make_codec
from drumjax.config.settings import TOLD_BY, make_settings
from drumjax.jobs import job as generate_module
from drumjax.jobs.job import BLOCKS_AHEAD, Job, generate, job_identity, sample_blocks, sample_songs
from drumjax.jobs.manifest import MANIFEST, Manifest
from drumjax.midi.reader import read_midi
from drumjax.music.kits import OUT_MAPS, ROLAND_TD11, read_map
from drumjax.music.notes import Song, make_notes
from drumjax.runs.run import Run, known_defaults, make_model
from drumjax.sampling.edits import continue_song
from drumjax.sampling.piece import Groove
from drumjax.sampling.request import Controls, RequestError
from drumjax.sampling.sampler import make_sampler

GROOVE = Groove(2, 101.0, "rock", "4/4")
CONTROLS = Controls((1.0, 0.9, 0.8), 0, 0.95)
SONG, LOUDER = (Song(make_notes([0, 1], [0.1, 0.1], [36, 38], [80, v]), time_signature=(4, 4)) for v in (80, 127))
JOB = Job(GROOVE, CONTROLS, num_samples=6, seed=3, block_size=4)  # two blocks, the second half full


@pytest.fixture(scope="module", autouse=True)
def one_sampler():
    """What every job compiles anew is compiled once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate_module, "make_sampler", functools.cache(make_sampler))
        yield


@pytest.fixture(scope="module")
def run() -> Run:
    config = default.get_config().to_dict()
    config["model"] |= {"hidden_size": 8, "embed_size": 4, "num_layers": 1}
    config["codec"] |= {"velocity_bins": 4, "offset_bins": 4, "lookback_bars": 1}
    settings = make_settings(config)
    codec = make_codec(settings.codec)
    model = make_model(settings, codec, len(STYLES))
    return Run(settings, codec, model, *make_params(model), STYLES, step=12)


@pytest.fixture(scope="module")
def undisturbed(run, tmp_path_factory):
    """The files of the job, done in one go."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert generate(run, JOB, folder) == 6
    return contents(folder)


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_manifest(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / MANIFEST).read_text().splitlines()]


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


def test_every_sample_has_a_file_and_a_row(undisturbed, run, tmp_path):
    generate(run, JOB, tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(contents(folder)) == [f"{i:06d}.mid" for i in range(6)] + [MANIFEST]
    assert contents(folder) == undisturbed
    for index, row in enumerate(read_manifest(folder)):
        assert (row["file"], row["index"], row["seed"], row["step"]) == (f"{index:06d}.mid", index, 3, 12)
        assert row["context"] == dataclasses.asdict(GROOVE)
        assert row["temperature"] == {"hits": 1.0, "velocity": 0.9, "offset": 0.8}
        assert (row["top_k"], row["top_p"], row["spread"]) == (0, 0.95, 1)
        assert row["nll"].keys() == {"hits", "velocity", "offset"}
        assert all(np.isfinite(nll) and nll > 0 for nll in row["nll"].values())
        assert row["job"] == job_identity(run, JOB)


def test_files_are_the_songs(undisturbed, run, tmp_path):
    for index, song, _ in sample_songs(run, JOB):
        path = tmp_path / "song.mid"
        path.write_bytes(undisturbed[f"{index:06d}.mid"])
        read = read_midi(path)
        assert (read.tempo_bpm, read.time_signature) == (pytest.approx(101, abs=0.01), (4, 4))
        assert read.notes.onset_beat.max() < 8
        np.testing.assert_array_equal(np.sort(read.notes.pitch), np.sort(song.notes.pitch))
    assert len(set(undisturbed.values())) == 7


def test_a_job_that_is_done_is_left_alone(undisturbed, run, tmp_path):
    generate(run, JOB, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.mid")}
    assert generate(run, JOB, tmp_path) == 0
    assert contents(tmp_path) == undisturbed
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.mid")}


@pytest.mark.parametrize("first", [1, 4, 5])
def test_more_samples_of_a_job_go_on_where_it_ended(undisturbed, run, tmp_path, first):
    assert generate(run, dataclasses.replace(JOB, num_samples=first), tmp_path) == first
    assert_manifest_agrees(tmp_path)
    assert generate(run, JOB, tmp_path) == 6 - first
    assert contents(tmp_path) == undisturbed


def test_fewer_samples_of_a_job_take_nothing_away(undisturbed, run, tmp_path):
    generate(run, JOB, tmp_path)
    assert generate(run, dataclasses.replace(JOB, num_samples=2), tmp_path) == 0
    assert contents(tmp_path) == undisturbed


def test_a_file_that_was_deleted_is_made_again(undisturbed, run, tmp_path):
    generate(run, JOB, tmp_path)
    (tmp_path / "000002.mid").unlink()
    assert generate(run, JOB, tmp_path) == 1
    assert_same_samples(tmp_path, undisturbed)


@pytest.mark.parametrize("index", [0, 2, 4, 5])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["disk full", "interrupted"]
)
def test_a_job_that_was_interrupted_goes_on(undisturbed, run, tmp_path, monkeypatch, index, error):
    with monkeypatch.context() as patch:
        fail_at(patch, index, error)
        with pytest.raises(type(error)):
            generate(run, JOB, tmp_path)
    done = {row["index"] for row in read_manifest(tmp_path)}
    assert done >= set(range(index))
    assert index not in done
    assert_manifest_agrees(tmp_path)
    for name, data in contents(tmp_path).items():
        assert name == MANIFEST or data == undisturbed[name]
    assert generate(run, JOB, tmp_path) == 6 - len(done)
    assert_same_samples(tmp_path, undisturbed)


def test_a_job_that_was_killed_goes_on(undisturbed, run, tmp_path):
    """Killed with three files in place, of which the manifest knows one, and a fourth half written."""
    for number in range(3):
        (tmp_path / f"{number:06d}.mid").write_bytes(undisturbed[f"{number:06d}.mid"])
    (tmp_path / MANIFEST).write_bytes(undisturbed[MANIFEST].splitlines(keepends=True)[0])
    (tmp_path / ".0123456789abcdef.tmp").write_bytes(b"MThd")
    assert generate(run, JOB, tmp_path) == 5
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize("num_devices", [1, 3])
def test_no_device_is_without_work_nor_far_ahead(run, monkeypatch, num_devices):
    """While a block is being written, each device has its next, and no other."""
    begun, devices = [], jax.local_devices()[:num_devices]
    monkeypatch.setattr(jax, "local_devices", lambda: devices)

    def make_counting_sampler(model, codec, guided):
        sampler = make_sampler(model, codec, guided=guided)

        def sample(params, stats, key, request):
            assert request.number.devices() == {devices[len(begun) % num_devices]}
            begun.append(int(request.number[0]))
            return sampler(params, stats, key, request)

        return sample

    monkeypatch.setattr(generate_module, "make_sampler", functools.cache(make_counting_sampler))
    blocks = sample_blocks(run, dataclasses.replace(JOB, num_samples=20))
    assert begun == []
    for number, block in enumerate(blocks):
        assert [index for index, *_ in block] == list(range(4 * number, 4 * number + 4))
        assert begun == list(range(0, 20, 4))[: number + 1 + BLOCKS_AHEAD * num_devices]
    assert begun == [0, 4, 8, 12, 16]


def test_a_sample_does_not_depend_on_the_number_of_devices(run, monkeypatch):
    devices, samples = jax.local_devices(), []
    for num_devices in (1, 2, 4):
        monkeypatch.setattr(jax, "local_devices", lambda num=num_devices: devices[:num])
        samples.append(list(sample_songs(run, dataclasses.replace(JOB, num_samples=14))))
    for others in samples[1:]:
        for (index, song, nll), (other_index, other, other_nll) in zip(samples[0], others, strict=True):
            assert (index, nll) == (other_index, other_nll)
            for a, b in zip(song.notes, other.notes, strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_manifest_that_cannot_be_written_stops_the_job(undisturbed, run, tmp_path, monkeypatch):
    """With a line that names it, and nothing in it that the next start would stumble over."""
    first_row = undisturbed[MANIFEST].splitlines(keepends=True)[0]

    def make_full(path, job):
        manifest = Manifest(path, job)
        manifest._file = LimitedFile(manifest._file, len(first_row) * 3 // 2)
        return manifest

    with monkeypatch.context() as patch:
        patch.setattr(generate_module, "Manifest", make_full)
        with pytest.raises(OSError, match=r"No space left on device: .*manifest\.jsonl"):
            generate(run, JOB, tmp_path)
    assert (tmp_path / MANIFEST).read_bytes() == first_row
    assert generate(run, JOB, tmp_path) == 5
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize("lost", [1, 10, 10_000])
def test_a_row_that_a_kill_cut_off_is_written_again(undisturbed, run, tmp_path, lost):
    """Of six samples all files are there, and the rows but for their last bytes."""
    generate(run, JOB, tmp_path)
    (tmp_path / MANIFEST).write_bytes(undisturbed[MANIFEST][:-lost])
    generate(run, JOB, tmp_path)
    assert_same_samples(tmp_path, undisturbed)


OTHER_JOB = dataclasses.replace(JOB, seed=4, num_samples=2)


def test_samples_of_another_job_are_not_replaced(undisturbed, run, tmp_path):
    generate(run, JOB, tmp_path)
    with pytest.raises(RequestError, match=r"holds the samples of another job.*--out_dir.*--overwrite"):
        generate(run, OTHER_JOB, tmp_path)
    assert contents(tmp_path) == undisturbed


def test_overwriting_replaces_the_other_job(undisturbed, run, tmp_path):
    generate(run, JOB, tmp_path)
    assert generate(run, OTHER_JOB, tmp_path, overwrite=True) == 2
    assert [row["seed"] for row in read_manifest(tmp_path)] == [4, 4]
    for name in ("000000.mid", "000001.mid"):
        assert contents(tmp_path)[name] != undisturbed[name]


def test_overwriting_leaves_no_samples_of_the_other_job_behind(run, tmp_path):
    generate(run, JOB, tmp_path)
    generate(run, OTHER_JOB, tmp_path, overwrite=True)
    assert_manifest_agrees(tmp_path)


@pytest.mark.parametrize("count", [0, 1])
def test_overwriting_that_was_interrupted_passes_no_sample_off_as_another(
    undisturbed, run, tmp_path, monkeypatch, count
):
    """The first job, asked for again, must not take files of the second for its own."""
    generate(run, JOB, tmp_path)
    with monkeypatch.context() as patch:
        fail_at(patch, count, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            generate(run, OTHER_JOB, tmp_path, overwrite=True)
    if read_manifest(tmp_path):
        with pytest.raises(RequestError, match="another job"):
            generate(run, JOB, tmp_path)
    generate(run, JOB, tmp_path, overwrite=True)
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize("text", ["not json\n", "[1]\n", '{"file": "x"}\n'])
def test_a_manifest_of_something_else_is_not_touched(run, tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(RequestError, match=r"manifest\.jsonl.* not a manifest of samples; choose another --out_dir"):
        generate(run, JOB, tmp_path)
    assert contents(tmp_path) == {MANIFEST: text.encode()}


def test_samples_may_begin_anywhere(run):
    everything = list(sample_songs(run, JOB))
    assert [index for index, *_ in everything] == list(range(6))
    for first in (1, 4, 5, 6):
        some = list(sample_songs(run, JOB, first))
        assert [index for index, *_ in some] == list(range(first, 6))
        for (_, song, nll), (_, expected, expected_nll) in zip(some, everything[first:], strict=True):
            assert nll == expected_nll
            for column, other in zip(song.notes, expected.notes, strict=True):
                np.testing.assert_array_equal(column, other)


def test_the_first_new_groove_is_shown(run, tmp_path):
    shown = []
    for num_samples in (2, 2, 5):
        generate(run, dataclasses.replace(JOB, num_samples=num_samples), tmp_path, show=shown.append)
    expected = [song for index, song, _ in sample_songs(run, JOB) if index in (0, 2)]
    assert len(shown) == 2
    for song, other in zip(shown, expected, strict=True):
        np.testing.assert_array_equal(song.notes.onset_beat, other.notes.onset_beat)


def test_identity_is_all_that_decides_what_a_sample_is(run):
    identity = job_identity(run, JOB)
    assert identity == job_identity(run, dataclasses.replace(JOB, num_samples=99))
    jobs = [
        dataclasses.replace(JOB, seed=4),
        dataclasses.replace(JOB, block_size=2),
        dataclasses.replace(JOB, groove=dataclasses.replace(GROOVE, bpm=102.0)),
        dataclasses.replace(JOB, controls=Controls((1.0, 0.9, 0.7), 0, 0.95)),
        dataclasses.replace(JOB, out_map=read_map("roland_td11", ROLAND_TD11.names)),
        *(dataclasses.replace(JOB, task=continue_song(song, run.codec, include=True)) for song in (SONG, LOUDER)),
    ]
    params = jax.tree.map(lambda p: p, run.params)
    params["bias"] = params["bias"].at[0].add(1e-6)
    runs = [dataclasses.replace(run, params=params), dataclasses.replace(run, step=13)]
    others = [job_identity(run, job) for job in jobs] + [job_identity(other, JOB) for other in runs]
    assert len({identity, *others}) == 10


def test_files_are_written_in_the_pitches_of_another_instrument(run, tmp_path):
    generate(run, dataclasses.replace(JOB, num_samples=2), tmp_path / "own")
    other = dataclasses.replace(JOB, num_samples=2, out_map=read_map("addictive_drums_2", ROLAND_TD11.names))
    generate(run, other, tmp_path / "other")
    write = dict(zip(ROLAND_TD11.write, OUT_MAPS["addictive_drums_2"].values(), strict=True))
    for name in ("000000.mid", "000001.mid"):
        own, theirs = (read_midi(tmp_path / folder / name).notes for folder in ("own", "other"))
        assert sorted(write[p] for p in own.pitch.tolist()) == sorted(theirs.pitch.tolist())
        np.testing.assert_array_equal(np.sort(own.onset_beat), np.sort(theirs.onset_beat))


def test_a_metre_that_was_not_trained_is_told_before_anything_is_written(run, tmp_path):
    job = dataclasses.replace(JOB, groove=dataclasses.replace(GROOVE, time_signature="7/8"))
    with pytest.raises(RequestError, match="not trained on 7/8; it knows: 4/4, 6/8"):
        generate(dataclasses.replace(run, time_signatures=("4/4", "6/8")), job, tmp_path)
    assert not list(tmp_path.glob("*.mid"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_samples": 0}, r"num_samples is 0; it must be in 1\.\."),
        ({"num_samples": 10**8}, "num_samples is 100000000"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
    ],
)
def test_jobs_that_cannot_be(changes, message):
    with pytest.raises(RequestError, match=message):
        dataclasses.replace(JOB, **changes)


@pytest.mark.parametrize("asked", [{"style": "rock"}, {"fill_every": 4}, {"density": 3.0}, {"dynamics": 70.0}])
def test_what_a_model_is_never_told_cannot_be_asked_for(run, tmp_path, asked):
    (name,) = asked
    part = TOLD_BY[name]
    model = dataclasses.replace(run.settings.model, **{part: False})
    deaf = dataclasses.replace(run, settings=dataclasses.replace(run.settings, model=model))
    plain = Groove(4, 120.0, "", "4/4")
    job = dataclasses.replace(JOB, num_samples=1, groove=dataclasses.replace(plain, **asked))
    with pytest.raises(RequestError, match=f"trained without {part}"):
        generate(deaf, job, tmp_path)
    sample = dataclasses.replace(run.settings.sample, **asked)
    assert known_defaults(sample, run.settings.model, STYLES) == sample
    assert not getattr(known_defaults(sample, model, STYLES), name)


def test_an_unknown_style_is_told_before_anything_is_written(run, tmp_path):
    job = dataclasses.replace(JOB, groove=dataclasses.replace(GROOVE, style="polka"))
    with pytest.raises(RequestError, match="does not know the style 'polka'"):
        generate(run, job, tmp_path)
    assert not list(tmp_path.glob("*.mid"))
