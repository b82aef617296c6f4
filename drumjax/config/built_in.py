"""The settings of configs/default.py, for where no config is at hand: that file says what each of them is."""

from typing import Any

from drumjax.config.conditions import CONDITIONS
from drumjax.config.settings import make_settings, write_settings

# Fields that are left out have the defaults of their group.
_SETTINGS: dict[str, dict[str, Any]] = {
    "data": {},
    "validation": {"time_signatures": ("4/4",)},
    "codec": {
        "name": "grid", "kit": "roland_td11", "steps_per_beat": 4, "expressive": True, "velocity_bins": 32,
        "offset_bins": 32, "timed": True, "tick_ms": 0.0, "max_shift_beats": 4.0, "max_duration_beats": 0.0,
        "lookback_bars": 4, "lookback_beats": (2.0, 1.0, 0.5),
    },
    "model": {
        "hidden_size": 256, "num_layers": 2, "embed_size": 128, "norm": "none", "residual": False,
        "skip": True, "position": True, "lookback": True, "copy": True, "features": True, "pointer": True,
        "pointer_notes": 1024, "joint_units": 16, "coming_beats": 8,
        "conditions": tuple(CONDITIONS),
    },
    "augment": {"schedule": "constant"},
    "train": {
        "seed": 0, "init_from": "", "num_epochs": 0.0, "num_steps": 1200, "batch_size": 32, "window_beats": 64,
        "memory_beats": 192, "memory_notes": 1024, "memory_dropout": 0.3, "window_notes": 0,
        "optimizer": "adamw", "schedule": "cosine", "learning_rate": 2e-3, "warmup_steps": 100,
        "weight_decay": 1e-2, "clip_norm": 1.0, "dropout": 0.3, "context_dropout": 0.1, "measured_dropout": 0.5,
        "history_dropout": {}, "average_decay": 0.99,
        "field_weights": {"hits": 1.0, "velocity": 0.1, "offset": 0.1}, "matmul_precision": "auto",
        "steps_per_call": 5, "log_every_steps": 20, "eval_every_steps": 100, "eval_every_epochs": 0.0,
        "patience_evals": 0,
    },
    "sample": {"temperature": {"hits": 1.0, "velocity": 1.0, "offset": 1.0}},
}  # fmt: skip


def built_in_config() -> dict[str, Any]:
    """The nested dict of settings, every field."""
    return write_settings(make_settings(_SETTINGS))
