"""What a lowered program does: its StableHLO, walked operation by operation, as numbers and as faults.

XLA compiles for a device that is there. JAX lowers for one that is not, and what it hands to XLA shows already whether
the host is called, in which types and precisions is computed, which buffers are reused, and what is done with the
corpus.
"""

import collections
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

# What a program may call that is no operation of StableHLO: marks for the partitioner, and kernels that run on the
# device. Whatever else is called is a fault; calls of the host are such.
KNOWN_CALLS = frozenset({"Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape", "cu_threefry2x32_ffi"})
# Operations that talk to the host.
_OF_THE_HOST = frozenset({"infeed", "outfeed", "send", "recv"})
# What may be handed the whole corpus: what takes rows out of it, and what only passes it on.
_TAKES_ROWS = frozenset({"gather", "dynamic_slice"})
_PASSES_ON = frozenset({"while", "case", "if", "return", "call", "func", "optimization_barrier", "manual_computation"})
# Constants are part of the program: compiled, and kept, anew for each. Larger arrays should be arguments.
MAX_CONSTANT_BYTES = 1 << 20


class Lowered(NamedTuple):
    """A program as it is lowered.

    operations   how many, by name
    calls        what is called that is no operation of StableHLO
    types        of elements, such as f32 and i32
    products     matrix products by the precision of their operands
    dots         of them, how many are of two vectors: a sum, which is rounded for nothing
    argument_bytes, donated_bytes  of all arguments, and of those that are given away
    unused       donated arrays that no result takes the place of
    constant_bytes, array_bytes  of the largest constant, and of the largest array that is computed
    taken_bytes  of the corpus in a step, before XLA leaves out what nothing needs
    whole        operations that are handed a column of the corpus, or make one
    """

    operations: collections.Counter[str]
    calls: frozenset[str]
    types: frozenset[str]
    products: collections.Counter[str]
    dots: int
    argument_bytes: int
    donated_bytes: int
    unused: int
    constant_bytes: int
    array_bytes: int
    taken_bytes: int
    whole: collections.Counter[str]

    def faults(self) -> list[str]:
        """What should not be in a program that trains, samples or scores, a line each."""
        found = [f"calls {name}" for name in sorted(self.calls - KNOWN_CALLS)]
        found += [f"talks to the host: {name}" for name in sorted(_OF_THE_HOST & self.operations.keys())]
        found += [f"computes in {name}" for name in sorted(self.types) if name.startswith(("f64", "complex<f64"))]
        if self.dots:
            found.append(f"adds up by {self.dots} products of two vectors, which a TPU or GPU rounds")
        if self.unused:
            found.append(f"does not reuse {self.unused} donated arrays")
        if self.constant_bytes > MAX_CONSTANT_BYTES:
            found.append(f"has a constant of {self.constant_bytes / 1e6:.1f} MB")
        return found + [f"does {name} with the whole corpus" for name in sorted(self.whole)]


def inspect(lowered: jax.stages.Lowered, corpus_rows: frozenset[int] = frozenset()) -> Lowered:
    """Reads a program; corpus_rows are the lengths of the corpus's long columns, which nothing else has."""
    module: Any = lowered.compiler_ir("stablehlo")
    arguments = jax.tree.leaves(lowered.args_info, is_leaf=lambda x: hasattr(x, "donated"))
    donated = [_num_bytes(x) for x in arguments if x.donated]
    found = Lowered(
        operations=collections.Counter(),
        calls=frozenset(),
        types=frozenset(),
        products=collections.Counter(),
        dots=0,
        argument_bytes=sum(map(_num_bytes, arguments)),
        donated_bytes=sum(donated),
        unused=len(donated) - _count_reused(module),
        constant_bytes=0,
        array_bytes=0,
        taken_bytes=0,
        whole=collections.Counter(),
    )
    times = _count_calls(module)
    for function in module.body.operations:
        for operation in _walk(function):
            found = _add(found, operation, times[_name_of(function)], corpus_rows)
    return found


