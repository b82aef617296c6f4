"""Music from users: in the drums of the model, whatever map it came in, or one clear reason why not."""

import dataclasses
import json

import numpy as np
import pytest
from tiny import make_model, make_run

from drumjax.codecs.grid import GridCodec
from drumjax.midi.reader import MidiError, write_midi
from drumjax.music.drum_maps import OUT_MAPS, count_meeting, read_map, write_pitches
from drumjax.music.kits import ROLAND_TD11, KitError
from drumjax.music.notes import Song, Timeline, make_notes
from drumjax.music.tab import TabError
from drumjax.sampling.edits import EditError
from drumjax.sampling.given_music import Given, MusicError, in_kit, in_metre, read_given
from drumjax.sampling.plan import EditRequest, make_plan

CODEC = GridCodec(ROLAND_TD11)


def read_pattern(path, drum_map="", instrument="drums") -> Given:
    return read_given(path, CODEC, instrument, drum_map=drum_map)


def write(tmp_path, pitches, name="a.mid"):
    notes = make_notes(np.arange(len(pitches)), np.full(len(pitches), 0.25), pitches, np.full(len(pitches), 90))
    write_midi(Song(notes, tempo_bpm=93.0, time_signature=(3, 4)), tmp_path / name)
    return tmp_path / name


def test_a_midi_file_keeps_its_tempo_and_metre(tmp_path):
    song = read_pattern(write(tmp_path, [36, 38])).song
    assert (round(song.tempo_bpm), song.time_signature) == (93, (3, 4))
    assert in_metre(song, "6/8").time_signature == (6, 8)


def test_a_tab_is_read_in_the_pitches_of_the_kit(tmp_path):
    path = tmp_path / "beat.tab"
    path.write_text("tempo: 77\n\nHH|x-x-x-x-|\nSD|--o---o-|\nBD|o---o---|\n")
    song = read_pattern(path).song
    assert sorted(set(song.notes.pitch.tolist())) == [36, 38, 42]
    assert song.tempo_bpm == 77


def test_unknown_pitches_are_named_and_counted(tmp_path, caplog):
    given = read_pattern(write(tmp_path, [36, 60, 60, 75]))
    assert "are kept as they are: 60 (2), 75 (1)" in caplog.text
    np.testing.assert_array_equal(given.song.notes.pitch, [36, 60, 60, 75])
    np.testing.assert_array_equal(given.pitch, [36, -1, -1, -1])


def test_a_map_says_which_pitch_is_which_drum(tmp_path):
    general = read_pattern(write(tmp_path, [36, 45, 48]), "general_midi")
    assert ROLAND_TD11.class_table()[general.pitch].tolist() == [0, 4, 5]  # kick, low tom, mid tom
    assert general.song.notes.pitch.tolist() == [36, 45, 48]  # as they were
    assert general.new_pitch[[36, 43, 47]].tolist() == [36, 45, 48]  # and what is played beside them is of that map
    assert in_kit(general).song.notes.pitch.tolist() == [36, 43, 47]
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"read": {"1": "ride", "2": "kick"}}))
    given = read_pattern(write(tmp_path, [1, 2]), str(own))
    assert ROLAND_TD11.class_table()[given.pitch].tolist() == [8, 0]


@pytest.mark.parametrize("name", sorted(OUT_MAPS))
def test_every_map_writes_nine_pitches_that_differ(name):
    notes = make_notes(np.arange(9), np.ones(9), ROLAND_TD11.write, np.full(9, 64))
    song = write_pitches(Song(notes), ROLAND_TD11, read_map(name, ROLAND_TD11.names))
    assert len(set(song.notes.pitch.tolist())) == 9
    np.testing.assert_array_equal(song.notes.pitch, list(OUT_MAPS[name].values()))


def test_drums_that_a_map_lacks_keep_their_pitch(tmp_path):
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"write": {"kick": 1}}))
    song = write_pitches(
        Song(make_notes([0, 1, 2], [1] * 3, [36, 38, 99], [64] * 3)),
        ROLAND_TD11,
        read_map(str(own), ROLAND_TD11.names),
    )
    assert song.notes.pitch.tolist() == [1, 38, 99]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "cannot read"),
        ("[]", "a drum map is"),
        ("{}", "a drum map is"),
        ('{"raed": {}}', "a drum map is"),
        ('{"read": []}', "not a MIDI pitch"),
        ('{"read": {"128": "kick"}}', "'128' is not a MIDI pitch"),
        ('{"read": {"x": "kick"}}', "'x' is not a MIDI pitch"),
        ('{"write": {"kick": -1}}', "-1 is not a MIDI pitch"),
        ('{"write": {"bongo": 36}}', "no drum is called 'bongo'.*kick"),
    ],
)
def test_a_map_that_cannot_be_used(tmp_path, content, reason):
    path = tmp_path / "own.json"
    path.write_text(content)
    with pytest.raises(KitError, match=reason):
        read_map(str(path), ROLAND_TD11.names)


def test_pitches_may_be_written_as_text(tmp_path):
    path = tmp_path / "own.json"
    path.write_text('{"write": {"kick": "35"}}')
    assert read_map(str(path), ROLAND_TD11.names).write == {"kick": 35}


def test_a_map_that_is_not_there(tmp_path):
    with pytest.raises(KitError, match=r"own.json: No such file"):
        read_map(str(tmp_path / "own.json"), ROLAND_TD11.names)
    with pytest.raises(KitError, match="no drum map 'gm'; there are addictive_drums_2, general_midi"):
        read_map("gm", ROLAND_TD11.names)


