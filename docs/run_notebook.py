"""Runs notebooks/drumjax.ipynb: `python docs/run_notebook.py [--python PYTHON] [--set steps=20] [--html page.html]`.

In a kernel of another Python, if one is given, which needs drumjax and ipykernel; in an empty folder; with what --set
says in place of the values of forms. --html writes what the cells show as a page. Prints how long each cell took.
"""

import argparse
import html
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "drumjax.ipynb"
TIMEOUT_SECONDS = 1800


def read_notebook(forms: Mapping[str, str] | None = None) -> Any:
    """The notebook, with other values in its forms: {"steps": "20"}. Raises ValueError for a form that it has not."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for name, value in (forms or {}).items():
        cells = [cell for cell in notebook.cells if re.search(rf"^{name} = .*# @param", cell.source, re.M)]
        if len(cells) != 1:
            raise ValueError(f"{len(cells)} cells have a form {name}")
        cells[0].source = re.sub(rf"^{name} = .*?(  # @param)", rf"{name} = {value}\1", cells[0].source, flags=re.M)
    return notebook


def run(notebook: Any, python: str, folder: Path, environment: Mapping[str, str]) -> list[float]:
    """Runs the cells by that Python in that folder, and keeps what they show. Returns the seconds of each code cell.

    Raises CellExecutionError for a cell that fails.
    """
    spec = folder / "kernels" / "drumjax"
    spec.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": argv, "display_name": "drumjax", "language": "python", "env": dict(environment)}
    (spec / "kernel.json").write_text(json.dumps(kernel))
    (folder / "work").mkdir(exist_ok=True)
    found = KernelSpecManager(kernel_dirs=[str(spec.parent)], ensure_native_kernel=False)
    manager = KernelManager(kernel_name="drumjax", kernel_spec_manager=found)
    client = NotebookClient(notebook, km=manager, timeout=TIMEOUT_SECONDS,
                            resources={"metadata": {"path": str(folder / "work")}})  # fmt: skip
    seconds = []
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            start = time.perf_counter()
            client.execute_cell(cell, index)
            if cell.cell_type == "code":
                seconds.append(time.perf_counter() - start)
    return seconds


def write_page(notebook: Any) -> str:
    """What the cells show, as a page: pictures and players as a notebook has them, the rest as text."""
    parts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = (
                data.get("text/html") or f"<pre>{html.escape(output.get('text') or data.get('text/plain', ''))}</pre>"
            )
            parts.append(f'<div class="output" id="{cell.id}">{text}</div>')
    head = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
    return f"{head}<title>drumjax</title>{''.join(parts)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--python", default=sys.executable, help="whose kernel; this one unless given")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a value of a form")
    parser.add_argument("--html", type=Path, help="write what the cells show to this page")
    flags = parser.parse_args()
    notebook = read_notebook(dict(pair.split("=", 1) for pair in flags.set))
    with tempfile.TemporaryDirectory() as folder:
        seconds = run(notebook, flags.python, Path(folder), {"PYTHONPATH": str(ROOT), **os.environ})
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, taken in zip(cells, seconds, strict=True):
        print(f"{taken:7.1f} s  {cell.source.splitlines()[0]}")
    print(f"{sum(seconds):7.1f} s  in all")
    if flags.html:
        flags.html.write_text(write_page(notebook), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
