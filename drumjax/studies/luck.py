"""How long a drummer's luck lasts, by which `--humanize` lets the luck of what it plays last.

    python -m drumjax.studies.luck --workdir runs/groove

Every hit of a performance falls somewhere in the distribution that the model has for its timing where it knows the hits
and no earlier timing. Those places, as normal numbers, would be independent of one another if the notes said all there
is to say. A row per split: their correlation between steps (the first drum of each) so many steps apart, and of the
first and second drum of a step; and those of what sampling/luck.py draws.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from drumjax.codecs.base import ABSENT, clock, field_slices
from drumjax.data.datasets import load_dataset
from drumjax.data.selection import select
from drumjax.models.coming import hits_ahead
from drumjax.models.scoring import place_of
from drumjax.runs.run import Run
from drumjax.sampling.luck import draw_luck, share_luck
from drumjax.studies.command import Amount, StudyError, ask, make_table
from drumjax.studies.hits import Excerpts, cut
from drumjax.studies.humanization import check_grid

LAGS = (1, 2, 3, 4, 6, 8, 16, 32, 64)
BATCH = 16
EXCERPTS = Amount("excerpts", 640, "stretches of 16 bars of each split, at most")
TIMING = 2  # the field


def answer(run: Run, excerpts: int) -> list[dict[str, Any]]:
    """The rows. Raises StudyError for a model whose drums do not hear each other."""
    codec = check_grid(run)
    if not run.model.is_joint(TIMING):
        raise StudyError("the drums of this model do not hear each other (config.model.joint_units is 0)")
    songs = load_dataset(run.settings.data).songs
    filters = {**dataclasses.asdict(run.settings.validation), "fill": "beat", "time_signatures": ("4/4",)}
    rows = []
    for split in ("train", "validation"):
        found = cut(select(songs, split=split, **filters), codec, run.styles)
        some = np.random.default_rng(0).permutation(len(found.tokens))[:excerpts]
        chosen = Excerpts(
            found.tokens[some], jax.tree.map(lambda x, some=some: x[some], found.context), found.song[some]
        )
        rows.append({"split": split, **describe(*split_drums(find_places(run, chosen)))})
    rows.append({"split": "as drawn", **describe(*draw(256, 256, codec.grid))})
    return rows


def find_places(run: Run, excerpts: Excerpts) -> np.ndarray:
    """[E, T, drums]: where each hit falls in its distribution, as a normal number; NaN where there is none."""
    model, codec = run.model, run.codec
    where = field_slices(model.fields)[TIMING]

    @jax.jit
    def share_below(weights, tokens, context):
        inputs = tokens.at[..., where].set(ABSENT)
        previous = jnp.concatenate([jnp.full_like(inputs[:, :1], ABSENT), inputs[:, :-1]], axis=1)
        place = place_of(codec, context, clock(codec, tokens, 0)[:, :-1])
        ahead = None
        if model.steps_ahead:
            ahead = hits_ahead(tokens[..., 0], model.steps_ahead, jnp.ones(len(tokens), bool))
        carry = model.initial_carry(len(tokens))
        hidden, *_ = model.apply(weights, previous, place, context, carry, ahead=ahead)
        odds = jax.nn.softmax(model.head(weights, TIMING, hidden, tokens))
        value = jnp.swapaxes(tokens[..., where], 0, 1)[..., None]
        at = jnp.maximum(value, 0)
        mine, up_to = (jnp.take_along_axis(x, at, axis=-1) for x in (odds, jnp.cumsum(odds, axis=-1)))
        return jnp.swapaxes(jnp.where(value >= 0, up_to - mine / 2, jnp.nan)[..., 0], 0, 1)

    parts = []
    for first in range(0, len(excerpts.tokens), BATCH):
        rows = np.resize(np.arange(first, min(first + BATCH, len(excerpts.tokens))), BATCH)
        context = jax.tree.map(lambda x, rows=rows: x[rows], excerpts.context)
        found = np.asarray(share_below(run.weights, jnp.asarray(excerpts.tokens[rows]), context))
        parts.append(found[: len(excerpts.tokens) - first])
    return scipy.stats.norm.ppf(np.clip(np.concatenate(parts), 1e-3, 1 - 1e-3))


def split_drums(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of places [E, T, drums] those of the first drum of each step [E, T], and of the second, NaN where there is
    none."""
    order = np.argsort(np.isnan(places), axis=2, kind="stable")
    first, second = np.moveaxis(np.take_along_axis(places, order[..., :2], axis=2), 2, 0)
    return first, second


def draw(num: int, num_steps: int, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """What would be drawn for the first and for another drum of every step: normal numbers [num, T]."""

    @jax.jit
    @jax.vmap
    def numbers(key):
        keys = jax.random.split(key)
        luck = draw_luck(keys[0], num_steps, grid)
        uniform = jax.random.uniform(keys[1], (2, num_steps))
        return share_luck(uniform[0], luck, True), share_luck(uniform[1], luck, False)

    first, other = numbers(jax.random.split(jax.random.key(0), num))
    return scipy.stats.norm.ppf(np.asarray(first, np.float64)), scipy.stats.norm.ppf(np.asarray(other, np.float64))


def describe(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Spread of the numbers [E, T], correlation by lag, and of both drums of a step."""
    lags = {f"lag {lag}": correlate(first[:, :-lag], first[:, lag:]) for lag in LAGS}
    return {"spread": float(np.nanstd(first)), **lags, "two drums": correlate(first, second)}


def correlate(a: np.ndarray, b: np.ndarray) -> float:
    """Where both are there."""
    both = ~np.isnan(a) & ~np.isnan(b)
    return float(np.corrcoef(a[both], b[both])[0, 1])


if __name__ == "__main__":
    raise SystemExit(ask("drumjax.studies.luck", __doc__, EXCERPTS, answer, make_table))
