"""Reranking: of several draws the one that fits best to what comes after it."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from drumjax.codecs.base import Codec, clock
from drumjax.models.interface import Weights
from drumjax.models.model import Model
from drumjax.models.scoring import Example, place_of, score_tokens
from drumjax.sampling.request import Request, Samples

Reranker = Callable[[Weights, Samples, Request, int], tuple[Samples, Request]]


@functools.lru_cache(maxsize=8)
def make_reranker(model: Model, codec: Codec, first: int, last: int) -> Reranker:
    """A compiled function (weights, samples [B * draws], request, draws) -> (samples [B], request [B]).

    Of each `draws` samples in a row it takes the one under which the tokens of the steps [first, last) are likeliest.
    """

    def score(weights: Weights, samples: Samples, request: Request) -> jax.Array:
        """Nats [B * draws] of the steps, all fields together."""
        tokens, carry = samples.tokens, model.initial_carry(samples.tokens.shape[0])
        place = place_of(codec, request.context, clock(codec, tokens, 0)[:, :-1])
        parts = []
        for begin, end in ((0, first), (first, last)):
            here = jax.tree.map(lambda x, begin=begin, end=end: x[:, begin:end], place)
            part = tokens[:, begin:end]
            example = Example(part, part, here, request.context)
            before = tokens[:, begin - 1] if begin else None
            scores, carry, _ = score_tokens(model, weights, example, carry, first=before)
            parts.append(sum(s.nll for s in scores))
        return jnp.asarray(parts[1])

    @functools.partial(jax.jit, static_argnums=(3,))
    def rerank(weights: Weights, samples: Samples, request: Request, draws: int):
        nats = score(weights, samples, request).reshape(-1, draws)
        best = jnp.argmin(nats, axis=1) + draws * jnp.arange(len(nats))
        batch = samples.tokens.shape[0]

        def pick(x):
            return x[best] if x.shape[:1] == (batch,) else x

        return Samples(*map(pick, samples)), request._replace(
            number=request.number[best],
            context=jax.tree.map(pick, request.context),
            clamp=request.clamp[best],
            keep=request.keep[best],
            end=request.end[best],
            urge=jax.tree.map(pick, request.urge),
        )

    return rerank
