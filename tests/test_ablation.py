"""The ablation: every change alone and all together, nothing trained twice, and a table of means and spreads."""

import json
import sys

import pytest
from absl import flags
from ml_collections import config_flags

from drumjax.config.settings import make_settings
from drumjax.studies import ablation
from drumjax.studies.ablation import CASES, DATA, FIELDS, Trial, best_figures, make_table, run
from drumjax.training.augment import MODERATE, Strength


def finish(workdir, losses, num_steps=4):
    workdir.mkdir(parents=True)
    (workdir / "config.json").write_text(json.dumps({"config": {"train": {"num_steps": num_steps}}}))
    rows = [
        {"step": step, "split": "validation", "loss": loss, **{f"nll_each/{f}": loss + i for i, f in enumerate(FIELDS)}}
        for step, loss in losses
    ]
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_every_change_of_drums_has_a_case():
    assert set(MODERATE) == set(Strength._fields) - {"transpose"}
    assert set(CASES) == {"none", "all", *MODERATE}


def test_the_best_evaluation_of_a_finished_run_counts(tmp_path):
    finish(tmp_path / "done", [(2, 1.0), (4, 2.0)])
    assert best_figures(tmp_path / "done")["step"] == 2
    finish(tmp_path / "going", [(2, 1.0)])
    assert best_figures(tmp_path / "going") is None
    assert best_figures(tmp_path / "absent") is None


def test_what_is_there_is_not_trained_again(tmp_path, monkeypatch):
    trials = [Trial("all styles", case, seed) for case in ("none", "gain") for seed in (0, 1)]
    finish(trials[0].workdir(tmp_path), [(4, 1.0)])
    trained = []

    def train(command, **_):
        workdir = next(c.partition("=")[2] for c in command if c.startswith("--workdir"))
        trained.append(workdir)
        finish(type(tmp_path)(workdir), [(4, 1.5)])

    monkeypatch.setattr(ablation.subprocess, "run", train)
    figures = run(trials, tmp_path)
    assert trained == [str(trial.workdir(tmp_path)) for trial in trials[1:]]
    assert len(figures) == 4
    assert "| none | " in (tmp_path / "table.md").read_text()
    assert len(json.loads((tmp_path / "ablation.json").read_text())) == 4


def test_a_copy_of_the_figures_is_enough(tmp_path, monkeypatch):
    trials = [Trial("rock beats", "none", seed) for seed in (0, 1)]
    for trial in trials:
        finish(trial.workdir(tmp_path / "first"), [(4, 1.0 + trial.seed)])
    found = run(trials, tmp_path / "first")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "ablation.json").write_bytes((tmp_path / "first" / "ablation.json").read_bytes())
    monkeypatch.setattr(ablation.subprocess, "run", None)
    assert run(trials, tmp_path / "second") == found


def test_the_table_has_means_and_spreads():
    figures = {
        Trial("rock beats", "tempo", seed): {f"nll_each/{field}": 1.0 + 0.2 * seed for field in FIELDS}
        for seed in (0, 1)
    }
    row = next(line for line in make_table(figures).splitlines() if "tempo" in line)
    assert row == f"| `tempo={MODERATE['tempo']:g}` | " + " | ".join(["1.100 ± 0.100"] * 3 + [""] * 3) + " |"


@pytest.mark.parametrize("data", DATA)
def test_commands_are_those_of_run_train(tmp_path, data, monkeypatch):
    """As run_train.py's flags would change it, the config is one that can be trained."""
    command = Trial(data, "gain", 2).command(tmp_path)
    assert command[1].endswith("run_train.py")
    monkeypatch.setattr(sys, "argv", command[1:])  # where ml_collections looks for overrides
    holder = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=holder)
    flags.DEFINE_string("workdir", None, "", flag_values=holder)
    holder(command[1:])
    config = json.loads(holder.config.to_json())
    make_settings(config)
    assert {config[part]["fill"] for part in ("data", "validation")} <= {"all", "beat"}
    assert config["augment"] == dict.fromkeys(Strength._fields, 0.0) | {"gain": 0.2, "schedule": "constant"}
    assert config["train"]["seed"] == 2
    assert holder.workdir == str(Trial(data, "gain", 2).workdir(tmp_path))
