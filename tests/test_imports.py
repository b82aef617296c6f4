"""Who may import whom, and which file knows which library.

Read from the source, not by importing: what a function imports counts as well.
"""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """Full names of all that a file imports, but for types alone; of `from a import b` both `a` and `a.b`."""
    names = set()
    tree = ast.parse(path.read_text("utf-8"))
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


IMPORTS = {module_name(path): imports_of(path) for path in sorted((ROOT / "drumjax").rglob("*.py"))}
# Between the modules of drumjax; the package itself is only a name.
EDGES = {name: (found & IMPORTS.keys()) - {"drumjax"} for name, found in IMPORTS.items()}


def library_users(library: str) -> set[str]:
    return {name for name, found in IMPORTS.items() if any(f"{i}.".startswith(f"{library}.") for i in found)}


def reachable(name: str) -> set[str]:
    """The module and all of drumjax that importing it imports; a package comes with each of its modules."""
    seen, todo = set(), [name]
    while todo:
        now = todo.pop()
        if now not in seen:
            seen.add(now)
            parents = {now.rpartition(".")[0]} & IMPORTS.keys()
            todo.extend(EDGES[now] | parents)
    return seen


def test_the_walk_sees_imports():
    assert len(IMPORTS) > 20
    assert "drumjax.music.notes" in EDGES["drumjax.data.corpus"]
    assert "drumjax.midi.reader" in EDGES["drumjax.data.song_reader"]
    assert "drumjax.codecs.base" in reachable("drumjax.codecs.grid")


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("miditoolkit", {"midi"}),
        ("orbax", {"checkpoint"}),
        ("flax", {"lstm", "layers", "music_lstm", "model"}),
        ("optax", {"optimizer", "schedule", "train_step"}),
        ("absl", set()),
        ("ml_collections", set()),
        ("configs", set()),
    ],
)
def test_each_library_has_its_place(library, modules):
    assert library_users(library) == {f"drumjax.{module}" for module in modules}


def test_notes_and_kits_stand_alone():
    assert EDGES["drumjax.music.notes"] == EDGES["drumjax.music.kits"] == set()


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("sample", {"train", "train_step", "optimizer"}),
        ("grooves", {"train", "train_step"}),
        ("generate", {"train", "train_step"}),
        ("runs", {"train", "train_step"}),
        ("codecs", {"model", "layers", "lstm", "loss", "sample"}),
        ("codecs.grid", {"model", "layers", "lstm", "loss", "sample"}),
        ("corpus", {"codecs", "model"}),
        ("augment", {"codecs", "corpus", "model", "settings"}),
        ("model", {"kits", "midi", "datasets", "codecs.grid", "tab"}),
        ("music_lstm", {"kits", "midi", "datasets", "codecs.grid", "tab"}),
        ("layers", {"kits", "midi", "datasets", "codecs.grid", "tab"}),
        ("lstm", {"kits", "midi", "datasets", "codecs", "tab"}),
        ("train_step", {"train", "sample", "datasets", "checkpoint"}),
    ],
)
def test_what_a_module_must_not_know_even_through_others(module, forbidden):
    assert not reachable(f"drumjax.{module}") & {f"drumjax.{name}" for name in forbidden}


@pytest.mark.parametrize(
    "module", ["midi", "song_writer", "tab", "kits", "song_reader", "datasets", "starter", "notes"]
)
def test_reading_and_writing_songs_needs_no_jax(module):
    """So that the processes that parse MIDI files start quickly."""
    heavy = library_users("jax") | library_users("flax") | library_users("optax") | library_users("orbax")
    assert not reachable(f"drumjax.{module}") & heavy


def test_imports_form_no_circle():
    order: list[str] = []

    def visit(name, above):
        assert name not in above, " -> ".join([*above, name])
        if name not in order:
            for other in sorted(EDGES[name]):
                visit(other, [*above, name])
            order.append(name)

    for name in IMPORTS:
        visit(name, [])
    assert set(order) == set(IMPORTS)


@pytest.mark.parametrize("name", ["run_train.py", "run_sample.py"])
def test_entry_points_leave_the_work_to_drumjax(name):
    tops = {found.partition(".")[0] for found in imports_of(ROOT / name)}
    assert tops - set(sys.stdlib_module_names) <= {"drumjax", "absl", "ml_collections", "jax"}
