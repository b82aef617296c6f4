"""A model in one file: its weights in half precision and, as JSON, what the checkpoint of a run says of itself.

The file is one of safetensors: a header of JSON, then the bytes of the arrays, and nothing that is executed. The
header's metadata are texts: `drumjax`, the version of this format; `about`, JSON; and `sha256` of that and of every
array, because safetensors has no checksums.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from drumjax.models.interface import Weights
from drumjax.runs.checkpoint_folder import first_line
from drumjax.runs.leaves import find_not_finite, flatten, nest
from drumjax.runs.workdir import RunError
from drumjax.system.command_name import command_name
from drumjax.system.files import replace_own
from drumjax.system.strict_json import parse_json, to_strict_json

# Raise it when a file can no longer be read as before.
FILE_FORMAT = 1
# In the header of each, and of no other file.
MARK = b'"drumjax":"'
# What is too large for half precision is as if it were not finite.
HALF = np.float16

Tree = dict[str, Any]


def write_model_file(path: Path, weights: Weights, about: Mapping[str, Any]) -> int:
    """Writes the file, whole or not at all, and returns its bytes. `about` is what a checkpoint says of itself.

    Raises RunError for weights that half precision cannot hold, ForeignFileError for a file of somebody else's in its
    place, OSError naming the path.
    """
    tree = {"params": weights.params, **({"stats": weights.stats} if weights.stats else {})}
    with np.errstate(over="ignore"):
        arrays = {name: _round(np.asarray(leaf)) for name, leaf in flatten(tree).items()}
    if broken := find_not_finite(arrays):
        raise RunError(f"{path} is not written: {broken} in half precision")
    text = to_strict_json(about)
    metadata = {"drumjax": str(FILE_FORMAT), "about": text, "sha256": _digest(text, arrays)}
    data = safetensors.numpy.save(arrays, metadata)
    replace_own(path, data, MARK)
    return len(data)


def read_model_file(path: Path) -> tuple[Tree, dict[str, Any]]:
    """The tree of params and stats, numpy arrays of float32, and what the file says of itself.

    Raises RunError for what is no model file, a damaged one, or one of a newer drumjax.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # safetensors' own, and what numpy says of a type it does not know
        raise RunError(f"{path} is no model file of drumjax, or a damaged one ({first_line(error)})") from error
    if "drumjax" not in metadata:
        raise RunError(f"{path} is no model of drumjax; {command_name('export')} writes one")
    if metadata["drumjax"] != str(FILE_FORMAT):
        raise RunError(
            f"{path} is a model file of format {metadata['drumjax']}, and this drumjax reads {FILE_FORMAT}: play it "
            "with the version that wrote it, or update drumjax"
        )
    text = metadata.get("about", "")
    if _digest(text, arrays) != metadata.get("sha256"):
        raise RunError(f"{path} is damaged: its content is not that of its sha256; copy or download it again")
    try:
        about = parse_json(text)
    except ValueError as error:
        raise RunError(f"{path}: what it says of itself is no JSON ({error})") from error
    return nest({name: _widen(array) for name, array in arrays.items()}), about


def _round(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.astype(HALF) if array.dtype == np.float32 else array)


def _widen(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == HALF else array


def _digest(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
