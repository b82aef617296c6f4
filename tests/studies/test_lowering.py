"""The programs of the configs as TPUs and GPUs get them, and that what should not be in them is seen."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import make_song

from drumjax.codecs.factory import find_vocabulary
from drumjax.config.load import load_config
from drumjax.config.settings import make_settings
from drumjax.data.corpus import pack
from drumjax.models.interface import LSTMState
from drumjax.models.recurrence import UNROLL, lstm_layer
from drumjax.studies import lowering
from drumjax.studies.lowered import MAX_CONSTANT_BYTES, inspect
from drumjax.studies.lowering import corpus_rows, lower_all, make_row
from drumjax.studies.programs import trace_sampler
from drumjax.training.data import TrainingData
from drumjax.training.train import describe

PROGRAMS = ("training call", "augmentation", "sampler", "scorer")
STYLES, PLAYERS = ("", "jazz", "rock"), ("", "drummer1")
ROWS = 1009


def make_data(config: str, **overrides) -> tuple:
    """The settings of a config, and in the place of its dataset 400 songs, as many notes as Groove has."""
    settings = make_settings(load_config(config, overrides))
    pitches = (36, 38, 42, 46, 51) if settings.codec.kit else tuple(range(48, 84))
    songs = [make_song(seed, 64, notes_per_beat=3.5, pitches=pitches, style="rock") for seed in range(8)] * 50
    corpus, vocabulary = pack(songs, STYLES, PLAYERS), find_vocabulary(settings.codec, songs, transpose=6)
    return settings, TrainingData(corpus, [], STYLES, vocabulary, {"time_signatures": ["4/4"]}, PLAYERS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "target", "products"),
    [("rock", "cuda", "bf16"), ("piano", "tpu", "DEFAULT")],  # what is the default on a TPU is bfloat16
)
def test_a_tpu_and_a_gpu_get_programs_that_run_there_alone(config, target, products):
    """Without the host, float64, copies of what is given away, large constants, or work on the whole corpus."""
    settings, data = make_data(config)
    corpus_bytes = sum(np.asarray(column).nbytes for column in jax.tree.leaves(data.corpus))
    found = {program: lowered for program, on, lowered in lower_all(settings, data, (target,)) if on == target}
    assert found.keys() == set(PROGRAMS)
    for program, lowered in found.items():
        assert lowered.faults() == [], program
        # Random bits are made of a count in ui64.
        assert lowered.types <= {"f32", "i32", "ui32", "i1", "i8", "i16", "ui16", "ui64"}, program
        assert lowered.constant_bytes < 100_000, program
        assert (lowered.donated_bytes > 0) == (program in ("training call", "scorer"))
        assert (lowered.taken_bytes > 0) == (program in ("training call", "augmentation"))
        assert lowered.taken_bytes < corpus_bytes / 4
        if program == "scorer":
            assert lowered.products.keys() == {"HIGHEST"}
    assert found["training call"].products.keys() == {products}
    assert found["training call"].products.total() > 50


def test_several_steps_of_a_recurrence_are_one_on_a_gpu_alone():
    args = np.zeros((16, 2, 3)), np.zeros((3, 16)), np.zeros((4, 16)), np.zeros(16), LSTMState(*np.zeros((2, 2, 4)))
    traced = jax.jit(lstm_layer).trace(*jax.tree.map(np.float32, args))
    lowered = {on: inspect(traced.lower(lowering_platforms=(on,))) for on in ("tpu", "cuda")}
    # JAX 0.11 writes calls out.
    steps = {on: low.operations["call"] + low.operations["dot_general"] for on, low in lowered.items()}
    assert steps["cuda"] >= steps["tpu"] + UNROLL - 1


@pytest.mark.slow
def test_groove_differs_from_rock_in_its_sampler_alone():
    """So only that is lowered once more."""
    (settings, data), (rock, _) = make_data("groove"), make_data("rock")
    for group in ("data", "codec", "model", "augment", "train"):
        assert getattr(settings, group) == getattr(rock, group)
    traced = trace_sampler(describe(settings, data)[0])
    for platform in ("tpu", "cuda"):
        assert inspect(traced.lower(lowering_platforms=(platform,))).faults() == []


def lower(function, *shapes, donate=(), platform="cuda", rows=frozenset()):
    traced = jax.jit(function, donate_argnums=donate).trace(*(jax.ShapeDtypeStruct(s, np.float32) for s in shapes))
    return inspect(traced.lower(lowering_platforms=(platform,)), rows)


def test_what_calls_the_host_is_seen():
    def ask_the_host(x):
        return jax.pure_callback(np.sin, x, x)

    def loop(x):
        return jax.lax.fori_loop(0, 3, lambda i, x: jax.pure_callback(np.sin, x, x), x)

    for function in (ask_the_host, loop, lambda x: jax.debug.print("{}", x) or x):
        (fault,) = lower(function, (3,), platform="cpu").faults()
        assert "callback" in fault


def test_float64_is_seen():
    with jax.enable_x64(True):
        assert lower(lambda x: (x.astype(jnp.float64) * 2).astype(jnp.float32), (3,)).faults() == ["computes in f64"]
    assert lower(lambda x: x * 2, (3,)).faults() == []


def test_what_is_given_away_in_vain_is_seen():
    with pytest.warns(UserWarning, match="donated"):
        assert lower(lambda x: x.sum(), (3,), donate=0).faults() == ["does not reuse 1 donated arrays"]
    # What nothing needs is no argument any more, of which JAX does not warn.
    assert lower(lambda x, y: y + 1, (3,), (4,), donate=(0, 1)).faults() == ["does not reuse 1 donated arrays"]
    reused = lower(lambda x, y: x + y, (3,), (3,), donate=0)
    assert (reused.faults(), reused.donated_bytes, reused.argument_bytes) == ([], 12, 24)


def test_large_constants_are_seen():
    table = np.arange(MAX_CONSTANT_BYTES // 4 + 1, dtype=np.float32)
    assert lower(lambda x: x + table, table.shape).faults() == ["has a constant of 1.0 MB"]
    assert lower(lambda x: x + np.zeros_like(table), table.shape).faults() == []  # one number, repeated


def test_sums_that_are_products_of_vectors_are_seen():
    """A TPU or GPU rounds their operands, as it was once seen to do with the loss."""
    fault = "adds up by 1 products of two vectors, which a TPU or GPU rounds"
    assert lower(jnp.dot, (3,), (3,)).faults() == [fault]
    assert lower(jax.vmap(jnp.dot), (2, 3), (2, 3)).faults() == [fault]
    assert lower(lambda x, y: jnp.sum(x * y), (3,), (3,)).faults() == []
    assert lower(jnp.dot, (2, 3), (3,)).faults() == []


def in_a_loop(step):
    return lambda corpus, x: jax.lax.fori_loop(0, 3, lambda i, x: step(corpus, x, i), x)


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        (lambda corpus, x, i: x + jnp.cumsum(corpus)[i], ""),
        (lambda corpus, x, i: x + jnp.sort(corpus)[i], "sort"),
        (lambda corpus, x, i: x + (corpus * 2)[i], "multiply"),
        (lambda corpus, x, i: x + corpus.sum(), "reduce"),
        (lambda corpus, x, i: x + corpus[(jnp.arange(ROWS) + i) % ROWS][0], "gather"),
        (lambda corpus, x, i: x + jnp.roll(corpus, i)[0], "concatenate"),
    ],
)
def test_work_on_the_whole_corpus_in_a_step_is_seen(step, fault):
    found = lower(in_a_loop(step), (ROWS,), (), rows=frozenset({ROWS}))
    assert any(line.startswith(f"does {fault}") for line in found.faults())


def test_rows_of_the_corpus_are_counted():
    """Each time that a function is called."""

    @jax.jit
    def window(corpus, start):
        return corpus[start + jnp.arange(16)].sum()

    def step(corpus, x, i):
        return x + window(corpus, i) + window(corpus, i + 1) + jax.lax.dynamic_slice(corpus, (i,), (8,))[0]

    found = lower(in_a_loop(step), (ROWS,), (), rows=frozenset({ROWS}))
    assert found.faults() == []
    assert found.taken_bytes == 4 * (16 + 16 + 8)


def test_precisions_are_those_of_the_products():
    def products(x):
        return jnp.dot(jnp.dot(x, x), x, precision="highest")

    assert lower(products, (2, 2)).products == {"DEFAULT": 1, "HIGHEST": 1}
    with jax.default_matmul_precision("BF16_BF16_F32"):
        assert lower(functools.partial(jnp.dot, jnp.eye(2)), (2, 2)).products == {"bf16": 1}


def test_the_command_lists_and_judges(monkeypatch, capsys, tmp_path):
    good = lower(lambda x: x + 1, (3,), donate=0)
    bad = good._replace(types=frozenset({"f64"}))
    monkeypatch.setattr(lowering, "load_training_data", lambda settings: None)
    for programs, status in (([good], 0), ([good, bad], 1)):
        found = [("sampler", "tpu", program) for program in programs]
        monkeypatch.setattr(lowering, "lower_all", lambda settings, data, targets, found=found: found)
        argv = ["lowering", "--config", "tiny", "--output", str(tmp_path / "found.json")]
        monkeypatch.setattr("sys.argv", argv)
        assert lowering.main() == status
        assert ("computes in f64" in capsys.readouterr().out) == bool(status)
    assert "computes in f64" in (tmp_path / "found.json").read_text()
    assert make_row("tiny", "sampler", "tpu", good)["faults"] == "none"


def test_the_corpus_is_known_by_its_columns():
    _, data = make_data("rock")
    corpus = data.corpus
    assert corpus_rows(data) == {len(corpus.notes.pitch), len(corpus.beat_song), len(corpus.beat_song) + 1}
