"""Whether a checkpoint is one of the run that reads it: its settings and its leaves, compared name by name."""

from pathlib import Path
from typing import Any

from drumjax.runs.checkpoint_folder import CheckpointError, to_json
from drumjax.runs.leaves import describe, differences


def check_compatible(saved: dict, wanted: dict, *, where: str = "the checkpoint") -> None:
    """Raise CheckpointError naming each key (dotted) in which two settings differ; both are compared as JSON."""

    def dotted(value: Any, prefix: str) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            return {prefix: value}
        return {k: v for key in value for k, v in dotted(value[key], f"{prefix}.{key}".lstrip(".")).items()}

    lines = differences(dotted(to_json(saved), ""), dotted(to_json(wanted), ""), show=repr)
    if lines:
        raise CheckpointError(f"{where} has other settings: {'; '.join(lines)}; use them or another --workdir")


def check_leaves(path: Path, item: str, saved: dict[str, list], wanted: dict[str, Any]) -> None:
    """CheckpointError naming the leaves whose shape or dtype differ, or that only one side has."""
    lines = differences(
        {f"{item}/{name}": kind for name, (kind, _) in saved.items()},
        {f"{item}/{name}": describe(leaf) for name, leaf in wanted.items()},
    )
    if lines:
        more = f"; and {len(lines) - 4} more" if len(lines) > 4 else ""
        raise CheckpointError(
            f"{path} does not fit: {'; '.join(lines[:4])}{more}; use its settings or another --workdir"
        )
