"""Files that become others: every direction, and each kind of loss with its count."""

import json
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from drumjax.convert import __main__ as program
from drumjax.convert.conversion import convert
from drumjax.convert.source import ConversionError
from drumjax.midi.chunks import encode_track
from drumjax.midi.reader import MidiError, read_midi, write_midi
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import FILL_YES, Song, Timeline, make_notes
from drumjax.music.tab import read_tab_file
from drumjax.system.errors import UserError

TAB = """title: mine
tempo: 100

HH|x-x-x-o-x-x-x-x-|X-x-x-x-x-x-x-g-|
SD|----O-------O---|----O-------O--g|
BD|o-------o-------|o-------o-o-----|
"""


def song_of(onsets, pitches, velocity=90, length=0.25, **fields):
    n = len(onsets)
    return Song(make_notes(onsets, [length] * n, pitches, np.broadcast_to(velocity, n)), **fields)


def write(tmp_path, song, name="in.mid"):
    write_midi(song, tmp_path / name)
    return tmp_path / name


def counts(done):
    return done.num_read, done.num_written, done.num_left_out, done.num_merged


def remark(done, words):
    """The one line with these words."""
    found = [line for line in done.remarks if words in line]
    assert len(found) == 1, done.remarks
    return found[0]


def hits(song):
    return {(round(float(o), 3), int(p)) for o, p in zip(song.notes.onset_beat, song.notes.pitch, strict=True)}


# Directions


def test_a_tab_becomes_midi_with_every_hit(tmp_path):
    (tmp_path / "a.tab").write_text(TAB)
    done = convert(tmp_path / "a.tab", tmp_path / "a.mid")
    assert counts(done) == (26, 26, 0, 0)
    assert done.remarks == ()
    song = read_midi(tmp_path / "a.mid")
    assert song.tempo_bpm == pytest.approx(100)
    assert hits(song) == hits(read_tab_file(tmp_path / "a.tab"))
    assert b"mine" in (tmp_path / "a.mid").read_bytes()


def test_midi_becomes_a_tab_and_back_with_the_same_onsets(tmp_path):
    song = song_of([0, 0, 1 / 3, 1, 1.5, 5 + 2 / 3], [36, 42, 42, 38, 46, 49], [40, 90, 118, 90, 90, 90], tempo_bpm=90)
    done = convert(write(tmp_path, song), tmp_path / "a.tab")
    assert counts(done) == (6, 6, 0, 0)
    assert len(done.remarks) == 1
    assert done.remarks[0].startswith("6 cells to the beat")
    assert convert(tmp_path / "a.tab", tmp_path / "b.mid").remarks == ()
    assert hits(read_midi(tmp_path / "b.mid")) == hits(song)


def test_a_tab_is_written_anew_as_it_was(tmp_path):
    (tmp_path / "a.txt").write_text(TAB.replace("tempo: 100", "tempo: 100\nstyle: rock"))
    convert(tmp_path / "a.txt", tmp_path / "b.tab")
    first = (tmp_path / "b.tab").read_text()
    assert first.startswith("title: mine\nstyle: rock\ntempo: 100\n")
    assert "SD|----O-------O---|----O-------O--g|" in first
    convert(tmp_path / "b.tab", tmp_path / "c.tab")
    assert (tmp_path / "c.tab").read_text() == first


def test_midi_stays_as_it_is_without_another_kit(tmp_path):
    messages = ((0.5, bytes((0xB9, 4, 90))),)
    timeline = Timeline(tempos=((0.0, 100.0), (2.0, 120.0)), metres=((0.0, (4, 4)), (8.0, (3, 4))), messages=messages)
    song = song_of([0, 0.3, 4, 11], [36, 22, 54, 99], [1, 2, 126, 127], timeline=timeline)
    done = convert(write(tmp_path, song), tmp_path / "b.mid")
    assert counts(done) == (4, 4, 0, 0)
    one, other = (read_midi(tmp_path / name, with_messages=True) for name in ("in.mid", "b.mid"))
    assert all((a == b).all() for a, b in zip(one.notes, other.notes, strict=True))
    assert one.timeline == other.timeline
    assert not any("left out" in line for line in done.remarks)


