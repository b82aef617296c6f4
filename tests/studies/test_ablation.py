"""The ablation: every change alone and all together, nothing trained twice, and a table of means and spreads."""

import json

import pytest

from drumjax.config.augmentation import AUGMENTATIONS
from drumjax.config.load import load_config
from drumjax.config.settings import make_settings
from drumjax.studies import ablation
from drumjax.studies.ablation import CASES, CONFIG, DATA, FIELDS, MODERATE, Trial, best_figures, make_table, run
from drumjax.studies.command import StudyError
from drumjax.system.errors import UserError
from drumjax.training.trainer import Result


def finish(workdir, losses, num_steps=4):
    workdir.mkdir(parents=True)
    (workdir / "config.json").write_text(json.dumps({"config": {"train": {"num_steps": num_steps}}}))
    rows = [
        {"step": step, "split": "validation", "loss": loss, **{f"nll_each/{f}": loss + i for i, f in enumerate(FIELDS)}}
        for step, loss in losses
    ]
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_every_change_of_drums_has_a_case():
    assert set(MODERATE) == set(AUGMENTATIONS) - {"transpose"}
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

    def train_population(members, *, at_once):
        for member in members:
            trained.append(member.workdir)
            assert member.config["train"]["seed"] == int(member.name[-1])
            assert member.config["augment"]["gain"] == (CASES["gain"]["gain"] if "gain" in member.name else 0)
            finish(member.workdir, [(4, 1.5)])
            yield {member.name: Result(4, 4, 1.5, "")}

    monkeypatch.setattr(ablation, "train_population", train_population)
    figures = run(trials, tmp_path)
    assert trained == [trial.workdir(tmp_path) for trial in trials[1:]]
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
    monkeypatch.setattr(
        ablation, "train_population", lambda members, **_: pytest.fail("trained again") if members else []
    )
    assert run(trials, tmp_path / "second") == found


def test_the_table_has_means_and_spreads():
    figures = {
        Trial("rock beats", "tempo", seed): {f"nll_each/{field}": 1.0 + 0.2 * seed for field in FIELDS}
        for seed in (0, 1)
    }
    row = next(line for line in make_table(figures).splitlines() if "tempo" in line)
    assert row == f"| `tempo={MODERATE['tempo']:g}` | " + " | ".join(["1.100 ± 0.100"] * 3 + [""] * 3) + " |"


def test_a_training_that_is_stopped_stops_all(tmp_path, monkeypatch):
    stopped = Result(2, 0, 9.0, "SIGINT")
    monkeypatch.setattr(ablation, "train_population", lambda members, **_: [{m.name: stopped} for m in members])
    with pytest.raises(StudyError, match="stopped by SIGINT; the same command goes on from here"):
        run([Trial("all styles", "none", 0)], tmp_path)


@pytest.mark.parametrize("data", DATA)
def test_trials_can_be_trained(data):
    """The config that a trial changes is one that can be trained."""
    config = load_config(CONFIG, Trial(data, "gain", 2).overrides())
    make_settings(config)
    assert {config[part]["fill"] for part in ("data", "validation")} <= {"all", "beat"}
    assert config["augment"] == dict.fromkeys(AUGMENTATIONS, 0.0) | {"gain": 0.2, "schedule": "constant"}
    assert config["train"]["seed"] == 2


def test_files_of_the_users_own_are_not_replaced(tmp_path):
    figures = {Trial("all styles", "none", 0): {f"nll_each/{field}": 1.0 for field in FIELDS}}
    for name, read_or_write in (
        ("ablation.json", lambda: ablation.read(tmp_path)),
        ("table.md", lambda: ablation.write(figures, tmp_path)),
    ):
        (tmp_path / name).write_text('{"mine": 1}')
        with pytest.raises(UserError, match=name):
            read_or_write()
        assert (tmp_path / name).read_text() == '{"mine": 1}'
        (tmp_path / name).unlink()
    for _ in range(2):
        ablation.write(figures, tmp_path)
        assert ablation.read(tmp_path) == figures