def _add(found: Lowered, operation: Any, times: int, corpus_rows: frozenset[int]) -> Lowered:
    """What is known with one operation more, of a function that runs so many times in a step."""
    name = operation.name.rpartition(".")[2]
    found.operations[name] += 1
    results, operands = ([value.type for value in side] for side in (operation.results, operation.operands))
    of_blocks = [x.type for region in operation.regions for block in region.blocks for x in block.arguments]
    found = found._replace(
        types=found.types | {_element(kind) for kind in (*results, *of_blocks)} - {""},
        array_bytes=max([found.array_bytes, *map(_type_bytes, results)]),
    )
    if name == "custom_call":
        target = str(operation.attributes["call_target_name"]).strip('"')
        found = found._replace(calls=found.calls | {target})
    elif name == "constant" and not operation.attributes["value"].is_splat:
        found = found._replace(constant_bytes=max(found.constant_bytes, _type_bytes(results[0])))
    elif name == "dot_general":
        found.products[_precision(operation)] += 1
        found = found._replace(dots=found.dots + (len(_shape(results[0])) == _count_batched(operation)))
    is_given, is_made = (any(corpus_rows & set(_shape(kind)) for kind in kinds) for kinds in (operands, results))
    if is_given and name in _TAKES_ROWS and not is_made:
        found = found._replace(taken_bytes=found.taken_bytes + times * sum(map(_type_bytes, results)))
    elif (is_given or is_made) and name not in _PASSES_ON and not (name == "custom_call" and target in KNOWN_CALLS):
        found.whole[name] += 1
    return found


def _walk(operation: Any) -> Iterator[Any]:
    """An operation and all within it."""
    operation = operation.operation
    yield operation
    for region in operation.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield from _walk(inner)


def _count_calls(module: Any) -> dict[str, int]:
    """How many times each function runs where no loop runs twice, by the places that call it."""
    callers: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for function in module.body.operations:
        for operation in _walk(function):
            if operation.name == "func.call":
                callers[str(operation.attributes["callee"]).lstrip("@")][_name_of(function)] += 1

    def count(name: str) -> int:
        return 1 if name == "main" else sum(times * count(caller) for caller, times in callers[name].items())

    return {name: count(name) for name in map(_name_of, module.body.operations)}


def _count_reused(module: Any) -> int:
    """Arguments of the program whose place a result takes, as JAX has decided, or XLA is asked to decide."""
    (main,) = (function for function in module.body.operations if _name_of(function) == "main")
    has_marks = "arg_attrs" in main.attributes
    marks = main.attributes["arg_attrs"] if has_marks else []
    return sum("tf.aliasing_output" in mark or "jax.buffer_donor" in mark for mark in marks)


def _name_of(function: Any) -> str:
    attributes = function.operation.attributes
    return str(attributes["sym_name"]).strip('"') if "sym_name" in attributes else ""


def _precision(product: Any) -> str:
    """Of the operands of a matrix product: what its algorithm says, else its precision, else their type."""
    if "algorithm" in product.attributes:
        text = str(product.attributes["algorithm"])
        return text.partition("lhs_precision_type = ")[2].partition(",")[0]
    kinds = {str(kind).strip("[]<>").rpartition(" ")[2] for kind in product.attributes["precision_config"]}
    return "/".join(sorted(kinds))


def _count_batched(product: Any) -> int:
    """The axes of a matrix product along which it is many."""
    text = str(product.attributes["dot_dimension_numbers"])
    axes = text.partition("lhs_batching_dimensions = [")[2].partition("]")[0]
    return len(axes.split(",")) if axes else 0


def _shape(kind: Any) -> list[int]:
    return list(kind.shape) if hasattr(kind, "shape") else []


def _element(kind: Any) -> str:
    return str(kind.element_type) if hasattr(kind, "element_type") else ""


def _type_bytes(kind: Any) -> int:
    """Of an array of a type of MLIR; a truth value takes a byte."""
    if not hasattr(kind, "element_type"):  # a token
        return 0
    return math.prod(_shape(kind)) * max(1, getattr(kind.element_type, "width", 8) // 8)


def _num_bytes(leaf: Any) -> int:
    """Of an argument; a key counts as the numbers that it is made of."""
    dtype = leaf.dtype
    if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        data = jax.eval_shape(jax.random.key_data, jax.ShapeDtypeStruct(leaf.shape, dtype))
        return math.prod(data.shape) * data.dtype.itemsize
    return math.prod(leaf.shape) * dtype.itemsize
