"""A style between styles: a mix by weights, as one more row of the model's tables."""

import dataclasses

import jax.numpy as jnp

from drumjax.config.mix import read_numbers
from drumjax.runs.run import Run
from drumjax.sampling.piece import RequestError


def add_mix(run: Run, style: str) -> Run:
    """The run with the style "rock=0.7,jazz=0.3" among those it knows; as it is if `style` is no mix.

    Weights are relative. Raises RequestError for one that is not a number above 0, or a style that is not known.
    """
    if "=" not in style or style in run.styles:
        return run
    shares: dict[str, float] = {}
    for name, weight in read_numbers(style):
        if weight is None or not 0 < weight < float("inf"):
            raise RequestError(f"style is {style!r}; give weights above 0, such as rock=0.7,jazz=0.3")
        if not name or name not in run.styles:
            known = ", ".join(known for known in run.styles if known) or "none"
            raise RequestError(f"the model does not know the style {name!r}; it knows: {known}")
        shares[name] = shares.get(name, 0.0) + weight
    if "style" not in run.settings.model.conditions:
        raise RequestError("this model was trained without styles (style is not among config.model.conditions)")
    total = sum(shares.values())

    def add_row(table):
        """A table by style [styles, ...], with the mix as one more."""
        row = sum(share / total * table[run.styles.index(name)] for name, share in shares.items())
        return jnp.concatenate([table, jnp.asarray(row)[None]])

    old = run.weights.params
    params = {**old, "context": {**old["context"]}}
    params["context"]["style"] = {"embedding": add_row(old["context"]["style"]["embedding"])}
    if "beginning" in params:
        params["beginning"] = add_row(old["beginning"])
    shape = run.model.shape._replace(num_styles=len(run.styles) + 1)
    return dataclasses.replace(
        run,
        model=dataclasses.replace(run.model, shape=shape),
        weights=run.weights._replace(params=params),
        styles=(*run.styles, style),
    )