def test_midi_is_written_for_another_kit(tmp_path):
    song = song_of([0, 1, 2, 3, 3.5], [36, 40, 22, 54, 49])
    done = convert(write(tmp_path, song), tmp_path / "b.mid", out_kit="addictive_drums_2")
    assert counts(done) == (5, 5, 0, 0)
    assert read_midi(tmp_path / "b.mid").notes.pitch.tolist() == [36, 38, 49, 54, 77]
    assert remark(done, "kept as they are").endswith("54 (1)")
    assert remark(done, "as addictive_drums_2 has them").endswith("22 as 49 (1), 40 as 38 (1), 49 as 77 (1)")
    other = convert(tmp_path / "in.mid", tmp_path / "c.mid", out_kit="roland_td11", kit="general_midi")
    assert read_midi(tmp_path / "c.mid").notes.pitch.tolist() == [36, 38, 42, 42, 49]
    assert not any("kept as they are" in line for line in other.remarks)


def test_maps_of_ones_own(tmp_path):
    (tmp_path / "map.json").write_text(json.dumps({"read": {"24": "kick", "26": "snare"}, "write": {"kick": 60}}))
    song = song_of([0, 1, 2], [24, 26, 90])
    convert(write(tmp_path, song), tmp_path / "a.tab", kit=str(tmp_path / "map.json"))
    assert read_tab_file(tmp_path / "a.tab").notes.pitch.tolist() == [36, 38]
    done = convert(
        tmp_path / "in.mid", tmp_path / "b.mid", kit=str(tmp_path / "map.json"), out_kit=str(tmp_path / "map.json")
    )
    assert read_midi(tmp_path / "b.mid").notes.pitch.tolist() == [60, 26, 90]  # a drum without a pitch keeps its own
    assert counts(done) == (3, 3, 0, 0)


def test_a_tab_in_other_pitches(tmp_path):
    (tmp_path / "a.tab").write_text("HT|o---|\nMT|-o--|\nLT|--o-|\n")
    for kit, out_kit, pitches in (
        ("", "", [50, 47, 43]), ("general_midi", "", [50, 48, 45]), ("", "addictive_drums_2", [71, 69, 65])
    ):  # fmt: skip
        convert(tmp_path / "a.tab", tmp_path / "a.mid", kit=kit, out_kit=out_kit, overwrite=True)
        assert read_midi(tmp_path / "a.mid").notes.pitch.tolist() == pitches


def test_drums_on_another_channel(tmp_path):
    song = song_of([0, 1, 2], [36, 38, 42], is_drums=False)
    with pytest.raises(MidiError, match="--instrument all"):
        convert(write(tmp_path, song), tmp_path / "a.tab")
    done = convert(tmp_path / "in.mid", tmp_path / "a.tab", instrument="all")
    assert counts(done) == (3, 3, 0, 0)
    assert remark(done, "taken for drums").startswith("3 notes")
    done = convert(tmp_path / "in.mid", tmp_path / "a.mid", instrument="all", out_kit="general_midi")
    assert remark(done, "to channel 10").startswith("3 notes")
    assert read_midi(tmp_path / "a.mid").is_drums
    remark(convert(tmp_path / "in.mid", tmp_path / "b.mid", instrument="all"), "to channel 1 ")
    assert not read_midi(tmp_path / "b.mid", instrument="all").is_drums


# Losses


def midi_bytes(*tracks, division=480):
    header = b"MThd\0\0\0\6\0\1" + len(tracks).to_bytes(2, "big") + division.to_bytes(2, "big")
    return header + b"".join(encode_track(track) for track in tracks)


def note(tick, pitch, channel, velocity=90, length=60):
    return [(tick, bytes((0x90 | channel, pitch, velocity))), (tick + length, bytes((0x80 | channel, pitch, 0)))]


def test_notes_of_other_instruments_are_counted(tmp_path):
    path = tmp_path / "band.mid"
    path.write_bytes(midi_bytes(note(0, 36, 9) + note(480, 38, 9), note(0, 60, 0) + note(480, 60, 0), note(0, 60, 1)))
    done = convert(path, tmp_path / "a.mid")
    assert counts(done) == (2, 2, 0, 0)
    assert remark(done, "other instruments").startswith("3 notes of ")
    done = convert(path, tmp_path / "b.mid", instrument="pitched")
    assert remark(done, "other instruments").startswith("2 notes of ")
    assert remark(done, "struck twice").startswith("1 ")
    done = convert(path, tmp_path / "c.mid", instrument="all")
    assert remark(done, "to channel 1 ").endswith("the 2 of channel 10 too")
    assert not any("other instruments" in line for line in done.remarks)


