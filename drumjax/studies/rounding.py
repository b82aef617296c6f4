"""What bfloat16 operands cost, in nats, on any device: `python -m drumjax.studies.rounding --workdir W`.

Every matrix product is computed as a TPU or GPU has it under train.matmul_precision=bfloat16: operands rounded to
bfloat16, the products added up in float32. The songs that the run is judged by are scored both ways. With --train a
config is trained both ways, too, from the same seed on the same windows, and its weights are scored in float32.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jax.interpreters import mlir

from drumjax.config.load import load_config
from drumjax.config.settings import make_settings
from drumjax.evaluate.held_out import compare_with
from drumjax.models.song_scoring import encode_songs, make_chunk_scorer, make_song_scorer, mean_nll
from drumjax.music.notes import Song
from drumjax.runs.run import Run
from drumjax.studies.command import Amount, ask, make_table
from drumjax.system.devices import make_data_mesh, replicate, to_local
from drumjax.training.data import load_training_data
from drumjax.training.hyper import make_hyper
from drumjax.training.step import make_train_call
from drumjax.training.train import describe, init
from drumjax.training.validation import Validator

NUM_SONGS = Amount("num_songs", 1_000_000, "at most so many songs")
WAYS = ("float32", "bfloat16")


def _rounded_product(lhs, rhs, **how):
    # Not by a conversion and back, which XLA may leave out.
    lhs, rhs = (jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=7) for x in (lhs, rhs))
    return jax.lax.dot_general_p.bind(lhs, rhs, **how)


# In the place of jax.lax.dot_general_p, with the parameters of that.
_rounded_p = core.Primitive("rounded_dot_general")
_rounded_p.def_abstract_eval(
    lambda lhs, rhs, **how: jax.core.ShapedArray(
        *(lambda x: (x.shape, x.dtype))(jax.eval_shape(lambda a, b: _rounded_product(a, b, **how), lhs, rhs))
    )
)
mlir.register_lowering(_rounded_p, mlir.lower_fun(_rounded_product, multiple_results=False))


def round_products(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled with the operands of every matrix product of float32 rounded to bfloat16: those of its
    gradients, its loops and of whatever it calls, too."""

    @jax.jit
    def rounded(*arguments):
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = core.jaxpr_as_fun(_round(closed))(*jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return rounded


def _round(part: Any) -> Any:
    """A program, or whatever else is a parameter of an equation, with its products replaced."""
    if isinstance(part, tuple | list):
        return type(part)(map(_round, part)) if any(map(_is_program, part)) else part
    if not _is_program(part):
        return part
    if hasattr(part, "jaxpr") and part.jaxpr is not part:  # with its constants; from JAX 0.11 on all programs have them
        return part.replace(jaxpr=_round(part.jaxpr))
    return part.replace(eqns=[_round_equation(equation) for equation in part.eqns])


def _is_program(part: Any) -> bool:
    return isinstance(part, core.ClosedJaxpr | core.Jaxpr)


def _round_equation(equation: Any) -> Any:
    if equation.primitive is jax.lax.dot_general_p:
        is_float = all(x.aval.dtype == jnp.float32 for x in equation.invars)
        return equation.replace(primitive=_rounded_p) if is_float else equation
    return equation.replace(params={name: _round(part) for name, part in equation.params.items()})


def score_both_ways(run: Run, songs: Sequence[Song]) -> list[dict[str, Any]]:
    """Rows: nats of each field's variables by the model in float32, in bfloat16, and what that costs."""
    batches = encode_songs(songs, run.codec, run.styles)
    exact = make_song_scorer(run.model, run.codec)
    rounded = make_song_scorer(run.model, run.codec, round_products(make_chunk_scorer(run.model, run.codec)))
    names = [field.name for field in run.codec.fields]
    nats = [dict(zip(names, mean_nll(score(run.weights, batches)), strict=True)) for score in (exact, rounded)]
    return _rows(f"scored, {len(songs)} songs", *nats)


def train_both_ways(config: str | Path) -> list[dict[str, Any]]:
    """Rows: nats of the held-out songs after a config's training in float32 and in bfloat16, scored in float32."""
    settings = make_settings(load_config(config))
    data, mesh = load_training_data(settings), make_data_mesh()
    run, recipe = describe(settings, data)
    validator, train = Validator(run, data.validation), run.settings.train
    corpus, hyper = replicate((data.corpus, make_hyper(run.settings, run.codec.fields)), mesh)
    call = make_train_call(recipe._replace(matmul_precision="float32"), mesh, train.steps_per_call)
    nats = []
    for train_call in (call, round_products(call)):
        state = init(recipe, train.seed, mesh)
        for begin in range(0, train.num_steps, train.steps_per_call):
            num_steps = min(train.steps_per_call, train.num_steps - begin)
            state, _ = train_call(state, corpus, hyper, np.asarray(num_steps, np.int32))
        figures = validator.score(to_local(state.averaged))
        nats.append({field.name: figures[f"nll_each/{field.name}"] for field in run.codec.fields})
    return _rows(f"trained, {train.num_steps} steps", *nats)


def _rows(what: str, exact: dict[str, float], rounded: dict[str, float]) -> list[dict[str, Any]]:
    return [
        {"what": what, "field": name, **dict(zip(WAYS, map("{:.5f}".format, pair), strict=True)),
         "cost": f"{pair[1] - pair[0]:+.5f}"}
        for name, pair in ((name, (exact[name], rounded[name])) for name in exact)
    ]  # fmt: skip


def answer(run: Run, num_songs: int, train: Path | None) -> list[dict[str, Any]]:
    """The rows of score_both_ways, of the songs that the run is judged by, and of train_both_ways if asked for."""
    rows = score_both_ways(run, compare_with(run, "validation").chosen[:num_songs])
    return rows + (train_both_ways(train) if train else [])


if __name__ == "__main__":
    raise SystemExit(
        ask("drumjax.studies.rounding", __doc__, NUM_SONGS, answer, make_table, train="a config to train both ways")
    )
