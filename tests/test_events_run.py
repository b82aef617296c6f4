"""A model of notes from end to end, by the same code as one of a grid: learned, scored, sampled, asked for."""

import dataclasses
import functools
import itertools
import json
import logging
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pretended import Pretended
from tiny import STYLES, make_model, make_run, make_weights
from tiny_run import make_config

from drumjax.codecs.base import ABSENT, clock, field_slices
from drumjax.codecs.events import REST, EventCodec
from drumjax.codecs.vocabulary import Vocabulary
from drumjax.config.controls import Controls
from drumjax.config.settings import make_settings
from drumjax.jobs.gallery import write_gallery
from drumjax.jobs.job import Job, write_samples
from drumjax.midi.reader import read_midi, write_midi
from drumjax.models.scoring import Example, place_of, score_tokens
from drumjax.models.song_scoring import CHUNK_STEPS, encode_songs, make_song_scorer
from drumjax.music.notes import Song, make_notes
from drumjax.runs.checkpoint import Checkpoints
from drumjax.runs.metrics import read_metrics
from drumjax.runs.run import load_run
from drumjax.sampling.decode import collect_songs, decode_samples
from drumjax.sampling.edits import EditError, add_drums, continue_song, encode_given, humanize_song
from drumjax.sampling.given_music import MusicError, give
from drumjax.sampling.piece import Piece, RequestError
from drumjax.sampling.plan import EditRequest, make_plan
from drumjax.sampling.request import make_request
from drumjax.sampling.sampler import make_sampler
from drumjax.training.data import load_training_data
from drumjax.training.init_from import inherited_vocabulary
from drumjax.training.train import train

pytestmark = pytest.mark.slow

CODEC = EventCodec(None, Vocabulary(tuple(range(60, 68)), 24, (6, 12, 24), 4), ticks_per_beat=12, velocity_bins=4,
                   lookback_bars=1, lookback_beats=(1.0,), lookback_notes=16)  # fmt: skip
FREE = Controls(bars=4, style="rock", temperature=dict.fromkeys(("pitch", "duration", "velocity", "shift"), 1.0))


@functools.cache
def model():
    return make_model(CODEC, num_layers=1)


@functools.cache
def weights():
    return make_weights(model())


@functools.cache
def run_of_notes():
    return make_run(model(), CODEC, weights=weights())


def sample(edit=None, batch=3, **changes):
    """(samples, request, songs)."""
    pieces = [Piece(dataclasses.replace(FREE, **changes))] * batch
    request = make_request(run_of_notes(), pieces, range(batch), edit)
    samples = make_sampler(model(), CODEC)(weights(), jax.random.key(0), request)
    songs = collect_songs(CODEC, pieces, decode_samples(CODEC, samples, request))
    return jax.tree.map(np.asarray, samples), request, songs


def melody(seed=0, bars=2, time_signature=(4, 4), pitches=range(60, 68)):
    """A note or a chord on every 8th."""
    rng = np.random.default_rng(seed)
    beats = np.repeat(np.arange(0, bars * 4 * time_signature[0] / time_signature[1], 0.5), 2)
    pitch = rng.choice(list(pitches), len(beats))
    song = Song(make_notes(beats, np.full(len(beats), 0.5), pitch, rng.integers(20, 120, len(beats))),
                time_signature=time_signature, is_drums=False, program=4)  # fmt: skip
    return song


@functools.cache
def teacher():
    """A compiled (tokens, context) -> nats [B, fields] of whole sequences."""

    @jax.jit
    def nats(tokens, context):
        tick = clock(CODEC, tokens, 0)
        example = Example(tokens, tokens, place_of(CODEC, context, tick[:, :-1]), context)
        scores, *_ = score_tokens(model(), weights(), example, model().initial_carry(len(tokens)))
        return jnp.stack([score.nll for score in scores], axis=1)

    return nats


def test_the_sampler_says_the_nats_of_what_it_chose():
    samples, request, _ = sample()
    np.testing.assert_allclose(teacher()(samples.tokens, request.context), samples.nll, rtol=2e-4)


def test_samples_end_when_the_music_does():
    samples, request, songs = sample()
    tick = np.asarray(clock(CODEC, jnp.asarray(samples.tokens), 0))
    inside = tick[:, :-1] < request.end[:, None]
    np.testing.assert_array_equal(samples.tokens[..., 0] != ABSENT, inside)
    assert (tick[:, -1] >= request.end).all()
    for song in songs:
        assert song.notes.onset_beat.max() < 16
        assert (song.is_drums, song.program) == (False, 4)
        assert set(song.notes.pitch.tolist()) <= set(range(60, 68))


def test_what_exists_in_a_sample():
    tokens = sample()[0].tokens
    is_note = tokens[..., 0] > REST
    for i in (1, 2):
        np.testing.assert_array_equal(tokens[..., i] != ABSENT, is_note)
    for field, where in zip(CODEC.fields, field_slices(CODEC.fields), strict=True):
        assert tokens[..., where].max() < field.size


