"""The settings of the plain LSTM that the peers are, as changes of drumjax's own. Imports nothing."""

from typing import Any

PARTS = ("skip", "position", "lookback", "copy", "pointer", "features")
# Hits only, the previous step and nothing else, Adam at a constant rate.
PLAIN: dict[str, Any] = {
    "codec.expressive": False,
    "model.norm": "none",
    "model.residual": False,
    **{f"model.{part}": False for part in PARTS},
    "model.conditions": (),
    "train.memory_beats": 0,
    "train.optimizer": "adam",
    "train.schedule": "constant",
    "train.learning_rate": 1e-3,
    "train.dropout": 0.0,
    "train.context_dropout": 0.0,
    "train.average_decay": 0.0,
    "train.clip_norm": 0.0,
    "sample.style": "",
    "train.matmul_precision": "default",  # as the peers have it: float32, and TensorFloat-32 on a GPU
}

# rock.py's model without a memory of the whole song.
FORGETFUL: dict[str, Any] = {"model.pointer": False, "train.memory_beats": 0}

# What a data loader can do as well, all at once: stronger than one would train with, so that nothing is left out.
AUGMENTED: dict[str, Any] = {
    "augment.tempo": 0.2,
    "augment.double_time": 0.1,
    "augment.rotate_bars": 0.5,
    "augment.swing": 0.2,
    "augment.push_ms": 10.0,
    "augment.jitter_ms": 5.0,
    "augment.gain": 0.3,
    "augment.curve": 0.3,
    "augment.velocity_jitter": 5.0,
    "augment.drop_ghosts": 0.2,
    "augment.drop_voice": 0.1,
    "augment.swap_hands": 0.1,
}


def plain(hidden: int, batch: int = 64, beats: int = 32) -> dict[str, Any]:
    """The plain LSTM at a size: its embedding is as wide as its layers."""
    sizes = {"model.hidden_size": hidden, "model.embed_size": hidden}
    return {**PLAIN, **sizes, "train.batch_size": batch, "train.window_beats": beats}