def test_what_has_no_row_is_named_with_a_kit_that_knows_it(tmp_path):
    song = song_of([0, 1, 2, 3, 3.5], [36, 54, 54, 35, 100])
    done = convert(write(tmp_path, song), tmp_path / "a.tab")
    assert counts(done) == (5, 1, 4, 0)
    line = remark(done, "no drum of roland_td11")
    assert line.startswith("4 notes are left out")
    assert "35 (1), 54 (2), 100 (1); --kit general_midi knows 3 of them" in line
    done = convert(tmp_path / "in.mid", tmp_path / "b.tab", kit="general_midi")
    assert counts(done) == (5, 4, 1, 0)
    assert remark(done, "no drum of general_midi").endswith(": 100 (1)")
    assert remark(done, "their row's").endswith("35 as 36 (1), 54 as 42 (2)")


def test_a_file_without_a_drum_of_the_kit_is_an_error(tmp_path):
    with pytest.raises(ConversionError, match=r"54 \(2\); --kit general_midi knows 2"):
        convert(write(tmp_path, song_of([0, 1], [54, 54])), tmp_path / "a.tab")
    assert not (tmp_path / "a.tab").exists()


def test_hits_that_meet_in_a_cell_are_counted_by_drum(tmp_path):
    song = song_of([0, 0.25, 0.3, 0.31, 1, 1], [36, 38, 38, 40, 42, 22], [90, 50, 118, 60, 90, 40])
    done = convert(write(tmp_path, song), tmp_path / "a.tab", steps_per_beat=4)
    assert counts(done) == (6, 3, 0, 3)
    assert remark(done, "meet another").endswith("closed hi-hat (1), snare (2)")
    assert remark(done, "cells to the beat") == "4 cells to the beat, as asked for"
    assert "SD|-O--" in (tmp_path / "a.tab").read_text()


def test_what_moves_and_what_becomes_of_velocities_is_said_once(tmp_path):
    song = song_of([0, 1.05, 2], [36, 38, 36], [90, 90, 91], tempo_bpm=120.0)
    done = convert(write(tmp_path, song), tmp_path / "a.tab")
    assert remark(done, "moved to the grid").endswith("up to 25 ms")
    remark(done, "ghost, normal and accent")
    assert not any("lengths" in line for line in done.remarks)
    done = convert(write(tmp_path, song_of([0, 1], [36, 38], length=0.5)), tmp_path / "b.tab")
    remark(done, "lengths of notes")
    assert not any("moved" in line or "ghost" in line for line in done.remarks)


def test_what_only_a_timeline_has_is_said(tmp_path):
    timeline = Timeline(
        tempos=((0.0, 100.0), (2.0, 120.0)), metres=((0.0, (4, 4)), (8.0, (3, 4))),
        messages=((0.0, bytes((0xB9, 4, 90))), (1.0, bytes((0xA9, 49, 127)))),
    )  # fmt: skip
    done = convert(write(tmp_path, song_of([0, 1, 2, 7, 9], [36] * 5, timeline=timeline)), tmp_path / "a.tab")
    assert remark(done, "tempo are left out").startswith("1 changes")
    assert remark(done, "metre are left out") == "1 changes of metre are left out: all bars of the tab are 4/4"
    assert remark(done, "hi-hat pedal").startswith("2 messages")


def test_a_pickup_is_written_after_rests(tmp_path):
    timeline = Timeline(start_beat=3.0, metres=((3.0, (1, 4)), (4.0, (4, 4))))
    done = convert(write(tmp_path, song_of([3.5, 4, 5], [38, 36, 38], timeline=timeline)), tmp_path / "a.tab")
    remark(done, "after 3 beats of rest")
    assert not any("changes" in line for line in done.remarks)
    assert read_tab_file(tmp_path / "a.tab").notes.onset_beat.tolist() == [3.5, 4, 5]


def test_drums_that_become_one_pitch_are_counted(tmp_path):
    song = song_of([0, 1, 1, 2], [38, 38, 37, 42], [90, 50, 100, 90])
    done = convert(write(tmp_path, song), tmp_path / "b.mid", out_kit="general_midi")
    assert counts(done) == (4, 3, 0, 1)
    assert remark(done, "at the same time").startswith("1 notes are left out")
    assert read_midi(tmp_path / "b.mid").notes.velocity.tolist() == [90, 100, 90]


def test_notes_that_end_earlier_are_counted(tmp_path):
    song = song_of([0, 0.5], [38, 40], length=1.0)
    done = convert(write(tmp_path, song), tmp_path / "b.mid", out_kit="general_midi")
    assert remark(done, "end earlier").startswith("1 notes")


