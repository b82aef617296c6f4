"""drumjax samples: its compiled sampler, with random parameters, or as the model that comes with drumjax.

What a sampler of velocity and timing takes depends on how many drums are hit together, and random parameters hit far
more of them than a trained model does.
"""

import dataclasses
import time
from typing import Any

import jax

from benchmarks.contender import Contender, Figures, Repeat
from benchmarks.contenders.drumjax_run import read_settings
from benchmarks.contenders.jax_threads import threads
from drumjax.codecs.factory import make_codec
from drumjax.config.controls import Controls
from drumjax.runs.pretrained import find_model
from drumjax.runs.run import Run, load_run, make_model
from drumjax.sampling.blocks import begin
from drumjax.sampling.piece import Piece
from drumjax.sampling.request import make_request
from drumjax.sampling.sampler import make_sampler, needs
from drumjax.system.devices import loop_options

STYLES = ("", "rock")
Changes = dict[str, Any]  # of a config, by dotted name


def make_run(config: str, changes: Changes) -> Run:
    """A run of this config with random parameters."""
    settings = read_settings(config, changes)
    codec = make_codec(settings.codec)
    model = make_model(settings, codec, len(STYLES))
    return Run(settings, codec, model, jax.jit(model.init)(jax.random.key(0)), STYLES)


def play(model: str, batch: int, bars: int, controls: dict[str, Any]) -> Contender:
    """A block of grooves as run_sample.py makes them by a model that comes with drumjax, up to their notes on the
    device; seconds per block."""

    def make() -> Repeat:
        run = load_run(find_model(model))
        temperature = {field.name: 1.0 for field in run.codec.fields}
        piece = Piece(dataclasses.replace(Controls(bars=bars, temperature=temperature), **controls))
        key = jax.random.key(0)

        def repeat() -> Figures:
            start = time.perf_counter()
            jax.block_until_ready(begin(run, key, [piece] * batch, range(batch)).notes)
            return {"seconds": time.perf_counter() - start}

        return repeat

    return Contender({"": make}, threads)


def sample(batch: int, bars: int, config: str = "", changes: Changes | None = None, model: str = "") -> Contender:
    """Grooves of `bars` bars at temperature 1, by random parameters of a config or by a model that comes with drumjax;
    seconds per batch of samples."""

    def make() -> Repeat:
        run = load_run(find_model(model)) if model else make_run(config, changes or {})
        controls = Controls(bars=bars, temperature={field.name: 1.0 for field in run.codec.fields})
        request = make_request(run, [Piece(controls)] * batch, range(batch))
        key = jax.random.key(0)
        options = loop_options(jax.devices()[0])
        sampler = make_sampler(run.model, run.codec, options, **needs(request, options))

        def repeat() -> Figures:
            start = time.perf_counter()
            jax.block_until_ready(sampler(run.weights, key, request))
            return {"seconds": time.perf_counter() - start}

        return repeat

    return Contender({"": make}, threads)
