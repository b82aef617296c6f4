"""README and docs: short enough, made from figures, and of commands that a script can find."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest
from tiny_run import ROOT


def load(name):
    """A script of docs/, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_tables, check_commands = load("make_tables"), load("check_commands")


def test_readme_is_two_screens():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 180


def test_lines_of_pages_are_short():
    pages = [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").glob("*.md"),
        ROOT / "benchmarks" / "README.md",
    ]
    long = [f"{page.name}:{number}" for page in pages
            for number, line in enumerate(page.read_text("utf-8").splitlines(), 1) if len(line) > 120]  # fmt: skip
    assert not long


@pytest.mark.parametrize("page", make_tables.PAGES)
def test_tables_are_what_the_figures_say(page):
    text = (ROOT / page).read_text("utf-8")
    assert "<!-- table: " in text
    assert make_tables.fill(text) == text, "run python docs/make_tables.py"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """A copy of the pages and figures, which the script works on."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png"))
    (tmp_path / "benchmarks").mkdir()
    for page in ("README.md", "benchmarks/README.md"):
        shutil.copy(ROOT / page, tmp_path / page)
    monkeypatch.setattr(make_tables, "ROOT", tmp_path)
    monkeypatch.setattr(make_tables, "FIGURES", tmp_path / "docs" / "figures")
    return tmp_path


def test_a_changed_figure_is_noticed_and_mended(elsewhere, monkeypatch, capsys):
    path = elsewhere / "docs" / "figures" / "rock-seed0.json"
    found = json.loads(path.read_text())
    found["counting"]["n-gram"]["all"] = 7.654
    path.write_text(json.dumps(found))
    monkeypatch.setattr("sys.argv", ["make_tables.py", "--check"])
    assert make_tables.main() == 1
    assert "README.md, docs/results.md" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["make_tables.py"])
    assert make_tables.main() == 0
    assert "| 7.654 |" in (elsewhere / "README.md").read_text()


def test_what_is_kept_of_an_evaluation_holds_no_path(elsewhere):
    row = {"group": "all", "songs": 2, "hits": {"nll": 1.23456}}
    evaluation = {
        "workdir": "/home/me/runs/rock", "source": "Groove in /home/me", "step": 3, "songs": 2, "excerpts": 1,
        "prediction": {"model": [row], "baselines": {"hits": {"unigram": [{"group": "all", "nll": 2.0}]}}},
        "grooves": [{"figure": "density", "unit": "hits/beat", "model": {"mean": 3.0, "sd": 1.0}}],
        "patterns": {"kick": {"model": 0.25}}, "memory": {"model": {"copied": 0.5}},
    }  # fmt: skip
    (elsewhere / "e.json").write_text(json.dumps(evaluation))
    text = make_tables.add("some-seed0", elsewhere / "e.json").read_text()
    assert "/home" not in text
    assert json.loads(text)["model"] == {"all": {"songs": 2, "hits": 1.2346}}
    assert json.loads(text)["plays"] == {"density, hits/beat": {"model": 3.0}}


def test_what_is_kept_of_control_is_the_overall_figures(elsewhere):
    (elsewhere / "c.json").write_text(json.dumps({"style": [{"chance": 1 / 14, "by_name": {"rock": 0.1}}]}))
    text = make_tables.add("some-seed0", elsewhere / "c.json").read_text()
    assert json.loads(text) == {"style": [{"chance": 0.0714}]}


def test_figures_without_what_a_table_shows_are_one_line(elsewhere, monkeypatch, capsys):
    path = elsewhere / "docs" / "figures" / "rock-seed0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"counting": {}}))
    monkeypatch.setattr("sys.argv", ["make_tables.py", "--check"])
    assert make_tables.main() == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: README.md: its figures lack 'unigram'; add the evaluations anew with --add, or measure speed anew"
    ]


def test_seeds_have_a_mean_and_a_spread():
    assert make_tables.spread([1.0]) == "1.000"
    assert make_tables.spread([1.0, 1.2, 1.4], 2) == "1.20 ± 0.20"


PAGE = """
```bash
pip install -r requirements.txt && python run_train.py --config rock   # train
python3 -m venv .venv && . .venv/bin/activate
python run_sample.py --bars 4 \\
    --bpm 90
```

<!-- skip: an hour -->
```bash
python long.py
```

```python
import drumjax
drumjax.train("rock", overrides={"train.num_steps": 500})
```
"""


def test_commands_are_found_with_their_line_and_why_they_are_left_out():
    found = list(check_commands.commands("a.md", PAGE))
    assert [command.where for command in found] == ["a.md:3", "a.md:4", "a.md:5", "a.md:11", "a.md:15"]
    assert [command.skip for command in found] == ["", "sets up", "", "an hour", ""]
    quick = [check_commands.as_script(command, quick=True)[-1] for command in found]
    assert "pip" not in quick[0]
    assert "pip install" in check_commands.as_script(found[0], quick=True, install=True)[-1]
    assert quick[0].startswith("python run_train.py --config rock --config.train.num_steps=4 ")
    assert "--bpm 90" in quick[2]
    assert '"train.num_steps": 4}' in quick[4]


def test_columns_of_a_docstring_are_a_list_and_prose_stays_prose():
    pytest.importorskip("griffe")
    text = "What it is.\n\nstyles    names,\n          some\nstep      of training\n\nRaises an error.\n\n  a  b"
    found = load("docstring_lists").write_lists(text)
    expected = "What it is.\n\n- `styles`: names, some\n- `step`: of training\n\nRaises an error.\n\n  a  b"
    assert found == expected


def test_every_page_is_checked_and_shown():
    """Of the site's pages, those with commands; of what is checked, all in the site."""
    shown = set(re.findall(r"\b(\w+\.md)", (ROOT / "mkdocs.yml").read_text()))
    checked = {page.removeprefix("docs/") for page in check_commands.PAGES}
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert shown == pages
    assert checked - {"README.md"} <= pages
    for page in pages - checked:
        assert "```bash" not in (ROOT / "docs" / page).read_text("utf-8")