def test_grace_notes_before_the_beginning_are_moved(tmp_path):
    (tmp_path / "a.tab").write_text("tempo: 120\n\nSD|f---o---|\n")
    done = convert(tmp_path / "a.tab", tmp_path / "a.mid")
    assert counts(done) == (3, 3, 0, 0)
    assert remark(done, "are moved").startswith("1 notes are moved, by up to 28 ms")


def test_style_and_fill_have_no_place_in_midi(tmp_path):
    (tmp_path / "a.tab").write_text("style: rock\n" + TAB)
    remark(convert(tmp_path / "a.tab", tmp_path / "a.mid"), "style and fill")
    convert(tmp_path / "a.tab", tmp_path / "b.tab")
    assert read_tab_file(tmp_path / "b.tab").style == "rock"
    assert read_tab_file(tmp_path / "b.tab").fill != FILL_YES


TICKS = st.integers(0, 16 * 480)
NOTES = st.lists(
    st.tuples(TICKS, st.sampled_from([22, 35, 36, 37, 38, 40, 42, 46, 54, 99]), st.sampled_from([0, 9, 9, 9])),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(NOTES, st.sampled_from(["a.tab", "a.mid", "b.mid"]), st.sampled_from(["", "general_midi"]), st.booleans())
def test_no_note_vanishes_silently(tmp_path_factory, notes, target, kit, coarse):
    """Each note of a file is written, or one of the counts that are said."""
    folder = tmp_path_factory.mktemp("any")
    drums = sorted(
        (event for tick, pitch, ch in notes if ch == 9 for event in note(tick, pitch, 9)), key=lambda e: e[0]
    )
    others = sorted(
        (event for tick, pitch, ch in notes if ch == 0 for event in note(tick, pitch, 0)), key=lambda e: e[0]
    )
    (folder / "in.mid").write_bytes(midi_bytes(drums, others))
    flags = {"kit": kit} if target == "a.tab" else {"kit": kit, "out_kit": "general_midi"} if target == "b.mid" else {}
    steps = 4 if coarse and target == "a.tab" else None
    try:
        done = convert(folder / "in.mid", folder / target, steps_per_beat=steps, **flags)
    except UserError:
        assert not (folder / target).exists()
        return
    losses = ("notes are left out", "hits are left out", "other instruments", "struck twice")
    said = sum(int(line.split()[0]) for line in done.remarks if any(words in line for words in losses))
    assert len(notes) == done.num_written + said
    assert done.num_read == done.num_written + done.num_left_out + done.num_merged
    read = read_tab_file(folder / target) if target == "a.tab" else read_midi(folder / target, instrument="all")
    assert len(read.notes.pitch) == done.num_written


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([4, 3, 6, 8, 12]),
    st.sets(st.tuples(st.integers(0, 60), st.sampled_from(ROLAND_TD11.write)), min_size=1, max_size=30),
    st.sampled_from([(4, 4), (3, 4), (6, 8), (7, 8)]),
)
def test_written_music_is_the_same_after_a_tab(tmp_path_factory, steps, cells, metre):
    folder = tmp_path_factory.mktemp("round")
    song = song_of([step / steps for step, _ in cells], [pitch for _, pitch in cells], time_signature=metre)
    done = convert(write(folder, song), folder / "a.tab")
    assert counts(done) == (len(cells), len(cells), 0, 0)
    convert(folder / "a.tab", folder / "b.mid")
    assert hits(read_midi(folder / "b.mid")) == hits(song)


# What is refused, and what is left behind


