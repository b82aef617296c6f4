"""Every note of a file is there after it is worked on, and a file of which one is not is found."""

import json

import numpy as np
import pytest
from tiny import CODEC, make_bare_model, make_run, make_song

from drumjax.midi.reader import write_midi
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.sampling import decode
from drumjax.studies import kept_notes
from drumjax.studies.command import make_table
from drumjax.studies.kept_notes import check_files, summarize_rows


@pytest.fixture
def folder(tmp_path):
    write_midi(make_song(1, 2, tempo_bpm=90.0), tmp_path / "a.mid")
    notes = make_notes([0, 0.5, 1, 1.05, 2], [0.1] * 5, [36, 42, 38, 38, 56], [90] * 5)
    write_midi(Song(notes), tmp_path / "b.mid")
    (tmp_path / "c.mid").write_bytes(b"no midi")
    (tmp_path / "d.tab").write_text("HH|xxxxxxxx|\nBD|o---f---|\n")
    (tmp_path / "notes.md").write_text("not music")
    return tmp_path


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(kept_notes, "ADDED", "hat")
    return make_run(make_bare_model())


def test_files_and_their_notes_are_counted(folder, run):
    rows = check_files(run, folder, 100)
    assert [row["file"] for row in rows] == ["a.mid", "b.mid", "c.mid", "d.tab"]
    assert [row["read"] for row in rows] == [16, 5, "-", 11]
    assert [row["in file"] for row in rows] == [16, 5, "?", "?"]
    assert [row.get("humanize") for row in rows] == [16, 5, None, 11]
    assert [row.get("vary") for row in rows] == [16, 5, None, 11]
    assert [row["unexplained"] for row in rows] == [0, 0, 0, 0]
    assert "56 (1)" in rows[1]["because"]
    assert "not a MIDI file" in rows[2]["because"]
    total = summarize_rows(rows)
    assert (total["file"], total["read"], total["humanize"], total["because"]) == ("4 files", 32, 32, "1 refused")
    assert json.dumps([*rows, total])
    assert "| 4 files | 21 | 32 | 0 |" in make_table([*rows, total])


@pytest.mark.parametrize("edit", ["humanize", "vary", "add"])
def test_a_note_that_is_lost_is_found_out(folder, run, monkeypatch, edit):
    """The note on a pitch that the kit lacks is the first that a careless change would lose."""
    follow = decode._follow

    def careless(new, plan_edit, controls):
        kept, played = follow(new, plan_edit, controls)
        if plan_edit.name == edit:
            kept, played = (type(n)(*(column[n.pitch != 56] for column in n)) for n in (kept, played))
        return kept, played

    monkeypatch.setattr(decode, "_follow", careless)
    (row,) = (row for row in check_files(run, folder, 100) if row["file"] == "b.mid")
    assert row["unexplained"] == 1


def test_codec_and_kit_of_these_tests():
    """The pitches above: 56 is no drum of this kit."""
    assert CODEC.kit.class_table()[[36, 38, 42, 56]].tolist() == [0, 1, 2, -1]
    assert np.all(ROLAND_TD11.class_table()[[36, 38, 42]] >= 0)
