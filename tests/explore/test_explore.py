"""The data doctor, on songs whose ailments are known."""

import dataclasses
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from bars import ROCK, TOMS, make_song

from configs import default
from drumjax.config.augmentation import AUGMENTATIONS
from drumjax.config.checks import SettingsError
from drumjax.config.settings import make_settings
from drumjax.data.datasets import Dataset
from drumjax.data.starter import starter_songs
from drumjax.explore import __main__ as command
from drumjax.explore import augmentation_pictures
from drumjax.explore.advice import Advice, advise, make_table
from drumjax.explore.augmentation_pictures import SHOWN, draw_augmentation
from drumjax.explore.explore import read_settings
from drumjax.explore.grid_loss import compare_grids, lost_hits, offsets_ms
from drumjax.explore.inventory import MAX_ROWS, count_by, count_splits, cross_styles, list_notices, list_skipped
from drumjax.explore.leakage import check_leakage, find_duplicates
from drumjax.explore.page import examine
from drumjax.explore.pitches import UNMAPPED, best_kit, count_pitches, map_drums, range_of_notes, unmapped_share
from drumjax.midi.reader import write_midi
from drumjax.music.kits import GENERAL_MIDI, ROLAND_TD11
from drumjax.music.notes import FILL_NO, FILL_YES, Song, make_notes
from drumjax.music.pitch_names import percussion_name, pitch_name
from drumjax.report.tables import Table, write_text

ROOT = Path(__file__).parents[2]
SETTINGS = make_settings(default.get_config().to_dict())
SONGS = [
    make_song([ROCK] * 4, name="a", split="train", style="rock", drummer="one", fill=FILL_NO, tempo_bpm=60.0),
    make_song([TOMS] * 2, name="b", split="train", style="rock", drummer="two", fill=FILL_YES),
    make_song([TOMS, ROCK], name="c", split="validation", style="latin", drummer="two", fill=FILL_NO),
]


def cells_of(table, first):
    return next(row for row in table.rows if row[0] == first)


def test_what_there_is():
    table = count_splits(SONGS)
    names = table.rows[0]
    train = dict(zip(names, cells_of(table, "train"), strict=True))
    assert train == {
        "split": "train", "songs": "2", "beats": "1", "fills": "1", "hours": f"{(16 + 4) / 3600:.2f}", "bars": "6",
        "notes": "24", "drummers": "2", "styles": "1",
    }  # fmt: skip
    assert cells_of(table, "all")[1] == "3"


def test_by_style_and_by_drummer():
    table = count_by(SONGS, "Styles", lambda song: song.style)
    assert [row[:5] for row in table.rows[1:]] == [["rock", "2", "2", "0", "6"], ["latin", "1", "0", "1", "2"]]
    crossed = cross_styles(SONGS)
    assert crossed.rows == [["bars", "one", "two"], ["latin", "", "2"], ["rock", "4", "2"]]


def test_many_names_are_added_up():
    songs = [dataclasses.replace(SONGS[0], style=str(i)) for i in range(MAX_ROWS + 5)]
    table = count_by(songs, "Styles", lambda song: song.style)
    assert len(table.rows) == MAX_ROWS + 1
    assert table.rows[-1][:2] == ["6 others", "6"]


def test_what_was_left_out():
    table = list_skipped(Dataset([], "", {"truncated": ["x.mid"], "no notes": [f"{i}.mid" for i in range(20)]}))
    assert table.rows[1][:2] == ["no notes", "20"]
    assert table.rows[1][2].endswith("11.mid, ...")
    assert table.rows[2] == ["truncated", "1", "x.mid"]


def test_what_was_read_otherwise():
    notices = {
        "changes of tempo": {"x.mid": 3},
        "notes that are never ended": {f"{i}.mid": 2 for i in range(20)},
    }
    table = list_notices(Dataset([], "", notices=notices))
    assert table.title == "What was read otherwise than it is written"
    assert table.rows[0] == ["reason", "files", "in all", "such as"]
    assert table.rows[1][:3] == ["notes that are never ended", "20", "40"]
    assert table.rows[1][3].endswith("11.mid, ...")
    assert table.rows[2] == ["changes of tempo", "1", "3", "x.mid"]
    titles = [[table.title for table in examine(Dataset(SONGS, "", notices=n), SETTINGS)[0]] for n in (notices, {})]
    assert [table.title in found for found in titles] == [True, False]


def test_flags_to_copy_are_quoted():
    table = make_table([Advice("sample.style", "hip hop's", "why"), Advice("sample.bpm", "90.0", "why")])
    assert shlex.split(table.note) == ["--config.sample.style=hip hop's", "--config.sample.bpm=90.0"]
    assert "--config.sample.bpm=90.0" in table.note


