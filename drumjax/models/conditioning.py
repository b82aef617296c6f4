"""Conditioning: what a model knows of the music (config.conditions), measured from a window, and hidden from examples
now and then, so that the model can also play, and be evaluated, without it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from drumjax.codecs.base import ABSENT, Field, per_variable
from drumjax.config.conditions import CONDITIONS, missing_drums
from drumjax.models.rhythm import (
    Rhythm,
    find_rhythm,
    inside,
    measure_backbeat,
    measure_steadiness,
    measure_timekeeper,
)
from drumjax.music.kits import ONE_DRUM, Kit
from drumjax.music.notes import Array, Context, Window

# Conditions that are given where a performance is scored, and those that are not.
_GIVEN = tuple(name for name, row in CONDITIONS.items() if not row.withheld)
_WITHHELD = tuple(name for name, row in CONDITIONS.items() if row.withheld)
# Withheld conditions are hidden all together with the odds measured_dropout, and in this share of the other examples
# each alone, so that one can be asked for without the others.
_ALONE = 0.25


def measure_density(window: Window) -> Array:
    """Notes per beat."""
    return _count(window) / jnp.maximum(window.num_beats, 1)


def measure_dynamics(window: Window) -> Array:
    """Mean velocity; 0, unknown, of a window without notes."""
    loudness = jnp.sum(jnp.where(inside(window), window.notes.velocity, 0)).astype(jnp.float32)
    return jnp.where(_count(window) > 0, loudness / jnp.maximum(_count(window), 1), 0)


# How each measured condition is measured. It speaks of the whole window, the future included.
MEASURES: dict[str, Callable[[Window, Rhythm, Kit], Array]] = {
    "density": lambda window, rhythm, kit: measure_density(window),
    "dynamics": lambda window, rhythm, kit: measure_dynamics(window),
    "steadiness": lambda window, rhythm, kit: measure_steadiness(rhythm),
    "backbeat": lambda window, rhythm, kit: measure_backbeat(rhythm, kit),
    "timekeeper": lambda window, rhythm, kit: measure_timekeeper(rhythm, kit),
}


def measure(window: Window, kit: Kit | None, max_beats: int) -> Window:
    """The window, of at most so many beats, with its measured conditions in its context; those that the kit (None: a
    pitched instrument, whose notes are all one drum) lacks the drums for stay unknown."""
    known = [name for name in MEASURES if not missing_drums(name, kit)]
    kit = kit or ONE_DRUM
    rhythm = find_rhythm(window, kit, max_beats)
    found = {CONDITIONS[name].field: MEASURES[name](window, rhythm, kit) for name in known}
    return window._replace(context=window.context._replace(**found))


def hide(key: Array, context: Context, rate: Array, measured_rate: Array) -> Context:
    """One example's context with parts set to unknown.

    rate           odds, 0..1, of each condition that is given where a performance is scored
    measured_rate  odds of all the others together: what is measured, and who plays
    """
    names = (*_GIVEN, "all withheld", *_WITHHELD)
    keys = dict(zip(names, jax.random.split(key, len(names)), strict=True))
    hidden = {name: jax.random.bernoulli(keys[name], rate) for name in _GIVEN}
    together = jax.random.bernoulli(keys["all withheld"], measured_rate)
    hidden |= {name: together | jax.random.bernoulli(keys[name], _ALONE) for name in _WITHHELD}
    parts = {CONDITIONS[name].field: is_hidden for name, is_hidden in hidden.items()}
    values = {field: getattr(context, field) for field in parts}
    return context._replace(**{field: jnp.where(parts[field], jnp.zeros_like(x), x) for field, x in values.items()})


def hide_history(key: Array, fields: tuple[Field, ...], tokens: Array, rates: Array) -> Array:
    """One example's tokens [T, F] as the inputs of later steps: ABSENT in each field with the odds of `rates` [fields].

    A model that always sees how early or late the drummer has been goes by that alone. Left to itself it goes by its
    own mistakes, and wanders; it never learned what timing the notes ask for.
    """
    hides = jax.random.bernoulli(key, rates)
    return jnp.where(per_variable(fields, hides), ABSENT, tokens)


def drop_controls(context: Context) -> Context:
    """The context without what controls ask for: what a model plays left to itself, in the same tempo and metre."""
    asked = [row.field for row in CONDITIONS.values() if row.control]
    return context._replace(**{field: jnp.zeros_like(getattr(context, field)) for field in asked})


def _count(window: Window) -> Array:
    return jnp.sum(inside(window)).astype(jnp.float32)
