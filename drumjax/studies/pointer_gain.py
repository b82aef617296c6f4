"""What a suffix pointer adds to a model: `python -m drumjax.studies.pointer_gain --workdir W`.

The model's distribution of the first field (a chord of the grid, the pitch of a note) is mixed with the votes of the
song's own past (evaluate/baselines/suffix_pointer.py), after the training. The share of the votes is one number, or one
for each class of the best match; fitted on every other song of the validation split, and judged on the rest, both ways.
Nats per step. A model that has the pointer itself should gain nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from drumjax.codecs.base import ABSENT, clock
from drumjax.evaluate.baselines.suffix_pointer import NUM_CLASSES, classes_of, fit_share, vote
from drumjax.evaluate.held_out import compare_with
from drumjax.models.scoring import cross_entropy, place_of
from drumjax.models.song_scoring import CHUNK_STEPS, PRECISION, SongBatch, encode_songs
from drumjax.music.notes import Song
from drumjax.runs.run import Run
from drumjax.studies.command import Amount, ask, make_table

NUM_SONGS = Amount("num_songs", 1_000_000, "at most so many songs")


class Steps(NamedTuple):
    """Of the steps of a song [T]: the odds of the true value by the model and by the votes, and the class of the best
    match, -1 where nobody votes."""

    model: np.ndarray
    votes: np.ndarray
    match: np.ndarray


def find_steps(run: Run, songs: Sequence[Song]) -> list[Steps]:
    """Of each song."""
    read = _make_reader(run)
    found: dict[int, Steps] = {}
    for batch in encode_songs(songs, run.codec, run.styles):
        odds, when, bar = read(batch)
        for row, index in enumerate(batch.songs):
            is_there = batch.tokens[row, :, 0] != ABSENT
            values = batch.tokens[row, is_there, 0]
            found[int(index)] = judge_past(run, values, odds[row, is_there], when[row, is_there], bar[row])
    return [found[index] for index in range(len(songs))]


def judge_past(run: Run, values: np.ndarray, odds: np.ndarray, when: np.ndarray, bar: int) -> Steps:
    """How the votes of a song's values [T] at ticks [T] do, of which a bar has so many, beside the model's odds [T]."""
    votes = vote(values, run.codec.fields[0].size, run.codec.grid or 1, bar, when)
    return Steps(odds, votes.odds[np.arange(len(values)), values], classes_of(votes.best))


def compare(songs: Sequence[Steps]) -> list[dict[str, Any]]:
    """Rows: the model alone, and with the votes by one share or by match; of even songs, of odd ones, of all."""
    halves = songs[::2], songs[1::2]
    rows = []
    for name in ("the model", "with the pointer, one share", "with the pointer, share by match"):
        nats = []
        for fitted, judged in (halves[::-1], halves):
            shares = _fit(fitted, name)
            nats.append(np.concatenate([_mix(song, shares) for song in judged] or [np.zeros(0)]))
        rows.append({
            "first field": name,
            "even songs": float(nats[0].mean()) if len(nats[0]) else float("nan"),
            "odd songs": float(nats[1].mean()) if len(nats[1]) else float("nan"),
            "all": float(np.concatenate(nats).mean()),
        })  # fmt: skip
    return rows


def _fit(songs: Sequence[Steps], name: str) -> np.ndarray:
    """The share of the votes in each class."""
    if name == "the model":
        return np.zeros(NUM_CLASSES)

    def fit(classes: Sequence[int]) -> float:
        where = [np.isin(song.match, classes) for song in songs]
        return fit_share([(s.votes[w], s.model[w]) for s, w in zip(songs, where, strict=True)])

    every = range(NUM_CLASSES)
    if name == "with the pointer, one share":
        return np.full(NUM_CLASSES, fit(list(every)))
    return np.asarray([fit([k]) for k in every])


def _mix(song: Steps, shares: np.ndarray) -> np.ndarray:
    """Nats [T] of the mixture."""
    share = np.append(shares, 0.0)[song.match]
    return -np.log(np.maximum((1 - share) * song.model + share * song.votes, 1e-30))


def _make_reader(run: Run) -> Callable[[SongBatch], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(batch) -> the model's odds of the first field [B, T], the ticks [B, T], and how many a bar has [B]."""
    model, codec = run.model, run.codec

    @jax.jit
    def read_chunk(weights, tokens, first, start, carry, context):
        tick = clock(codec, tokens, start)
        previous = jnp.concatenate([first[:, None], tokens[:, :-1]], axis=1)
        place = place_of(codec, context, tick[:, :-1])
        with jax.default_matmul_precision(PRECISION):
            hidden, carry, _ = model.apply(weights, previous, place, context, carry)
            logits = model.head(weights, 0, hidden, tokens)[:, :, 0]
        nll = cross_entropy(logits, jnp.maximum(tokens[..., 0].T, 0))
        return (jnp.exp(-nll).T, place.tick, place.bar_ticks), carry, tick[:, -1]

    def read(batch: SongBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        carry, tick = model.initial_carry(len(batch.tokens)), np.zeros(len(batch.tokens), np.int32)
        first, parts = np.full_like(batch.tokens[:, 0], ABSENT), []
        for begin in range(0, batch.tokens.shape[1], CHUNK_STEPS):
            tokens = batch.tokens[:, begin : begin + CHUNK_STEPS]
            part, carry, tick = read_chunk(run.weights, tokens, first, tick, carry, batch.context)
            parts.append(jax.tree.map(np.asarray, part))
            first = tokens[:, -1]
        odds, when, bars = (np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True))
        return odds, when, bars[:, 0]

    return read


def answer(run: Run, num_songs: int) -> list[dict[str, Any]]:
    """The rows of compare, of the songs that the run is judged by."""
    return compare(find_steps(run, compare_with(run, "validation").chosen[:num_songs]))


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.studies.pointer_gain", __doc__, NUM_SONGS, answer, make_table))