def test_so_many_notes_however_many_bars():
    _, _, songs = sample(num_notes=330)  # as many steps as the bars take, so that nothing is compiled
    assert [len(song.notes.pitch) for song in songs] == [330] * 3


def test_a_grid_cannot_count_notes():
    with pytest.raises(RequestError, match="note by note"):
        make_request(make_run(), [Piece(Controls(num_notes=5))], [0])


def test_the_guard_keeps_runs_from_coming_again():
    cold = dict.fromkeys(FREE.temperature, 0.3)
    free, guarded = (sample(temperature=cold, no_repeat=n)[0].tokens for n in (0, 3))

    def repeats(row):
        known = row[row != ABSENT]
        runs = [tuple(known[i : i + 3]) for i in range(len(known) - 2)]
        return len(runs) - len(set(runs))

    assert sum(map(repeats, guarded[..., 0])) == 0
    assert sum(map(repeats, free[..., 0])) > 0


def test_a_continuation_leaves_the_prompt_as_it_was():
    song = melody()
    samples, *_ = sample(continue_song(give(song, CODEC), CODEC, include=True))
    given = encode_given(give(song, CODEC), CODEC)
    count = (given[:, 0] != ABSENT).sum()
    for tokens in samples.tokens:
        np.testing.assert_array_equal(tokens[: count - 1], given[: count - 1])
        np.testing.assert_array_equal(tokens[count - 1, :3], given[count - 1, :3])
        assert tokens[count - 1, 3] != ABSENT  # when the next begins is for the model to say
        assert (tokens[count:, 0] > REST).sum() > 4


def test_humanizing_keeps_notes_and_about_their_times():
    song = melody(bars=4)
    _, _, songs = sample(humanize_song(give(song, CODEC), CODEC))
    velocities = set()
    for played in songs:
        unique = {(round(2 * b), p) for b, p in zip(song.notes.onset_beat, song.notes.pitch, strict=True)}
        assert {(round(2 * b), p) for b, p in zip(played.notes.onset_beat, played.notes.pitch, strict=True)} == unique
        assert len(played.notes.pitch) == len(unique)
        late = played.notes.onset_beat - np.round(played.notes.onset_beat * 2) / 2
        assert np.abs(late).max() <= 1 / 12 + 1e-6
        velocities.add(tuple(played.notes.velocity.tolist()))
    assert len(velocities) == 3


def test_what_only_a_grid_can_do_is_said():
    with pytest.raises(EditError, match="pitched instrument"):
        EditRequest(add=("hihat",), to="a.mid").make_edit(give(melody(), CODEC), FREE, run_of_notes(), 0)
    with pytest.raises(EditError, match="pitched instrument"):
        EditRequest(infill="1", to="a.mid").make_edit(give(melody(), CODEC), FREE, run_of_notes(), 0)
    from tiny import THREE_DRUMS, make_song

    drums = dataclasses.replace(CODEC, kit=THREE_DRUMS)
    given = give(make_song(0, 2), drums)
    with pytest.raises(EditError, match="trained on a grid"):
        add_drums(given, drums, THREE_DRUMS, ["kick"])


@pytest.mark.slow
def test_songs_are_scored_the_same_in_pieces_and_whole():
    songs = [melody(seed, bars) for seed, bars in ((0, 3), (1, 20), (2, 8))]
    (batch,) = encode_songs(songs, CODEC, STYLES)
    scores = make_song_scorer(model(), CODEC)(weights(), [batch])
    assert batch.tokens.shape[1] > CHUNK_STEPS
    whole = np.asarray(teacher()(jnp.asarray(batch.tokens), batch.context))
    for row, song in enumerate(batch.songs):
        np.testing.assert_allclose([score.nll[song] for score in scores], whole[row], rtol=1e-3)
        tokens = encode_given(give(songs[song], CODEC), CODEC)
        np.testing.assert_array_equal(batch.tokens[row, : len(tokens)], tokens)
        assert scores[0].count[song] == (tokens[:, 0] != ABSENT).sum()


# ---- as a user does it