def test_pitches_that_are_no_drum_are_shown_to_be_none():
    songs = [make_song([[(0, 36), (1, 36), (2, 60), (3, 56)]])]
    table = map_drums(songs, ROLAND_TD11)
    assert cells_of(table, "36") == ["36", "2", "50.00%", "bass drum 1", "kick"]
    assert cells_of(table, "60")[-1] == UNMAPPED
    assert table.note.startswith("50.00%")
    assert best_kit(count_pitches(songs)) is GENERAL_MIDI
    assert unmapped_share(count_pitches(songs), GENERAL_MIDI) == 0


def test_names_of_pitches():
    assert percussion_name(42) == "closed hi-hat"
    assert percussion_name(22) == "TD-11: closed hi-hat, edge"
    assert percussion_name(10) == ""
    assert (pitch_name(60), pitch_name(21), pitch_name(66)) == ("C4", "A0", "F#4")


def test_what_a_grid_loses():
    """A flam within a 16th is lost at 4 and kept at 24; another drum there is never lost."""
    songs = [make_song([[(0, 38), (0.04, 38), (0.04, 36), (1, 38)]])]
    assert [lost_hits(songs, grid, ROLAND_TD11) for grid in (4, 12, 24)] == [1 / 4, 1 / 4, 0]
    table = compare_grids(songs, ROLAND_TD11)
    assert cells_of(table, "4")[1] == "25.00%"
    late = make_song([[(0.1, 38), (1.1, 38)]], tempo_bpm=60.0)
    np.testing.assert_allclose(offsets_ms([late], 4), 100, atol=0.01)


def test_the_same_performance_twice_is_found():
    twin = dataclasses.replace(SONGS[0], name="twin", split="validation")
    assert [[song.name for song in group] for group in find_duplicates([*SONGS, twin])] == [["a", "twin"]]
    table = check_leakage([*SONGS, twin], ROLAND_TD11)
    assert cells_of(table, "performances that are there twice")[1] == "1"
    assert cells_of(table, "of these in two splits")[1] == "1"
    assert ["", "a is twin"] in table.rows
    # Held out are a TOMS bar and five ROCK bars, all of which are in training.
    assert cells_of(table, "held-out bars that are in training too")[1] == "100.0%"
    assert cells_of(check_leakage(SONGS, ROLAND_TD11), "of these in two splits")[1] == "0"


def test_advice():
    flams = [make_song([[(0, 36), (0.08, 36), (1, 38), (1.08, 38)]] * 20, split="train", style="punk", tempo_bpm=180.0)]
    advice = {a.setting: a for a in advise(flams, SETTINGS, ROLAND_TD11)}
    assert advice["codec.steps_per_beat"].value == "12"
    assert advice["train.window_beats"].value == "64"
    assert (advice["sample.style"].value, advice["sample.bpm"].value) == ("punk", "180.0")
    assert "codec.kit" not in advice
    assert int(advice["train.num_steps"].value) == 50
    cowbells = [make_song([[(beat, 56) for beat in range(4)]] * 4, split="validation")]
    advice = {a.setting: a for a in advise(cowbells, SETTINGS, ROLAND_TD11)}
    assert advice["codec.kit"].value == "general_midi"
    assert advice["train.window_beats"].value == "16"


def test_notes_of_another_instrument():
    piano = Song(make_notes([0, 0, 1], [1, 1, 0.5], [60, 64, 67], [90, 60, 30]), is_drums=False, split="train")
    table = range_of_notes([piano])
    assert cells_of(table, "range")[1] == "C4 to G4 (MIDI 60 to 67)"
    assert cells_of(table, "notes that begin together, mean")[1] == "1.50"
    settings = dataclasses.replace(SETTINGS, data=dataclasses.replace(SETTINGS.data, instrument="all"))
    tables, kit = examine(Dataset([piano], "made up"), settings)
    assert kit is None
    # A grid would take them for drums all the same, and that is said.
    assert "Pitches and drums" in [table.title for table in tables]
    data, codec = settings.data, dataclasses.replace(SETTINGS.codec, name="events", kit="")
    tables, kit = examine(Dataset([piano], "made up"), dataclasses.replace(settings, data=data, codec=codec))
    assert "Pitches and drums" not in [table.title for table in tables]


def test_tables_are_aligned():
    text = write_text([Table("Title", "", [["", "n", "word"], ["a", "1", "x"], ["bb", "22", "yyy"]])])
    assert text.splitlines()[2:] == ["     n  word", "--  --  ----", "a    1  x", "bb  22  yyy"]
    assert write_text([Table("T", "", [["", ""], ["a", "b"]])]).splitlines()[-1] == "a  b"


def test_every_change_is_shown():
    assert set(SHOWN) == set(AUGMENTATIONS) - {"transpose"}


