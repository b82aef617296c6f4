"""A style between styles: a mix by weights, as one more row of the model's table."""

import dataclasses

import jax.numpy as jnp

from drumjax.config.settings import read_numbers
from drumjax.runs.run import Run
from drumjax.sampling.request import RequestError


def add_mix(run: Run, style: str) -> Run:
    """The run with the style "rock=0.7,jazz=0.3" among those it knows; as it is if `style` is no mix.

    Weights are relative. Raises RequestError for one that is not a number above 0, or a style that is not known.
    """
    if "=" not in style or style in run.styles:
        return run
    weights: dict[str, float] = {}
    for name, weight in read_numbers(style):
        if weight is None or not 0 < weight < float("inf"):
            raise RequestError(f"style is {style!r}; give weights above 0, such as rock=0.7,jazz=0.3")
        if not name or name not in run.styles:
            known = ", ".join(known for known in run.styles if known) or "none"
            raise RequestError(f"the model does not know the style {name!r}; it knows: {known}")
        weights[name] = weights.get(name, 0.0) + weight
    if not run.settings.model.style:
        raise RequestError("this model was trained without styles (config.model.style=False)")
    total = sum(weights.values())

    def add_row(table):
        """A table by style [styles, ...], with the mix as one more."""
        row = sum(weight / total * table[run.styles.index(name)] for name, weight in weights.items())
        return jnp.concatenate([table, jnp.asarray(row)[None]])

    params = {**run.params, "context": {**run.params["context"]}}
    params["context"]["style"] = {"embedding": add_row(params["context"]["style"]["embedding"])}
    if "beginning" in params:
        params["beginning"] = add_row(params["beginning"])
    shape = run.model.shape._replace(num_styles=len(run.styles) + 1)
    return dataclasses.replace(
        run,
        model=dataclasses.replace(run.model, shape=shape),
        params=params,
        styles=(*run.styles, style),
    )
