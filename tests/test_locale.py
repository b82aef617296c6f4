"""Where the locale knows ASCII only, and Python was told to go by it: names of files are in UTF-8 all the same."""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest
from song_files import make_groove
from tiny_run import ROOT, make_config, save_untrained, write_songs

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run_code(code: str, folder, **env) -> tuple[int, str]:
    """(exit status, output) of a program in a folder, where files can only be named in ASCII."""
    code = "from drumjax.system.console import run_or_explain, set_up_logging\nset_up_logging()\n" + code
    hidden = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    env = hidden | ASCII | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"} | env
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


@pytest.mark.slow
def test_a_dataset_of_any_names_is_explored(tmp_path):
    """The names are in info.csv and in a config, and in what the system says of a folder."""
    rows = [{"midi_filename": f"drümmer/{name}.mid", "split": split} for name, split in
            (("ドラム", "train"), ("größe", "validation"), ("ascii", "train"))]  # fmt: skip
    make_groove(tmp_path / "dätä", rows)
    code = textwrap.dedent("""
        import dataclasses, pathlib
        from drumjax.data.datasets import load_dataset
        from drumjax.explore.explore import explore, read_settings
        settings = read_settings("", "d\\u00e4t\\u00e4")
        print(sorted(song.name for song in load_dataset(settings.data).songs))
        groove = dataclasses.replace(settings.data, dataset="groove")
        explore(dataclasses.replace(settings, data=groove), pathlib.Path("out"))
    """)
    status, output = run_code(code, tmp_path)
    assert status == 0, output
    assert "ドラム" in (tmp_path / "out" / "index.html").read_text("utf-8")
    assert ascii([f"drümmer/{name}.mid" for name in ("ascii", "größe", "ドラム")]) in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_checkpoint_whose_folder_cannot_be_named_is_not_called_damaged(tmp_path):
    """Orbax takes names for UTF-8 whatever the locale says."""
    run = save_untrained(tmp_path / "run", make_config(write_songs(tmp_path / "songs", 1)))
    shutil.copytree(run, tmp_path / "rün")
    shutil.copytree(run, tmp_path / os.fsdecode(b"r\xfcn"))
    before = sorted(os.walk(tmp_path))
    code = textwrap.dedent("""
        import os, sys
        from drumjax.runs.run import load_run
        from drumjax.runs.workdir import make_workdir
        for name in (b"run", b"r\\xc3\\xbcn", b"r\\xfcn"):
            for use in (load_run, lambda path: make_workdir(__import__("pathlib").Path(path))):
                print(run_or_explain(lambda: use(os.fsdecode(name)) and None))
    """)
    _, output = run_code(code, tmp_path)
    assert [line for line in output.splitlines() if line in ("0", "1")] == ["0", "0", "1", "1", "1", "1"], output
    assert output.count("need UTF-8, and this locale has ascii: set PYTHONUTF8=1") == 4
    _, output = run_code(code, tmp_path, PYTHONUTF8="1")
    assert [line for line in output.splitlines() if line in ("0", "1")] == ["0", "0", "0", "0", "1", "1"], output
    assert output.count("whose name is not UTF-8; rename it") == 2
    assert "good checkpoint" not in output
    assert "damaged" not in output
    assert sorted(os.walk(tmp_path)) == before