def test_a_file_without_drums(tmp_path):
    with pytest.raises(MusicError, match=r"a.mid has no hit on a drum of roland_td11; .*--kit"):
        read_pattern(write(tmp_path, [60, 61]))
    notes = make_notes([0], [1], [60], [64])
    write_midi(Song(notes, is_drums=False), tmp_path / "piano.mid")
    with pytest.raises(MidiError, match=r"piano.mid"):
        read_pattern(tmp_path / "piano.mid")


def test_files_that_are_no_music(tmp_path):
    (tmp_path / "a.tab").write_text("hello")
    with pytest.raises(TabError, match=r"a.tab"):
        read_pattern(tmp_path / "a.tab")
    with pytest.raises(MidiError, match="No such file"):
        read_pattern(tmp_path / "none.mid")
    with pytest.raises(MusicError, match="such as 6/8"):
        in_metre(read_pattern(write(tmp_path, [36])).song, "six")


def test_notes_that_a_map_brings_together_are_counted(tmp_path):
    """A clap and a snare at once are two notes of a file, and one of a kit without claps."""
    notes = make_notes([0, 0, 1, 1], [0.1] * 4, [38, 39, 36, 38], [90] * 4)
    write_midi(Song(notes), tmp_path / "a.mid")
    given = in_kit(read_pattern(tmp_path / "a.mid", "general_midi"))
    assert count_meeting(given.song) == 1


def test_a_run_reads_its_own_kind_of_files(tmp_path):
    """Drums on channel 1, as some programs export them: with instrument=all a run learns from them, and continues
    them."""
    notes = make_notes([0, 1, 2], [0.1] * 3, [36, 38, 42], [90] * 3)
    write_midi(Song(notes, is_drums=False), tmp_path / "a.mid")
    with pytest.raises(MidiError, match=r"no drum track \(with --instrument=all its notes"):
        read_pattern(tmp_path / "a.mid")
    run = make_run(make_model())
    settings = dataclasses.replace(run.settings, data=dataclasses.replace(run.settings.data, instrument="all"))
    for request, some in (
        (EditRequest(prompt=tmp_path / "a.mid"), dataclasses.replace(run, settings=settings)),
        (EditRequest(prompt=tmp_path / "a.mid", instrument="all"), run),
    ):
        given = request.read(some, 0, None)
        assert given.pitch.tolist() == [36, 38, 42]
    with pytest.raises(EditError, match="unknown instrument 'foo'"):
        EditRequest(prompt="a.mid", instrument="foo")


def test_notes_of_other_instruments_are_counted(tmp_path, caplog):
    """A whole song, of which a drum model plays the drums."""
    path = tmp_path / "song.mid"
    body = bytes.fromhex("00992464 00912864 00916430 78892400 00812800 00816400 00ff2f00")
    path.write_bytes(b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk" + len(body).to_bytes(4, "big") + body)
    assert read_pattern(path).song.notes.pitch.tolist() == [36]
    assert "song.mid: 2 notes of other instruments are left out" in caplog.text
    caplog.clear()
    assert len(read_pattern(path, instrument="all").song.notes.pitch) == 3
    read_pattern(write(tmp_path, [36, 36]))
    assert "left out" not in caplog.text


def test_a_kit_that_knows_more_is_named(tmp_path, caplog):
    read_pattern(write(tmp_path, [36, 39, 56]))
    assert "39 (1), 56 (1); --kit general_midi knows more of them" in caplog.text
    caplog.clear()
    read_pattern(write(tmp_path, [36, 1]))
    assert "1 (1)" in caplog.text
    assert "knows more" not in caplog.text


@pytest.mark.parametrize(("tempo", "taken"), [(15.0, 20.0), (500.0, 400.0)])
def test_a_tempo_out_of_reach_is_kept_in_the_file(tmp_path, caplog, tempo, taken):
    write_midi(Song(make_notes([0, 1], [0.1] * 2, [36, 38], [90] * 2), tempo_bpm=tempo), tmp_path / "a.mid")
    plan = make_plan(make_run(make_model()), EditRequest(vary=tmp_path / "a.mid"))
    assert plan.controls.bpm == taken
    assert [round(bpm) for _, bpm in plan.edit.timeline.tempos] == [tempo]
    assert f"its {tempo:g} bpm are taken as {taken:g}, and written as they are" in caplog.text


def test_a_tempo_that_is_asked_for_takes_the_place_of_the_map(tmp_path, caplog):
    song = Song(make_notes([0, 1], [0.1] * 2, [36, 38], [90] * 2), timeline=Timeline(tempos=((0, 120.0), (1, 60.0))))
    run, request = make_run(make_model()), EditRequest(vary=song)
    assert make_plan(run, request).edit.timeline.tempos == song.timeline.tempos
    assert make_plan(run, request, bpm=100.0).edit.timeline.tempos == ()
    assert "its changes of tempo are left out, since --bpm is given" in caplog.text


def test_music_that_is_too_long_is_named(tmp_path):
    song = Song(make_notes([0, 4004], [0.1] * 2, [36, 38], [90] * 2), name="long.mid")
    with pytest.raises(EditError, match=r"long.mid has 1002 bars, and 1000 are the most at a time"):
        make_plan(make_run(make_model()), EditRequest(humanize=song))
