"""Blocks of samples: pieces, request, sampler, notes and songs, one after the other. Every sample of drumjax, from a
preview in training to a job of a million, comes from here.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.config.controls import Controls
from drumjax.music.notes import Array, Notes, Song
from drumjax.runs.run import Run
from drumjax.sampling.decode import collect_songs, decode_samples, drop_given
from drumjax.sampling.edits import Edit
from drumjax.sampling.piece import Piece, settle
from drumjax.sampling.plan import Plan
from drumjax.sampling.redraw import MAX_REDRAWS, STRIDE, find_lack, urge
from drumjax.sampling.request import Urge, make_request
from drumjax.sampling.rerank import make_reranker, ranking_of
from drumjax.sampling.sampler import make_sampler, needs
from drumjax.system.devices import loop_options
from drumjax.system.kept_programs import keep

# Blocks that each device has been given while one is written. More would only make Ctrl-C wait longer: a block that
# was begun cannot be taken back.
BLOCKS_AHEAD = 1


class Sample(NamedTuple):
    """One sample: its number in its job, the song, and the nats by field of what the model chose; how often it was
    drawn again, and what it lacks all the same (see redraw); what was asked for, of a mix its own part."""

    number: int
    song: Song
    nll: dict[str, float]
    redrawn: int = 0
    lacks: tuple[str, ...] = ()
    controls: Controls = Controls()


class Block(NamedTuple):
    """Samples that are being made: their pieces [B], and on the device their notes [B, N] and nats [B, fields]."""

    pieces: Sequence[Piece]
    notes: Notes
    nll: Array


def begin(
    run: Run,
    key: Array,
    pieces: Sequence[Piece],
    number: Sequence[int],
    edit: Edit | None = None,
    urge: Urge | None = None,
) -> Block:
    """Starts to sample the pieces [B], where the run's weights are, and does not wait for it.

    number is that of each piece; where draws are ranked, theirs are `number * draws` and on. urge is a Request's.
    """
    pieces = settle(pieces, number)
    ranking = ranking_of(run.codec, pieces[0], edit)
    repeated = [piece for piece in pieces for _ in range(ranking.draws)]
    numbers = [(i * ranking.draws + draw) % 2**31 for i in number for draw in range(ranking.draws)]
    request = make_request(run, repeated, numbers, edit, urge)
    options = loop_options(next(iter(jnp.asarray(key).devices())))
    how = needs(request, options)
    made = make_sampler(run.model, run.codec, options, **how)
    sampler = keep(made, run.model, run.codec, *how.values(), compiler_options=options)
    request = jax.device_put(request, getattr(key, "sharding", None))
    samples = sampler(run.weights, key, request)
    if ranking.draws > 1:
        samples, request = make_reranker(run.model, run.codec, ranking)(run.weights, samples, request)
    new = drop_given(run.codec, samples, request) if edit and edit.kept else samples
    return Block(pieces, decode_samples(run.codec, new, request), samples.nll)


def play(run: Run, key: Array, pieces: Sequence[Piece], number: Sequence[int] | None = None) -> list[Song]:
    """The songs [B] of the pieces [B], whose numbers are 0 and on unless they are given."""
    block = begin(run, key, pieces, range(len(pieces)) if number is None else number)
    return collect_songs(run.codec, pieces, block.notes)


def block_size(plan: Plan) -> int:
    """How many samples are made at once; block number b is those from b * block_size(plan) on."""
    draws = ranking_of(plan.run.codec, Piece(plan.controls), plan.edit).draws
    return max(1, plan.block_size // draws)


def sample_blocks(plan: Plan, num_samples: int, first: int = 0) -> Iterator[list[Sample]]:
    """Blocks of the samples number `first` and on, up to num_samples.

    The devices take turns, a whole block each, so that a sample does not depend on their number. Each is given its
    next BLOCKS_AHEAD blocks before one is handed out, so it does not wait for what is done with that.
    """
    if first >= num_samples:
        return
    run, edit, size = plan.run, plan.edit, block_size(plan)
    pieces = [Piece(plan.controls)] * size
    starts = range(first - first % size, num_samples, size)
    copies = []
    for device in jax.local_devices()[: len(starts)]:
        weights, key = jax.device_put((run.weights, jax.random.key(plan.seed)), device)
        copies.append((dataclasses.replace(run, weights=weights), key))

    def begin_at(start: int, copy: tuple[Run, Array]) -> tuple[int, tuple[Run, Array], Block]:
        block = begin(*copy, pieces, range(start, start + size), edit)
        for array in (*block.notes, block.nll):
            jnp.asarray(array).copy_to_host_async()
        return start, copy, block

    ahead = map(begin_at, starts, itertools.cycle(copies))
    begun = collections.deque(itertools.islice(ahead, BLOCKS_AHEAD * len(copies)))
    while begun:
        begun.extend(itertools.islice(ahead, 1))
        start, copy, block = begun.popleft()
        rows = range(max(first - start, 0), min(size, num_samples - start))
        yield _finish(copy, block, start, rows, edit)


def _finish(copy: tuple[Run, Array], block: Block, start: int, rows: range, edit: Edit | None) -> list[Sample]:
    """The samples in some rows of a block whose first has the number `start`; what lacks something is drawn again."""
    run, size = copy[0], len(block.pieces)
    names = [field.name for field in run.codec.fields]
    found: dict[int, Sample] = {}
    wanted = np.asarray(rows)
    for draw in range(MAX_REDRAWS + 1):
        at = wanted if draw == 0 else np.arange(len(wanted))  # where the wanted rows are in this block
        notes, nll = (jax.tree.map(lambda x, at=at: x[at], jax.device_get(x)) for x in (block.notes, block.nll))
        pieces = [block.pieces[int(i)] for i in at]
        lack = find_lack(edit, run.codec, notes)
        songs = collect_songs(run.codec, pieces, notes, edit)
        for i, (row, nats) in enumerate(zip(wanted.tolist(), nll.tolist(), strict=True)):
            song = dataclasses.replace(songs[i], name=f"{start + row:06d}")
            lacks = tuple(name for name, missing in zip(lack.names, lack.lacks[i], strict=True) if missing)
            named = dict(zip(names, nats, strict=True))
            found[row] = Sample(start + row, song, named, draw, lacks, pieces[i].controls)
        again = lack.lacks.any(axis=1)
        wanted = wanted[again]
        if not len(wanted) or draw == MAX_REDRAWS:
            break
        # As many rows as before, so that nothing compiles anew and no row depends on how many there are.
        some = np.resize(np.arange(len(wanted)), size)
        urged = urge(edit, run.codec, lack.lacks[again][some], draw + 1)
        number = (start + wanted[some] + (draw + 1) * STRIDE).tolist()
        block = begin(*copy, block.pieces, number, edit, urged)
    return [found[row] for row in rows]


def sample_songs(plan: Plan, num_samples: int, first: int = 0) -> Iterator[Sample]:
    """The samples number `first` and on, up to num_samples, one by one."""
    return itertools.chain.from_iterable(sample_blocks(plan, num_samples, first))
