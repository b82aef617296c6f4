"""A run as others see it: everything that playing and judging it need, read from its checkpoints alone."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drumjax.codecs.base import Codec
from drumjax.codecs.factory import make_codec
from drumjax.codecs.vocabulary import Vocabulary
from drumjax.config.conditions import missing_drums
from drumjax.config.settings import Settings, make_settings
from drumjax.models.interface import Shape, Weights
from drumjax.models.model import Model
from drumjax.runs.checkpoint_folder import Which
from drumjax.runs.model_file import read_model_file
from drumjax.runs.pretrained import find_model, pretrained_names
from drumjax.runs.workdir import RunError, check_name
from drumjax.system.command_name import command_name
from drumjax.system.devices import find_devices

# Of the metadata in a checkpoint; raise it when an older checkpoint can no longer be read rightly.
FORMAT = 10


@dataclasses.dataclass(frozen=True)
class Run:
    """A model, its weights, and what they were made of.

    settings         as they were trained with; settings.sample asks for nothing that the model cannot do
    styles           the style vocabulary; index 0 is the unknown style ""
    players          the vocabulary of who played; index 0 is the unknown player ""
    step             train steps behind the weights
    time_signatures  those of the training songs, such as "4/4"; () is not known
    drum_rates       how often its training songs have each drum, by style and name: see data.drum_rates
    """

    settings: Settings
    codec: Codec
    model: Model
    weights: Weights
    styles: tuple[str, ...]
    step: int = 0
    time_signatures: tuple[str, ...] = ()
    players: tuple[str, ...] = ("",)
    drum_rates: Mapping[str, Mapping[str, Sequence[float]]] = dataclasses.field(default_factory=dict)

    @property
    def hidden_fields(self) -> tuple[str, ...]:
        """The fields whose earlier values are hidden from the model where the notes are given: those it learned to
        choose without (train.history_dropout).

        It would take its own chance of being early or late for the drummer's manner, and wander.
        """
        odds = self.settings.train.history_odds([field.name for field in self.codec.fields if field.is_expression])
        return tuple(name for name, share in odds.items() if share > 0)


def make_model(settings: Settings, codec: Codec, num_styles: int, num_players: int = 1) -> Model:
    """The model that the settings describe, without the parts that could see or say nothing."""
    is_expressive = any(field.is_expression for field in codec.fields)
    model = dataclasses.replace(
        settings.model,
        pointer=settings.model.lags(codec.grid) > 0,
        joint_units=settings.model.joint_units if is_expressive else 0,
        coming_beats=settings.model.coming_beats if is_expressive and codec.grid else 0,
    )
    num_lookbacks = codec.num_lookbacks if settings.model.lookback else 0
    shape = Shape(codec.num_positions, num_lookbacks, codec.memory_steps, num_styles, codec.grid, num_players)
    return Model(model, codec.fields, shape)


def make_metadata(
    config: dict[str, Any], styles: tuple[str, ...], vocabulary: Vocabulary | None, data: dict[str, Any]
) -> dict[str, Any]:
    """What a checkpoint says of itself, as JSON. `data` says what was trained on."""
    values = vocabulary.to_json() if vocabulary else None
    return {"format": FORMAT, "config": config, "styles": list(styles), "vocabulary": values, "data": data}


def with_known_defaults(
    settings: Settings, styles: tuple[str, ...], players: tuple[str, ...], time_signatures: tuple[str, ...]
) -> Settings:
    """The settings, what is played by default changed to what a model of these settings, styles, players and time
    signatures can play."""
    kit = settings.codec.make_kit()
    conditions = tuple(name for name in settings.model.conditions if not missing_drums(name, kit))
    sample = settings.sample.as_trained(conditions, styles, players)
    if time_signatures and sample.time_signature not in time_signatures:
        sample = dataclasses.replace(sample, time_signature=time_signatures[0])
    return dataclasses.replace(settings, sample=sample)


def load_run(where: str | Path, which: Which = "best") -> Run:
    """The best (by validation) or "latest" model of a run's folder, that of a model file, or one that comes with
    drumjax, by its name. Changes nothing there.

    Raises RunError or CheckpointError with what is wrong and what to do.
    """
    tree, metadata = read_model(where, which)
    return _make_run(find_model(where), tree, metadata)


def read_model(where: str | Path, which: Which = "best") -> tuple[dict[str, Any], dict[str, Any]]:
    """Its params and stats, numpy arrays, and what its checkpoint or file says of itself."""
    path = find_model(where)
    if path.is_file():
        find_devices()
        return read_model_file(path)
    if not path.is_dir():
        raise RunError(
            f"there is no run or model {path}; train one: {command_name('train')} --config rock --workdir "
            f"{shlex.quote(str(path))}; drumjax comes with {', '.join(pretrained_names()) or 'none'}"
        )
    check_name(path)
    find_devices()
    from drumjax.runs.checkpoint import Checkpoints  # who plays a model file does not wait for Orbax

    with Checkpoints(path / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.restore_params(which)


def _make_run(path: Path, tree: dict[str, Any], metadata: dict[str, Any]) -> Run:
    if metadata.get("format") != FORMAT:
        found = metadata.get("format")
        raise RunError(
            f"{path} has checkpoints of format {found!r}, and this drumjax reads {FORMAT}: train again, or play it "
            "with the version that trained it"
        )
    try:
        styles = tuple(metadata["styles"])
        players = tuple(metadata["data"].get("players", ("",)))  # runs from before it was a condition lack it
        time_signatures = tuple(metadata["data"]["time_signatures"])
        settings = with_known_defaults(make_settings(metadata["config"]), styles, players, time_signatures)
        vocabulary = Vocabulary.from_json(metadata["vocabulary"]) if metadata["vocabulary"] else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{path}: what its checkpoint says of itself is not what drumjax writes ({error!r}); train again"
        ) from error
    codec = make_codec(settings.codec, vocabulary)
    return Run(
        settings=settings,
        codec=codec,
        model=make_model(settings, codec, len(styles), len(players)),
        weights=Weights(tree["params"], tree.get("stats", {})),
        styles=styles,
        step=metadata["step"],
        time_signatures=time_signatures,
        players=players,
        drum_rates=metadata["data"].get("drum_rates", {}),
    )
