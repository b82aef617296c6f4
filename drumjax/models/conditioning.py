"""What a model is told of the music: measured from a window, and hidden from it now and then."""

import jax
import jax.numpy as jnp

from drumjax.codecs.base import ABSENT, Field, per_variable
from drumjax.music.notes import Array, Context, Window

# Parts of the context that say what is played; the metre and the tempo say in what.
ASKED = ("style", "fill", "density", "dynamics")


def measure(window: Window) -> Window:
    """The window with its density and dynamics in its context. They speak of all of it, the future included."""
    notes = window.notes
    inside = notes.mask & (notes.onset_beat < window.num_beats)
    count = jnp.sum(inside).astype(jnp.float32)
    loudness = jnp.sum(jnp.where(inside, notes.velocity, 0)).astype(jnp.float32)
    density = count / jnp.maximum(window.num_beats, 1)
    dynamics = jnp.where(count > 0, loudness / jnp.maximum(count, 1), 0)
    return window._replace(context=window.context._replace(density=density, dynamics=dynamics))


def hide(key: Array, context: Context, rate: Array, measured_rate: Array) -> Context:
    """One example's context with parts set to unknown, so that a model can play and be judged without them.

    Style, tempo, metre and fill are each hidden with the odds `rate`. What is measured from the music itself is not to
    be had where a performance is judged: density and dynamics are hidden together with the odds measured_rate, and each
    alone in a quarter of the other examples.
    """
    keys = dict(
        zip(
            ("style", "tempo_bpm", "metre", "fill", "both", "density", "dynamics"),
            jax.random.split(key, 7),
            strict=True,
        )
    )
    hidden = {name: jax.random.bernoulli(keys[name], rate) for name in ("style", "tempo_bpm", "metre", "fill")}
    both = jax.random.bernoulli(keys["both"], measured_rate)
    hidden |= {name: both | jax.random.bernoulli(keys[name], 0.25) for name in ("density", "dynamics")}
    parts = {name: getattr(context, name) for name in hidden}
    return context._replace(**{name: jnp.where(hidden[name], jnp.zeros_like(x), x) for name, x in parts.items()})


def hide_history(key: Array, fields: tuple[Field, ...], tokens: Array, rates: Array) -> Array:
    """One example's tokens [T, F] as later steps hear them: ABSENT in each field with the odds of `rates` [fields].

    A model that always hears how early or late the drummer has been goes by that alone. Left to itself it goes by its
    own mistakes, and wanders; it never learned what timing the notes ask for.
    """
    hides = jax.random.bernoulli(key, rates)
    return jnp.where(per_variable(fields, hides), ABSENT, tokens)


def forget(context: Context) -> Context:
    """The context without what was asked for: what a model plays left to itself, in the same tempo and metre."""
    return context._replace(**{name: jnp.zeros_like(getattr(context, name)) for name in ASKED})