@pytest.mark.parametrize(
    ("names", "flags", "words"),
    [
        (("in.mid", "a.wav"), {}, r"unknown suffix '.wav'; files can be .mid, .midi, .kar, .smf, .rmi, .tab, .txt"),
        (("in.wav", "a.tab"), {}, r"in.wav: unknown suffix"),
        (("in.mid", "old.tab"), {}, "old.tab exists"),
        (("in.mid", "in.mid"), {"overwrite": True}, "is the file that is read"),
        (("in.mid", "link.mid"), {"overwrite": True}, "is the file that is read"),
        (("in.mid", "a.tab"), {"out_kit": "general_midi"}, "--out_kit"),
        (("in.mid", "a.mid"), {"kit": "general_midi"}, "--out_kit too"),
        (("in.mid", "a.mid"), {"steps_per_beat": 4}, "--steps_per_beat"),
        (("in.mid", "a.tab"), {"steps_per_beat": 0}, "1 or more"),
        (("in.mid", "a.tab"), {"steps_per_beat": 10**6}, "too long"),
        (("in.mid", "a.tab"), {"instrument": "banjo"}, "unknown instrument"),
        (("in.mid", "a.tab"), {"kit": "addictive_drums_2"}, "for writing"),
        (("in.mid", "a.tab"), {"kit": "nope"}, "no drum map 'nope'"),
        (("in.tab", "a.mid"), {"instrument": "all"}, "--instrument"),
        (("in.tab", "a.mid"), {"kit": "map.json"}, "rows of a tab"),
        (("fast.tab", "a.mid"), {}, "tempo of 2000"),
        (("rests.tab", "a.mid"), {}, "no notes"),
        (("bad.tab", "b.tab"), {}, r"bad.tab: line 1"),
        (("bad.mid", "a.tab"), {}, "not a MIDI file"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, names, flags, words):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, song_of([0, 7], [36, 38]))
    (tmp_path / "link.mid").symlink_to("in.mid")
    for name, text in {
        "in.tab": TAB, "old.tab": "old", "fast.tab": "tempo: 2000\n\n" + TAB[24:], "rests.tab": "HH|----|\n",
        "bad.tab": "QQ|x---|\n", "bad.mid": "MThe", "in.wav": "",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=words) as caught:
        convert(*names, **flags)
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_exists_is_replaced_if_that_is_asked_for(tmp_path):
    (tmp_path / "a.tab").write_text("old")
    convert(write(tmp_path, song_of([0], [36])), tmp_path / "a.tab", overwrite=True)
    assert "BD|o---" in (tmp_path / "a.tab").read_text()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        convert(write(tmp_path, song_of([0], [36])), tmp_path / "nowhere" / "a.tab")


def test_a_tab_on_the_screen_and_a_tilde(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, song_of([0], [36]))
    done = convert("~/in.mid", "-")
    assert capsys.readouterr().out.splitlines()[-1] == "BD|o---------------|"
    assert counts(done) == (1, 1, 0, 0)
    convert("~/in.mid", "~/a.tab")
    assert (tmp_path / "a.tab").exists()


def test_a_name_that_is_no_text_becomes_a_title_and_is_said_as_text(tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / b"\xff.mid".decode("utf-8", "surrogateescape")
    path.write_bytes(write(tmp_path, song_of([0], [36])).read_bytes())
    convert(path, tmp_path / "a.tab")
    assert (tmp_path / "a.tab").read_text().startswith("title: ?.mid\n")
    convert(path, tmp_path / "\udcff.tab")
    assert rf"{tmp_path}/\udcff.tab" in caplog.text
    assert caplog.text.encode()


# The program


def run(*argv):
    return subprocess.run([sys.executable, "-m", "drumjax.convert", *map(str, argv)], capture_output=True, text=True)


@pytest.mark.slow
def test_the_program_counts_in_its_last_line_and_says_mistakes_in_one(tmp_path):
    source = write(tmp_path, song_of([0, 1, 2], [36, 38, 54]))
    done = run(source, tmp_path / "a.tab", "--kit", "general_midi")
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].endswith(f"3 notes read, 3 written to {tmp_path / 'a.tab'}")
    assert f"{source}: pitches that are written as their row's: 54 as 42 (1)" in done.stderr
    shown = run(tmp_path / "a.tab", "-")
    assert shown.stdout == (tmp_path / "a.tab").read_text()
    again = run(source, tmp_path / "a.tab")
    assert again.returncode == 1
    assert again.stderr.startswith("error: ")
    assert len(again.stderr.splitlines()) == 1
    missing = run(tmp_path / "nowhere.tab", tmp_path / "b.mid")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)


def test_flags_are_those_of_the_function(monkeypatch, tmp_path):
    given = {}
    monkeypatch.setattr("drumjax.convert.conversion.convert", lambda **flags: given.update(flags))
    monkeypatch.setattr("drumjax.system.console.set_up_logging", lambda: None)
    monkeypatch.setattr(sys, "argv", ["convert", "a", "b", "--steps_per_beat=3", "--out_kit=general_midi"])
    assert program.main() == 0
    assert given == {
        "source": "a", "target": "b", "kit": "", "out_kit": "general_midi", "instrument": "", "steps_per_beat": 3,
        "overwrite": False,
    }  # fmt: skip
