"""The border where configs become settings, and where mistakes are told."""

import importlib
import json
import re
from pathlib import Path

import pytest

from configs import default
from drumjax.codecs.factory import make_codec
from drumjax.config import load
from drumjax.config.built_in import built_in_config
from drumjax.config.checks import SettingsError
from drumjax.config.load import load_config
from drumjax.config.settings import make_settings, write_settings
from drumjax.music.kits import ONE_DRUM
from drumjax.runs.workdir import RunError, check_same_config

CONFIGS = sorted(path.stem for path in (Path(__file__).parents[2] / "configs").glob("*.py") if path.stem != "__init__")


def config_with(**changes):
    """The default config; group__field=value changes a field."""
    config = default.get_config().to_dict()
    for name, value in changes.items():
        group, _, field = name.partition("__")
        config[group][field] = value
    return config


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_makes_settings_and_a_codec(name):
    config = importlib.import_module(f"configs.{name}").get_config().to_dict()
    settings = make_settings(config)
    codec = make_codec(settings.codec)
    assert len(settings.train.weights_of([field.name for field in codec.fields])) == len(codec.fields)
    assert codec.num_steps(settings.train.window_beats, 1) > 0


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_means_the_same_after_a_trip_through_json(name):
    """It is stored in checkpoints and config.json that way, where tuples become lists."""
    config = importlib.import_module(f"configs.{name}").get_config().to_dict()
    assert make_settings(json.loads(json.dumps(config))) == make_settings(config)


def test_what_is_built_in_is_the_default_config(tmp_path, monkeypatch):
    """configs/default.py says what each setting is, and is not installed everywhere."""
    assert built_in_config() == load_config("default")
    monkeypatch.setattr(load, "_FOLDERS", (tmp_path,))
    assert load_config("default", {"train.num_steps": 7})["train"]["num_steps"] == 7
    with pytest.raises(SettingsError, match="no config 'rock'"):
        load_config("rock")


def test_lists_become_tuples():
    settings = make_settings(config_with(validation__time_signatures=["4/4", "3/4"], codec__lookback_beats=[1, 2.5]))
    assert settings.validation.time_signatures == ("4/4", "3/4")
    assert settings.codec.lookback_beats == (1.0, 2.5)
    assert all(type(beats) is float for beats in settings.codec.lookback_beats)


def test_numbers_by_name_become_floats():
    settings = make_settings(config_with(train__field_weights={"hits": 1, "offset": 2.5}))
    assert settings.train.field_weights == {"hits": 1.0, "offset": 2.5}
    assert all(type(weight) is float for weight in settings.train.field_weights.values())


def test_what_nothing_depends_on_any_more_is_read_over():
    assert make_settings(config_with(model__backend="cudnn")) == make_settings(config_with())