CHANGES = {
    "data.instrument": "pitched", "codec.name": "events", "codec.kit": "", "codec.steps_per_beat": 12,
    "codec.expressive": True, "codec.max_duration_beats": 2.0, "model.lookback": True,
    "train.field_weights": {"pitch": 1.0, "duration": 1.0, "velocity": 0.5, "shift": 1.0},
    "train.window_notes": 24, "train.num_epochs": 6.0, "train.eval_every_epochs": 3.0, "sample.bars": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events") / "songs"
    folder.mkdir()
    for seed in range(10):
        write_midi(melody(seed, bars=12), folder / f"{seed}.mid")
    return folder


@pytest.fixture(scope="module")
def run(songs):
    """The folder of a run that was trained only in pretence."""
    pretended = Pretended()
    pretended.weights = make_weights
    pretended.will_score(itertools.repeat(1.0))
    with pytest.MonkeyPatch.context() as patch:
        pretended.install(patch)
        train(make_config(songs, CHANGES), songs.parent / "run", num_devices=1)
    return songs.parent


@pytest.mark.slow
def test_a_run_learns(songs, tmp_path, monkeypatch):
    pretended = Pretended()
    pretended.will_score(itertools.repeat(1.0))
    pretended.install_validation(monkeypatch)
    train(make_config(songs, CHANGES | {"train.log_every_steps": 30, "train.num_epochs": 5}), tmp_path, num_devices=1)
    rows = [row for row in read_metrics(tmp_path) if row["split"] == "train"]
    assert len(rows) > 2
    for field in ("pitch", "duration", "velocity", "shift"):
        assert rows[-1][f"nll/{field}"] < rows[0][f"nll/{field}"]


def test_a_run_knows_its_vocabulary_and_its_epochs(run):
    loaded = load_run(run / "run")
    assert isinstance(loaded.codec, EventCodec)
    assert loaded.codec.vocabulary.pitches == tuple(range(60, 68))
    assert loaded.codec.vocabulary.max_shift == 6
    assert loaded.codec.program == 4
    rows = [json.loads(line) for line in (run / "run" / "metrics.jsonl").read_text().splitlines()]
    # Windows of 24 notes, 4 at a time; those of 8 beats would be fewer.
    corpus = load_training_data(make_settings(make_config(run / "songs", CHANGES))).corpus
    assert max(row["step"] for row in rows) == round(6 * len(corpus.notes.pitch) / 24 / 4)
    assert {"accuracy/pitch", "accuracy/shift", "nll/duration"} <= set(rows[0])
    assert sum(row["split"] == "validation" for row in rows) == 2


@pytest.mark.slow
def test_its_samples_are_files_of_the_instrument(run, tmp_path):
    loaded = load_run(run / "run")
    shown = []
    write_samples(Job(make_plan(loaded, bars=2, bpm=100.0), 3), tmp_path, show=lambda *first: shown.append(first))
    song = read_midi(tmp_path / "000002.mid", instrument="pitched")
    assert song.program == 4
    assert len(shown) == 1
    page = write_gallery(tmp_path, None, "notes").read_text("utf-8")
    piece = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])["lists"][0]["pieces"][2]
    assert [note[1] for note in piece["lane"]["notes"]] == song.notes.pitch.tolist()
    assert "|" in piece["text"]


def test_a_prompt_from_the_held_out_songs_and_one_from_a_file(run, tmp_path, caplog):
    loaded = load_run(run / "run")
    song = EditRequest(prompt="random", prompt_bars=2).read(loaded, 3, None).song
    assert song.num_bars == 2
    assert "from bar" in song.name
    write_midi(dataclasses.replace(melody(), program=70), tmp_path / "mine.mid")
    assert len(EditRequest(prompt=str(tmp_path / "mine.mid")).read(loaded, 0, "3/4").song.notes.pitch) > 8
    (tmp_path / "a.tab").write_text("BD|o---|")
    with pytest.raises(MusicError, match="drum tab"):
        EditRequest(prompt=str(tmp_path / "a.tab")).read(loaded, 0, None)
    with pytest.raises(EditError, match="--kit is for drums"):
        EditRequest(prompt=str(tmp_path / "mine.mid"), kit="general_midi").read(loaded, 0, None)


def test_what_goes_on_or_starts_from_a_run_keeps_its_vocabulary(run, tmp_path):
    known = load_run(run / "run").codec.vocabulary
    with Checkpoints(tmp_path / "fresh") as fresh, Checkpoints(run / "run" / "checkpoints", read_only=True) as own:
        assert inherited_vocabulary(fresh, str(run / "run")) == known
        assert inherited_vocabulary(own, "") == known
        assert inherited_vocabulary(fresh, "") is None


def test_a_file_that_the_model_does_not_know(run, tmp_path, caplog):
    loaded = load_run(run / "run")
    write_midi(melody(pitches=range(100, 108)), tmp_path / "high.mid")
    with pytest.raises(MusicError, match="no note that this model knows; its pitches are MIDI 60 to 67"):
        EditRequest(prompt=str(tmp_path / "high.mid")).read(loaded, 0, None)
    write_midi(melody(pitches=range(64, 76)), tmp_path / "some.mid")
    with caplog.at_level("WARNING", logger="drumjax"):
        logging.getLogger("drumjax").propagate = True
        EditRequest(prompt=str(tmp_path / "some.mid")).read(loaded, 0, None)
    assert "pitches that this model does not know are kept as they are: 68 (1)" in caplog.text
