"""A trained run as others see it: everything that playing and judging it need, read from its checkpoints alone."""

import dataclasses
from pathlib import Path
from typing import Any

from drumjax.codecs.base import Codec
from drumjax.codecs.factory import make_codec
from drumjax.codecs.vocabulary import Vocabulary
from drumjax.config.settings import TOLD_BY, SampleSettings, Settings, history_odds, make_settings
from drumjax.models.model import Model, Params
from drumjax.models.network import ModelSettings, Shape
from drumjax.runs.checkpoint import Checkpoints, Which
from drumjax.runs.workdir import RunError

# Of the metadata in a checkpoint; raise it when an older checkpoint can no longer be read rightly.
FORMAT = 9


@dataclasses.dataclass(frozen=True)
class Run:
    """A model and its parameters.

    styles           the style vocabulary; index 0 is the unknown style ""
    step             train steps behind the parameters
    time_signatures  those of the training songs, such as "4/4"; () is not known
    """

    settings: Settings
    codec: Codec
    model: Model
    params: Params
    stats: Params
    styles: tuple[str, ...]
    step: int
    time_signatures: tuple[str, ...] = ()

    @property
    def can_do_without(self) -> tuple[str, ...]:
        """The fields that it learned to choose without hearing their earlier values: history_dropout above 0.

        Where the notes are given it plays without, for it would take its own chance of being early or late for the
        drummer's manner, and wander.
        """
        return tuple(name for name, odds in history_odds(self.settings.train, self.codec.fields).items() if odds > 0)


def make_model(settings: Settings, codec: Codec, num_styles: int) -> Model:
    """The model that the settings describe."""
    num_lookbacks = codec.num_lookbacks if settings.model.lookback else 0
    shape = Shape(codec.num_positions, num_lookbacks, codec.memory_steps, num_styles)
    return Model(settings.model, codec.fields, shape)


def make_metadata(
    config: dict[str, Any], styles: tuple[str, ...], vocabulary: Vocabulary | None, data: dict[str, Any]
) -> dict[str, Any]:
    """What a checkpoint says of itself, as JSON. `data` says what was trained on."""
    told = vocabulary.to_json() if vocabulary else None
    return {"format": FORMAT, "config": config, "styles": list(styles), "vocabulary": told, "data": data}


def known_defaults(sample: SampleSettings, model: ModelSettings, styles: tuple[str, ...]) -> SampleSettings:
    """The defaults, with a style that the training songs lacked (a folder's, a fallback's) and all that the model is
    never told left open."""
    neutral: dict[str, Any] = {"style": "", "fill_every": 0, "density": 0.0, "dynamics": 0.0}
    told = {name for name, part in TOLD_BY.items() if getattr(model, part)}
    if sample.style not in styles:
        told.discard("style")
    return dataclasses.replace(sample, **{name: value for name, value in neutral.items() if name not in told})


def load_run(workdir: str | Path, which: Which = "best") -> Run:
    """The best (by validation) or "latest" model of a workdir. Changes nothing in it.

    Raises RunError or CheckpointError with what is wrong and what to do.
    """
    workdir = Path(workdir)
    if not workdir.is_dir():
        raise RunError(f"{workdir} is not a directory; train first: python run_train.py --workdir {workdir}")
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        tree, metadata = checkpoints.restore_params(which)
    if metadata.get("format") != FORMAT:
        found = metadata.get("format")
        raise RunError(
            f"{workdir} has checkpoints of format {found!r}, and this drumjax reads {FORMAT}: train again, or play it "
            "with the version that trained it"
        )
    settings = make_settings(metadata["config"])
    styles = tuple(metadata["styles"])
    settings = dataclasses.replace(settings, sample=known_defaults(settings.sample, settings.model, styles))
    vocabulary = Vocabulary.from_json(metadata["vocabulary"]) if metadata["vocabulary"] else None
    codec = make_codec(settings.codec, vocabulary)
    model = make_model(settings, codec, len(styles))
    return Run(
        settings,
        codec,
        model,
        tree["params"],
        tree.get("stats", {}),
        styles,
        metadata["step"],
        tuple(metadata["data"]["time_signatures"]),
    )
