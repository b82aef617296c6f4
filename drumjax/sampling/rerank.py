"""Reranking: of several draws the one that fits best to what comes after it, or that begins best."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from drumjax.codecs.base import Codec, clock
from drumjax.models.interface import Weights
from drumjax.models.model import Model
from drumjax.models.scoring import Example, place_of, score_tokens
from drumjax.music.notes import Array
from drumjax.sampling.edits import Edit
from drumjax.sampling.piece import Piece
from drumjax.sampling.request import Request, Samples

# A free piece, or what a prompt is gone on with, is ranked by so many bars.
OPENING_BARS = 4


class Ranking(NamedTuple):
    """How many samples are drawn for each that is wanted, and what decides between them: the likelihood of the steps
    [first, last), of all fields or, with `hits_only`, of the first."""

    draws: int
    first: int = 0
    last: int = 0
    hits_only: bool = False


def ranking_of(codec: Codec, piece: Piece, edit: Edit | None) -> Ranking:
    """How the draws for a piece are ranked: those of an edit as it says, others by their opening (best_of)."""
    best_of = piece.controls.best_of
    if edit and edit.draws > 1:
        return Ranking(edit.draws, *edit.ranked_by)
    if best_of == 1 or (edit and edit.name != "continue"):
        return Ranking(1)
    first = len(edit.clamp) if edit else 0
    return Ranking(best_of, first, first + codec.num_steps(OPENING_BARS * piece.beats_per_bar, 0), hits_only=True)


Reranker = Callable[[Weights, Samples, Request], tuple[Samples, Request]]


@functools.lru_cache(maxsize=8)
def make_reranker(model: Model, codec: Codec, ranking: Ranking) -> Reranker:
    """A compiled function (weights, samples [B * draws], request) -> (samples [B], request [B]).

    Of each `draws` samples in a row it takes the one whose steps are likeliest, under the model conditioned as it was
    when they were drawn.
    """
    first, last = ranking.first, ranking.last

    def score(weights: Weights, samples: Samples, request: Request) -> Array:
        """Nats [B * draws] of the steps, all fields together."""
        tokens, carry = samples.tokens, model.initial_carry(samples.tokens.shape[0])
        nats: Array = jnp.zeros(len(tokens))
        place = place_of(codec, request.context, clock(codec, tokens, 0)[:, :-1])
        for begin, end in ((0, first), (first, last)) if first else ((0, last),):
            here = jax.tree.map(lambda x, begin=begin, end=end: x[:, begin:end], place)
            part = tokens[:, begin:end]
            example = Example(part, part, here, request.context)
            before = tokens[:, begin - 1] if begin else None
            scores, carry, _ = score_tokens(model, weights, example, carry, first=before)
            nats = sum((s.nll for s in scores[: 1 if ranking.hits_only else None]), jnp.zeros(len(tokens)))
        return nats

    @jax.jit
    def rerank(weights: Weights, samples: Samples, request: Request):
        nats = score(weights, samples, request).reshape(-1, ranking.draws)
        best = jnp.argmin(nats, axis=1) + ranking.draws * jnp.arange(len(nats))
        batch = samples.tokens.shape[0]

        def pick(x):
            return x[best] if x.shape[:1] == (batch,) else x

        return Samples(*map(pick, samples)), request._replace(
            number=request.number[best],
            context=jax.tree.map(pick, request.context),
            clamp=request.clamp[best],
            keep=request.keep[best],
            end=request.end[best],
            opening_end=request.opening_end[best],
            urge=jax.tree.map(pick, request.urge),
            course=jax.tree.map(pick, request.course),
        )

    return rerank
