"""The notebook: short cells, one address, and what it shows when it is run, by the oldest stack where there is one."""

import importlib.util
import json
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest
from browsing import COUNT_SOUNDS, complaints, open_page, wait_for
from tiny_run import ROOT

NOTEBOOK = ROOT / "notebooks" / "drumjax.ipynb"
CELLS = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
# A training of seconds: a model that compiles quickly. As many pieces as other cells play.
FORMS = {"config": '"small.py"', "steps": "20", "num_samples": "4"}
SMALL = """
from configs import tiny

def get_config():
    config = tiny.get_config()
    config.codec.expressive = config.model.lookback = config.model.copy = config.model.features = False
    config.model.hidden_size = config.model.embed_size = 16
    config.train.window_beats = 8
    return config
"""


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.splitlines()[0][:30])
def test_a_cell_is_short_and_calls_what_is_public(code):
    assert len(code.splitlines()) <= 12
    assert all(len(line) <= 120 for line in code.splitlines())
    assert not re.search(r"from drumjax|import drumjax\.|drumjax\._[a-z]", code)


def test_it_is_committed_as_it_was_before_it_was_run():
    for cell in CELLS:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_address_of_the_repository_is_the_same_everywhere():
    address = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
    assert any(f'REPOSITORY = "{address}"' in code for code in CODE)
    place = address.removeprefix("https://github.com/")
    badge = f"https://colab.research.google.com/github/{place}/blob/main/notebooks/drumjax.ipynb"
    assert badge in "".join(CELLS[0]["source"])
    assert badge in (ROOT / "README.md").read_text("utf-8")


def find_stack() -> str:
    """The Python of the oldest libraries, which .ci/oldest has made; this one where it has not."""
    python = os.environ.get("DRUMJAX_OLDEST_PYTHON", "")
    return python if Path(python).is_file() else sys.executable


@pytest.mark.long
@pytest.mark.slow
def test_it_runs_and_what_it_shows_plays(browser, tmp_path):
    python = find_stack()
    pytest.importorskip("nbclient")
    spec = importlib.util.spec_from_file_location("run_notebook", ROOT / "docs" / "run_notebook.py")
    run_notebook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run_notebook)
    # Without a network, and compiled as tests are. The oldest stack has the wheel.
    environment = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "true", "HTTPS_PROXY": "http://127.0.0.1:9", "DRUMJAX_DATA": ""}
    quickly = [flag for flag in os.environ["XLA_FLAGS"].split() if "device_count" not in flag]
    environment |= {"PYTHONPATH": str(ROOT) if python == sys.executable else "", "XLA_FLAGS": " ".join(quickly)}
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "small.py").write_text(SMALL)
    notebook = run_notebook.read_notebook(FORMS)
    run_notebook.run(notebook, python, tmp_path, environment)
    texts = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "on the CPU" in texts
    assert "step 20; best held-out loss" in texts
    assert len(list((tmp_path / "work" / "samples").glob("*.mid"))) == 4
    assert (tmp_path / "work" / "samples.zip").stat().st_size > 1000
    open_page(browser, tmp_path / "page.html", run_notebook.write_page(notebook))
    check_page(browser)


def check_page(browser):
    frames = browser.find_elements("css selector", "iframe")
    assert len(frames) == 5  # listening, asking, humanizing, the run's preview, the run's pieces
    images = browser.find_elements("css selector", ".output > img")
    assert len(images) == 1  # the curves
    assert browser.execute_script("return arguments[0].naturalWidth", images[0]) > 300
    for frame in frames:
        browser.switch_to.frame(frame)
        browser.execute_script(COUNT_SOUNDS)
        browser.find_element("css selector", ".play").click()
        wait_for(browser, "window.sounding > 0")
        browser.switch_to.default_content()
    assert not complaints(browser)
