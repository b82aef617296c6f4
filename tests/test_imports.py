"""Who may import whom: the contracts of pyproject.toml, and how little an import costs."""

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@functools.cache
def imports_of(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
    return names


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh process has loaded after a statement."""
    lines = ["import json, sys", "try:", f"    {statement}", "except SystemExit:", "    pass"]
    code = "\n".join([*lines, "print()", "print(json.dumps(list(sys.modules)))"])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def check_contracts(folder: Path) -> tuple[int, str]:
    """The exit status of import-linter, and its output; in a process of its own, for it sets up logging anew."""
    code = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


def test_every_room_imports_only_those_below_it_and_each_library_has_its_place():
    status, output = check_contracts(ROOT)
    assert status == 0, output
    assert "Contracts: 7 kept, 0 broken." in output


def test_a_wrong_import_is_found(tmp_path):
    """The contracts are not met by anything: notes that import the sampler, and a codec that imports flax."""
    for path in (ROOT / "drumjax").rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    for name, line in (("music/notes.py", "import drumjax.sampling.sampler"), ("codecs/grid.py", "import flax")):
        with (tmp_path / "drumjax" / name).open("a") as file:
            file.write(f"\n{line}\n")
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    status, output = check_contracts(tmp_path)
    assert status == 1
    assert "drumjax.music.notes -> drumjax.sampling.sampler" in output.replace("\n", " ")
    assert "Only models knows flax BROKEN" in output


COMMAND_LINES = ["config/flags.py", "system/command_line.py", "commands/sample.py", "commands/train.py"]


@pytest.mark.parametrize(
    ("library", "where"), [("absl", COMMAND_LINES), ("ml_collections", ["commands/train.py"]), ("configs", [])]
)
def test_what_belongs_to_programs_and_configs_stays_there(library, where):
    for path in (ROOT / "drumjax").rglob("*.py"):
        if str(path.relative_to(ROOT / "drumjax")) not in where:
            assert library not in {name.partition(".")[0] for name in imports_of(path)}, path


@pytest.mark.parametrize("name", ["run_train.py", "run_sample.py"])
def test_entry_points_leave_the_work_to_drumjax(name):
    tops = {found.partition(".")[0] for found in imports_of(ROOT / name)}
    assert tops - set(sys.stdlib_module_names) == {"drumjax"}


def test_importing_drumjax_loads_next_to_nothing():
    loaded = loaded_by("import drumjax")
    assert not {"numpy", "jax", "flax", "orbax", "matplotlib"} & loaded
    assert len([name for name in loaded if name.startswith("drumjax.")]) == 0


@pytest.mark.parametrize("name", ["explore", "convert"])
def test_help_waits_for_no_library(name):
    loaded = loaded_by(
        f"import runpy; sys.argv = ['{name}', '--help']; runpy.run_module('drumjax.{name}', run_name='__main__')"
    )
    assert not {"numpy", "jax", "flax", "orbax", "matplotlib"} & loaded
    light = {"drumjax", f"drumjax.{name}", "drumjax.system"}
    mine = {found for found in loaded if found.startswith("drumjax")}
    parts = ("command_name", "console", "errors", "files", "stop_signals")
    assert mine <= light | {f"drumjax.system.{part}" for part in parts}


def test_files_are_converted_without_jax():
    loaded = loaded_by("import drumjax.convert.conversion, drumjax.system.console")
    assert not {"jax", "flax", "optax", "orbax", "matplotlib"} & loaded


def test_songs_are_read_and_written_without_jax():
    loaded = loaded_by("import drumjax; drumjax.read_midi, drumjax.write_midi, drumjax.read_tab, drumjax.Song")
    assert not {"jax", "flax", "optax", "orbax"} & loaded


@pytest.mark.parametrize(
    "argv",
    [
        ["run_train.py", "--config=tiny"], ["run_sample.py", "--workdir=x"], ["drumjax.explore"],
        ["drumjax.evaluate", "--workdir=x"], ["drumjax.convert", "a.mid", "b.tab"],
    ],
)  # fmt: skip
def test_a_program_answers_signals_before_it_imports_jax(argv):
    """An interrupted import is a traceback, unless run_or_explain is there to answer."""
    code = f"""if True:
        import runpy, sys
        from drumjax.system import console
        console.run_or_explain = lambda run: sys.exit(f"jax: {{'jax' in sys.modules}}")
        sys.argv = {argv}
        if sys.argv[0].endswith(".py"):
            runpy.run_path(sys.argv[0], run_name="__main__")
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1] == "jax: False"
