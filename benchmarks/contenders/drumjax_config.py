"""The settings of the plain LSTM that the peers are, as changes of drumjax's own. Imports nothing."""

from typing import Any

PARTS = ("skip", "position", "lookback", "copy", "features", "style", "tempo", "metre", "fill")
# Hits only, the previous step and nothing else, Adam at a constant rate.
PLAIN: dict[str, Any] = {
    "codec.expressive": False,
    "model.norm": "none",
    "model.residual": False,
    **{f"model.{part}": False for part in PARTS},
    "train.optimizer": "adam",
    "train.schedule": "constant",
    "train.learning_rate": 1e-3,
    "train.dropout": 0.0,
    "train.context_dropout": 0.0,
    "train.average_decay": 0.0,
    "train.clip_norm": 0.0,
    "sample.style": "",
}


def plain(hidden: int, batch: int = 64, beats: int = 32) -> dict[str, Any]:
    """The plain LSTM at a size: its embedding is as wide as its layers."""
    sizes = {"model.hidden_size": hidden, "model.embed_size": hidden}
    return {**PLAIN, **sizes, "train.batch_size": batch, "train.window_beats": beats}
