"""drumjax samples: its compiled sampler, with random parameters."""

import dataclasses
import time
from typing import Any

import jax

from benchmarks.contender import Contender, Figures, Repeat
from benchmarks.contenders.drumjax_run import read_settings
from benchmarks.contenders.jax_threads import threads
from drumjax.codecs.factory import make_codec
from drumjax.config.controls import Controls
from drumjax.runs.run import Run, make_model
from drumjax.sampling.blocks import begin
from drumjax.sampling.piece import Piece
from drumjax.sampling.request import make_request
from drumjax.sampling.sampler import make_sampler

STYLES = ("", "rock")


def play(config: str, changes: dict[str, Any], batch: int, bars: int, controls: dict[str, Any]) -> Contender:
    """A block of grooves as run_sample.py makes them, up to their notes on the device; seconds per block."""
    settings = read_settings(config, changes)

    def make() -> Repeat:
        codec = make_codec(settings.codec)
        model = make_model(settings, codec, len(STYLES))
        run = Run(settings, codec, model, jax.jit(model.init)(jax.random.key(0)), STYLES)
        temperature = {field.name: 1.0 for field in codec.fields}
        piece = Piece(dataclasses.replace(Controls(bars=bars, temperature=temperature), **controls))
        key = jax.random.key(0)

        def repeat() -> Figures:
            start = time.perf_counter()
            jax.block_until_ready(begin(run, key, [piece] * batch, range(batch)).notes)
            return {"seconds": time.perf_counter() - start}

        return repeat

    return Contender({"": make}, threads)


def sample(config: str, changes: dict[str, Any], batch: int, bars: int) -> Contender:
    """Grooves of `bars` bars at temperature 1; seconds per batch of samples."""
    settings = read_settings(config, changes)

    def make() -> Repeat:
        codec = make_codec(settings.codec)
        model = make_model(settings, codec, len(STYLES))
        run = Run(settings, codec, model, jax.jit(model.init)(jax.random.key(0)), STYLES)
        controls = Controls(bars=bars, temperature={field.name: 1.0 for field in codec.fields})
        request = make_request(run, [Piece(controls)] * batch, range(batch))
        sampler = make_sampler(model, codec)
        key = jax.random.key(0)

        def repeat() -> Figures:
            start = time.perf_counter()
            jax.block_until_ready(sampler(run.weights, key, request))
            return {"seconds": time.perf_counter() - start}

        return repeat

    return Contender({"": make}, threads)
