"""Samples that lack what was asked for are drawn again: those without a note, and those in which a drum that was to be
added takes no part.

A sample depends on its number alone; its later draws have numbers of their own, so that they do, too. Where drums were
asked for, each draw urges them a little more as long as they are behind what is usual, so what comes out is as near to
the model's own choice as it can be.
"""

import collections
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from drumjax.codecs.base import Codec
from drumjax.music.notes import Context, Notes
from drumjax.sampling.edits import Edit
from drumjax.sampling.request import Urge

MAX_REDRAWS = 12
# Numbers of draws are so far apart: no job has as many samples.
STRIDE = 10_000_000
# By how many nats more a drum that is to be added is urged at each draw.
URGE_NATS = 0.75
SILENT = "notes"  # what a sample without any lacks


class Lack(NamedTuple):
    """What each of B samples lacks: names [K], and whether it does, [B, K]."""

    names: tuple[str, ...]
    lacks: np.ndarray


def find_lack(edit: Edit | None, codec: Codec, new: Notes) -> Lack:
    """What the new notes [B, N], given ones left out, lack of what an edit, or free sampling, asks for."""
    mask, pitch = np.asarray(new.mask), np.asarray(new.pitch)
    if edit is None or edit.name == "continue":
        return Lack((SILENT,), np.logical_not(mask.any(axis=1))[:, None])
    if not edit.wanted:
        return Lack((), np.zeros((len(mask), 0), bool))
    assert codec.kit is not None
    drum = codec.kit.class_table()[pitch]
    columns = [(mask & (drum == k)).sum(axis=1) < hits for k, hits, _ in edit.wanted]
    return Lack(tuple(codec.kit.names[k] for k, *_ in edit.wanted), np.stack(columns, axis=1))


def urge(edit: Edit | None, codec: Codec, lacks: np.ndarray, draw: int) -> Urge | None:
    """What samples that lack drums [B, K] are urged to at that draw; None where no drums are asked for."""
    if edit is None or not edit.wanted:
        return None
    nats = np.zeros((len(lacks), codec.num_voices), np.float32)
    pace = np.zeros_like(nats)
    for column, (k, _, hits_per_beat) in enumerate(edit.wanted):
        nats[:, k] = draw * URGE_NATS * lacks[:, column]
        pace[:, k] = hits_per_beat / float(codec.to_ticks(Context(), 1.0))
    return Urge(nats, pace)


def describe_redraws(redrawn: Sequence[int], lacks: Sequence[Sequence[str]]) -> list[str]:
    """Lines about samples, of which each was drawn again so often, and still lacks these; [] if there is nothing to
    say."""
    lines = []
    count = sum(number > 0 for number in redrawn)
    if count:
        lines.append(f"drawn again until what was asked for was in them: {count} of {len(redrawn)} pieces")
    for name, number in sorted(collections.Counter(name for names in lacks for name in names).items()):
        lines.append(f"no or too few {name} after {MAX_REDRAWS} draws more: {number} of {len(redrawn)} pieces")
    return lines
