"""Songs, codec and models small enough that a test of the compiled parts takes a second or two.

What is made here is cached: tests that ask for the same model share its parameters, and what was compiled for it.
"""

import dataclasses
import functools
import zlib

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from configs import default
from drumjax.codecs.grid import GridCodec
from drumjax.config.conditions import CONDITIONS
from drumjax.config.model import ModelSettings
from drumjax.config.settings import make_settings
from drumjax.models.initial import Keys, draw_all
from drumjax.models.interface import Shape, Weights
from drumjax.models.model import Model
from drumjax.music.kits import Kit
from drumjax.music.metre import metre_id
from drumjax.music.notes import Context, Song, make_notes
from drumjax.runs.run import Run

THREE_DRUMS = Kit("three", ("kick", "snare", "hat"), ("BD", "SD", "HH"), ((36,), (38, 40), (42, 44)), (36, 38, 42))

# Three fields, like the codec that people use; eight chords, and bars of at most 16 steps.
CODEC = GridCodec(THREE_DRUMS, steps_per_beat=2, expressive=True, velocity_bins=4, offset_bins=4, lookback_bars=2)
NUM_VARIABLES = 7
NUM_STYLES = 3
STYLES = ("", "jazz", "rock")
PLAYERS = ("", "drummer1")


def make_module(cls, *args):
    """A part of a network by itself, with parameters."""
    module = cls(*args, Keys())
    nnx.update(module, draw_all(nnx.state(module, nnx.Param), jax.random.key(0)))
    return module


def make_song(seed: int, bars: int, time_signature=(4, 4), *, notes_per_beat=2.0, pitches=(36, 38, 40, 42, 44), **rest):
    """A random song that fills its bars."""
    rng = np.random.default_rng(seed)
    beats = bars * 4 * time_signature[0] / time_signature[1]
    num = max(2, int(beats * notes_per_beat))
    onset = np.concatenate([[0.0, beats - 0.3], rng.uniform(0, beats - 0.3, num - 2)])
    notes = make_notes(onset, np.full(num, 0.1), rng.choice(pitches, num), rng.integers(1, 128, num))
    song = Song(notes, time_signature=time_signature, **rest)
    assert song.num_bars == bars
    return song


def make_context(*, tempo_bpm=120.0, time_signature=(4, 4), style=2, fill=1, start_beat=0.0) -> Context:
    """Scalars."""
    return Context(
        tempo_bpm=np.float32(tempo_bpm),
        beats_per_bar=np.float32(4 * time_signature[0] / time_signature[1]),
        metre=np.int32(metre_id(time_signature)),
        style=np.int32(style),
        fill=np.int32(fill),
        start_beat=np.float32(start_beat),
    )


def stack(trees):
    """A batch of the trees."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)


def random_tokens(seed: int, *shape: int, codec: GridCodec = CODEC) -> np.ndarray:
    """Tokens [*shape, F] such as the codec makes: variables exist where there is a hit."""
    rng = np.random.default_rng(seed)
    num = codec.kit.num_classes
    hits = rng.integers(0, 2**num, shape)
    if not codec.expressive:
        return hits[..., None].astype(np.int32)
    is_hit = (hits[..., None] >> np.arange(num)) & 1 == 1
    columns = [hits[..., None]]
    for bins in (codec.velocity_bins, codec.offset_bins):
        columns.append(np.where(is_hit, rng.integers(0, bins, (*shape, num)), -1))
    return np.concatenate(columns, axis=-1).astype(np.int32)


def make_model_settings(**changes) -> ModelSettings:
    parts = {field.name: True for field in dataclasses.fields(ModelSettings) if field.type is bool}
    sizes = {"hidden_size": 8, "num_layers": 2, "embed_size": 6, "pointer_beats": 6}
    conditions = tuple(CONDITIONS)
    return ModelSettings(**{**parts, **sizes, "norm": "none", "residual": False, "conditions": conditions, **changes})


@functools.cache
def make_model(codec: GridCodec = CODEC, **changes) -> Model:
    settings = make_model_settings(**changes)
    settings = dataclasses.replace(settings, pointer=settings.lags(codec.grid) > 0)
    num_lookbacks = codec.num_lookbacks if settings.lookback else 0
    shape = Shape(codec.num_positions, num_lookbacks, codec.memory_steps, NUM_STYLES, codec.grid, len(PLAYERS))
    return Model(settings, codec.fields, shape)


def make_bare_model(codec: GridCodec = CODEC, **changes) -> Model:
    """One layer and the heads, which compile in half the time, for tests that are not about what a model hears."""
    parts = ("position", "skip", "lookback", "copy", "features", "pointer")
    return make_model(codec, num_layers=1, **dict.fromkeys(parts, False), **changes)


@functools.cache
def make_weights(model: Model, seed: int = 0) -> Weights:
    """Random numbers in the place of all parameters, so that every part of the model has its say.

    Made by numpy: compiling `Model.init` takes longer than most of the tests. Of each parameter's name, so that one
    more leaves the others as they are.
    """

    def draw(path, p):
        rng = np.random.default_rng([seed, zlib.crc32(jax.tree_util.keystr(path).encode())])
        return jnp.asarray(rng.normal(scale=0.4, size=p.shape), jnp.float32)

    with jax.ensure_compile_time_eval():  # who traces a function that is the first to ask is given arrays, too
        params, stats = jax.eval_shape(model.init, jax.random.key(0))
        params = jax.tree_util.tree_map_with_path(draw, params)
        stats = {
            name: {"mean": jnp.zeros(s["mean"].shape), "var": jnp.ones(s["var"].shape)} for name, s in stats.items()
        }
        return Weights(params, stats)


@functools.cache
def zero_weights(model: Model) -> Weights:
    params, stats = make_weights(model)
    return Weights(jax.tree.map(jnp.zeros_like, params), stats)


@functools.cache
def make_teacher(model: Model, codec: GridCodec = CODEC):
    """A compiled (weights, tokens [B, T, F], context) -> logits [B, T, ...] per field, each step given the true
    tokens before it."""

    @jax.jit
    def logits(weights, tokens, context):
        place = jax.vmap(lambda c: codec.place(c, jnp.arange(tokens.shape[1])))(context)
        previous = jnp.concatenate([jnp.full_like(tokens[:, :1], -1), tokens[:, :-1]], axis=1)
        hidden, *_ = model.apply(weights, previous, place, context, model.initial_carry(tokens.shape[0]))
        return [jnp.swapaxes(model.head(weights, i, hidden, tokens), 0, 1) for i in range(len(model.fields))]

    return logits


def make_run(model: Model | None = None, codec=CODEC, *, weights: Weights | None = None, step: int = 1) -> Run:
    """A run of the default settings with a tiny model."""
    model = model or make_model(codec)
    settings = make_settings(default.get_config().to_dict())
    return Run(settings, codec, model, weights or make_weights(model), STYLES, step=step, players=PLAYERS)