@pytest.mark.slow
def test_the_picture_has_a_panel_per_change(monkeypatch):
    few = {name: SHOWN[name] for name in ("swing", "swap_hands", "drop_voice")}
    monkeypatch.setattr(augmentation_pictures, "SHOWN", few)
    song = next(song for song in starter_songs() if song.num_bars >= 4)
    picture = matplotlib.image.imread(io.BytesIO(draw_augmentation([song], ROLAND_TD11)))
    assert picture.shape[0] > 300
    assert picture.std() > 0.01


def test_a_config_is_read_or_explained(tmp_path):
    path = tmp_path / "config.py"
    path.write_text("from configs import default\n\ndef get_config():\n    return default.get_config()\n")
    assert read_settings(str(path)).train.batch_size == 32
    for text in ("def get_config(", "x = 1", "import nowhere"):
        path.write_text(text)
        with pytest.raises(SettingsError, match=r"cannot read .*config.py"):
            read_settings(str(path))
    with pytest.raises(SettingsError, match=r"no config .*none\.py"):
        read_settings(str(tmp_path / "none.py"))


def run_explore(monkeypatch, *flags):
    monkeypatch.setattr(sys, "argv", ["explore", *map(str, flags)])
    monkeypatch.setattr(command, "set_up_logging", lambda: None)  # it would outlive the test
    return command.main()


def test_a_page_of_the_users_own_is_not_replaced(tmp_path, monkeypatch, capsys):
    """Which is said before a dataset is read."""
    (tmp_path / "index.html").write_text("mine")
    assert run_explore(monkeypatch, "--dir", tmp_path / "none", "--out_dir", tmp_path) == 1
    assert f"error: {tmp_path}/index.html is a file that drumjax did not write; move it away" in capsys.readouterr().err
    assert (tmp_path / "index.html").read_text() == "mine"


@pytest.mark.slow
def test_a_folder_as_a_user_looks_at_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(augmentation_pictures, "SHOWN", {"swing": 0.4})
    (tmp_path / "midi").mkdir()
    for number in range(6):
        write_midi(make_song([ROCK, [*ROCK, (number / 2, 42)]]), tmp_path / "midi" / f"{number}.mid")
    (tmp_path / "midi" / "bad.mid").write_text("no MIDI file")
    assert run_explore(monkeypatch, "--dir", tmp_path / "midi", "--out_dir", tmp_path / "report") == 0
    assert re.search(r"not a MIDI file +1 +bad.mid", capsys.readouterr().out)
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert len(data["lists"][0]["pieces"]) >= 4
    assert page.count("data:image/png") >= 4


@pytest.mark.slow
def test_odd_names_where_there_is_no_config_and_on_a_poor_terminal(tmp_path):
    """The package alone, beside a configs/ folder that is not ours; names with control characters and of no text."""
    shutil.copytree(ROOT / "drumjax", tmp_path / "site" / "drumjax", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "here" / "configs").mkdir(parents=True)
    (tmp_path / "here" / "configs" / "default.py").write_text("raise SystemExit('not ours')")
    folder = os.fsencode(tmp_path / "home" / "mi\ndi")
    os.makedirs(folder)
    for number, name in enumerate([b"a\nb.mid", b"\x1b[31m.mid", b"\xff\xfe.mid", "ドラム.mid".encode()]):
        write_midi(make_song([ROCK, [*ROCK, (number / 2, 42)]]), os.fsdecode(os.path.join(folder, name)))
    for name in (b"no\rsong.mid", b"\xe9.mid"):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    env = dict(os.environ, PYTHONPATH=str(tmp_path / "site"), HOME=str(tmp_path / "home"), PYTHONIOENCODING="ascii")
    env |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    code = (
        "import sys; from drumjax.explore import __main__, augmentation_pictures; "
        "augmentation_pictures.SHOWN = {'swing': 0.4}; sys.exit(__main__.main())"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "--dir=~/mi\ndi", "--out_dir=~/report"],
        cwd=tmp_path / "here", env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"not a MIDI file +2 +", done.stdout)
    assert r"no\rsong.mid" in done.stdout
    assert done.stdout.startswith(f"MIDI files in {tmp_path}/home/mi\\ndi\n")
    page = (tmp_path / "home" / "report" / "index.html").read_text("utf-8")
    assert '"name":"ドラム.mid"' in page
    assert r'"name":"a\\nb.mid"' in page
    assert "\x1b" not in page


@pytest.mark.parametrize(
    ("flags", "words"), [(("--dir", "none"), "is not a folder"), (("--config", "none.py"), "no config 'none.py'")]
)
def test_what_cannot_be_looked_at_is_explained(tmp_path, monkeypatch, capsys, flags, words):
    assert run_explore(monkeypatch, *flags, "--out_dir", tmp_path / "report") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert words in line
    assert not (tmp_path / "report").exists()