def test_a_whole_number_will_do_for_a_float():
    settings = make_settings(config_with(train__learning_rate=1, sample__bpm=90))
    assert type(settings.train.learning_rate) is float
    assert type(settings.sample.bpm) is float


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train__learnig_rate": 0.1}, "config.train.learnig_rate does not exist; did you mean config.train.learning"),
        ({"model__qqq": 1}, "config.model.qqq does not exist"),
        ({"train__num_steps": 10.0}, "config.train.num_steps is 10.0; it must be of type int"),
        ({"train__num_steps": True}, "config.train.num_steps is True; it must be of type int"),
        ({"train__num_steps": "10"}, "config.train.num_steps is '10'; it must be of type int"),
        ({"model__skip": 1}, "config.model.skip is 1; it must be of type bool"),
        ({"train__learning_rate": True}, "config.train.learning_rate is True; it must be of type float"),
        ({"codec__kit": None}, "config.codec.kit is None; it must be of type str"),
        ({"train__learning_rate": 10**400}, "config.train.learning_rate is 1000"),
        ({"data__styles": "rock"}, "config.data.styles is 'rock'; it must be a tuple"),
        ({"data__styles": (1,)}, "config.data.styles is 1; it must be of type str"),
        ({"codec__lookback_beats": 1.0}, "config.codec.lookback_beats is 1.0; it must be a tuple"),
        ({"train__field_weights": 1.0}, "config.train.field_weights is 1.0; it must be numbers by name"),
    ],
)
def test_wrong_names_and_types_are_named(change, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        make_settings(config_with(**change))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("codec__name", "tokens"),
        ("codec__kit", "roland"),
        ("codec__steps_per_beat", 0),
        ("codec__velocity_bins", 1),
        ("codec__offset_bins", 129),
        ("codec__lookback_bars", -1),
        ("model__norm", "group"),
        ("model__hidden_size", 0),
        ("model__num_layers", 0),
        ("train__num_steps", 0),
        ("train__batch_size", 0),
        ("train__steps_per_call", 0),
        ("train__warmup_steps", -1),
        ("train__weight_decay", -0.1),
        ("train__clip_norm", -1.0),
        ("train__dropout", 1.0),
        ("train__context_dropout", -0.1),
        ("train__average_decay", 1.0),
        ("train__learning_rate", 0.0),
        ("train__optimizer", "sgd"),
        ("train__schedule", "linear"),
        ("sample__humanize", {"spread": 1.1}),
        ("data__dataset", "grove"),
        ("data__fill", "fills"),
        ("data__validation_fraction", 0.0),
        # Numbers that are not finite train nothing.
        ("train__learning_rate", float("inf")),
        ("train__learning_rate", float("nan")),
        ("train__weight_decay", float("inf")),
        ("train__field_weights", {"hits": float("nan"), "velocity": 1.0, "offset": 1.0}),
    ],
)
def test_values_out_of_range_are_named(name, value):
    group, _, field = name.partition("__")
    with pytest.raises(SettingsError, match=rf"{group}\.{field}|{group}: .*{field}") as error:
        make_settings(config_with(**{name: value}))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("odds", "message"),
    [
        ("offset", r" is 'offset'; it must be numbers by name"),
        ({"offset": None}, r"\.offset is None; it must be of type float"),
        ({"offset": 1.5}, r" is .*; it must be odds in 0\.\.1 by field"),
        ({"offset": -0.1}, r" is .*; it must be odds in 0\.\.1 by field"),
        ({"offset": float("nan")}, r"\.offset is nan; it must be a finite number"),
        ({"hits": 0.1}, r" is .* odds in 0\.\.1 of: velocity, offset"),
        ({"shift": 0.1}, r" is .* odds in 0\.\.1 of: velocity, offset"),
        ({"offset": 0.2, "": 0.1}, r" is .*; it must be numbers by field, of hits, velocity, offset"),
    ],
)
def test_only_expression_can_be_hidden(odds, message):
    fields = make_codec(make_settings(config_with()).codec).fields
    expression = [field.name for field in fields if field.is_expression]
    with pytest.raises(SettingsError, match=r"config\.train\.history_dropout" + message):
        make_settings(config_with(train__history_dropout=odds)).train.history_odds(expression)
    known = make_settings(config_with(train__history_dropout={"offset": 0.25})).train
    assert known.history_odds(expression) == {"offset": 0.25}
    assert make_settings(config_with()).train.history_odds(expression) == {}


def test_missing_groups_and_fields_are_named():
    config = config_with()
    del config["train"]["seed"], config["train"]["dropout"]
    with pytest.raises(SettingsError, match=r"config\.train lacks seed, dropout"):
        make_settings(config)
    del config["train"]
    with pytest.raises(SettingsError, match="config lacks train"):
        make_settings(config)
    with pytest.raises(SettingsError, match=r"config\.train is 3; it must be a group"):
        make_settings(config | {"train": 3})


def test_the_codec_is_as_the_settings_say():
    changes = {"kit": "one_drum", "steps_per_beat": 12, "expressive": False, "lookback_bars": 3, "offset_bins": 5}
    codec = make_codec(make_settings(config_with(**{f"codec__{k}": v for k, v in changes.items()})).codec)
    assert (codec.kit, codec.steps_per_beat, codec.expressive) == (ONE_DRUM, 12, False)
    assert (codec.lookback_bars, codec.offset_bins, codec.velocity_bins) == (3, 5, 32)


def test_a_run_from_before_a_setting_was_there_has_the_value_that_reproduces_it():
    config = default.get_config().to_dict()
    complete = make_settings(config)
    older = json.loads(json.dumps(config))
    del older["model"]["cell"], older["sample"]["num_notes"], older["augment"]["swing"]
    assert make_settings(older) == complete
    assert make_settings(write_settings(complete)) == complete
    check_same_config(older, config, "the run")  # and goes on as the same run
    check_same_config(config, older, "the run")
    with pytest.raises(RunError, match=r"augment\.swing: saved 0\.0, wanted 0\.1"):
        check_same_config(older, config | {"augment": config["augment"] | {"swing": 0.1}}, "the run")
    del older["model"]["hidden_size"]
    with pytest.raises(SettingsError, match="lacks hidden_size"):
        make_settings(older)
    with pytest.raises(RunError, match=r"another version of drumjax .*lacks hidden_size"):
        check_same_config(older, config, "the run")
