"""Tabs: what is read, that writing and reading again gives the quantised song, and what is said of a bad tab."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drumjax.music.kits import GENERAL_MIDI, ONE_DRUM, ROLAND_TD11, Kit
from drumjax.music.notes import FILL_NO, FILL_UNKNOWN, FILL_YES, Notice, Song, make_notes
from drumjax.music.tab import (
    ACCENT,
    ACCENT_FROM,
    DURATION_BEAT,
    GHOST,
    GHOST_BELOW,
    GRACE_MS,
    NORMAL,
    TabError,
    read_tab,
    write_tab,
)

METRES = [(4, 4), (3, 4), (6, 8), (5, 4), (7, 8), (12, 8), (2, 2)]


def hits(song: Song) -> list[tuple[float, int, int]]:
    """(onset_beat, pitch, velocity) of every note."""
    notes = song.notes
    return list(zip(notes.onset_beat.tolist(), notes.pitch.tolist(), notes.velocity.tolist(), strict=True))


def quantised(song: Song, kit: Kit, steps_per_beat: int) -> list[tuple[np.float32, int, int]]:
    """What a tab keeps, worked out note by note: nearest step, loudest of a cell, three loudnesses."""
    table, cells = kit.class_table(), {}
    for onset, pitch, velocity in hits(song):
        if table[pitch] >= 0:
            cell = (max(math.floor(onset * steps_per_beat + 0.5), 0), int(table[pitch]))
            cells[cell] = max(velocity, cells.get(cell, 0))
    levels = {c: GHOST if v < GHOST_BELOW else NORMAL if v < ACCENT_FROM else ACCENT for c, v in cells.items()}
    return sorted((np.float32(step / steps_per_beat), kit.write[drum], level) for (step, drum), level in levels.items())


def test_reads_the_tab_of_the_docstring():
    song = read_tab(
        "title: straight\nstyle: rock\ntempo: 116.5\ntime: 4/4\nfill: no\n# a comment\n\n"
        "HH|x-x-|--o-|\nSD|--O-|--g-|\n\nHH|X---|\nBD|.o-.|\n"
    )
    assert (song.name, song.style, song.tempo_bpm, song.time_signature) == ("straight", "rock", 116.5, (4, 4))
    assert (song.fill, song.num_bars, song.split) == (FILL_NO, 3, "")
    assert hits(song) == [
        (0, 42, NORMAL),
        (2, 38, ACCENT),
        (2, 42, NORMAL),
        (6, 38, GHOST),
        (6, 46, NORMAL),
        (8, 42, ACCENT),
        (9, 36, NORMAL),
    ]
    np.testing.assert_array_equal(song.notes.duration_beat, np.float32(DURATION_BEAT))


def test_without_headers_and_with_a_name():
    song = read_tab("SD|x-|\n", name="a.tab")
    assert (song.name, song.style, song.tempo_bpm, song.time_signature) == ("a.tab", "", 120.0, (4, 4))
    assert song.fill == FILL_UNKNOWN
    assert read_tab("fill: yes\nSD|x-|").fill == FILL_YES


@pytest.mark.parametrize("cells", [1, 4, 8, 12, 16, 24, 32])
def test_a_bar_is_shared_evenly(cells):
    song = read_tab(f"SD|{'x' * cells}|\n")
    np.testing.assert_array_equal(song.notes.onset_beat, (np.arange(cells) * 4 / cells).astype(np.float32))


def test_bars_of_different_resolution():
    assert [onset for onset, _, _ in hits(read_tab("SD|-x--|---------x--|-x|"))] == [1, 7, 10]


@pytest.mark.parametrize(
    ("aliases", "pitch"),
    [
        ("BD B K bd k", 36),
        ("SD S SN s", 38),
        ("HH H h ch Hi-Hat hi_hat", 42),
        ("hf HF Hf FH PH", 44),
        ("OH oh", 46),
        ("T1 HT", 50),
        ("T2 MT", 47),
        ("T3 LT FT F F1 F2 3T FloorTom", 43),
        ("C CR CC C1 Crash", 49),
        ("R RD RC Ride", 51),
        ("1T ST t T", 50),
        ("SS RS rim", 37),
        ("CN China", 52),
        ("Sp SPLASH", 55),
        ("C2", 57),
        ("Rb RB", 53),
    ],
)
def test_aliases(aliases, pitch):
    for alias in aliases.split():
        assert hits(read_tab(f"{alias}|x---|")) == [(0, pitch, NORMAL)], alias


def test_marks():
    song = read_tab("HH|xXgoO-|\nSD|xXgoO.|\nCC|----o-|")
    assert [(p, v) for _, p, v in hits(song)] == [
        *[(38, NORMAL), (42, NORMAL), (38, ACCENT), (42, ACCENT), (38, GHOST), (42, GHOST)],
        *[(38, NORMAL), (46, NORMAL), (38, ACCENT), (46, ACCENT), (49, NORMAL)],
    ]


def test_flam_and_double():
    song = read_tab("tempo: 60\nSD|-f-d|")
    grace = 1 - GRACE_MS / 1000
    assert [(round(o, 5), v) for o, _, v in hits(song)] == [
        (round(grace, 5), GHOST),
        (1, NORMAL),
        (3, NORMAL),
        (3.5, NORMAL),
    ]
    first = read_tab("tempo: 60\nSD|f---|")
    assert [(round(o, 5), v) for o, _, v in hits(first)] == [(round(-GRACE_MS / 1000, 5), GHOST), (0, NORMAL)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("swing: 0.66", [0, 0.33, 0.66, 0.83, 1]),
        ("swing16: 0.6", [0, 0.3, 0.5, 0.8, 1]),
        ("swing: 0.5", [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_swing_delays_off_beats(header, expected):
    onsets = read_tab(f"{header}\nHH|xxxxx-----------|xxxxx-----------|").notes.onset_beat
    np.testing.assert_allclose(onsets, [*expected, *(4 + np.array(expected))], atol=1e-5)


def test_swing_starts_anew_in_each_bar():
    onsets = read_tab("time: 7/8\nswing: 0.6\nHH|xxxxxxx|xxxxxxx|").notes.onset_beat
    np.testing.assert_allclose(onsets[7:] - 3.5, onsets[:7], atol=1e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no rows"]),
        ("tempo: 100\n# HH|x-|", ["no rows"]),
        ("HH|x-x-|\nSD|x-x|", ["line 2", "3 cells", "line 1 has 4"]),
        ("HH|x-x-|x-x-|\nSD|x-x-|", ["line 2", "1 bars", "blank line"]),
        ("HH|x-x-|\nHH|x-x-|", ["line 2", "second HH"]),
        ("HH||", ["line 1", "0 cells"]),
        ("\nXY|x-x-|", ["line 2", "'XY'", "BD, SD"]),
        ("HH|x-?-|", ["line 1", "'?'", "- for a rest"]),
        ("HH|x-x-|\nSD |x-?-|", ["line 2", "column 7", "'?'", "row SD", "@ on the snare"]),
        ("HH|x-\tx|", ["line 1, column 6", "a tab character"]),
        ("tempo: fast\nHH|x|", ["line 1", "tempo 'fast'", "quarter notes per minute"]),
        ("tempo: 0\nHH|x|", ["line 1", "tempo"]),
        ("tempo: nan\nHH|x|", ["line 1", "tempo"]),
        ("time: 4/5\nHH|x|", ["line 1", "'4/5'", "6/8"]),
        ("time: 0/4\nHH|x|", ["line 1", "'0/4'"]),
        ("swing: 1.5\nHH|x|", ["line 1", "swing", "0.667"]),
        ("swing: .6\nswing16: .6\nHH|x|", ["one of them"]),
        ("fill: perhaps\nHH|x|", ["line 1", "yes, no, or every 4"]),
        ("genre: rock\nHH|x|", ["line 1", "'genre'", "style"]),
        ("HH|x|\ntempo: 100", ["line 2", "above the first row"]),
        ("HH|x|\nand so on", ["line 2", "key: value"]),
    ],
)
def test_errors_name_the_line_and_the_fix(text, words):
    with pytest.raises(TabError) as error:
        read_tab(text, name="my.tab")
    for word in ["my.tab: ", *words]:
        assert word in str(error.value)


@st.composite
def songs(draw) -> Song:
    metre = draw(st.sampled_from(METRES))
    note = st.tuples(
        st.floats(0, 30, width=32), st.sampled_from([36, 38, 40, 22, 42, 46, 43, 48, 57, 51, 75]), st.integers(1, 127)
    )
    notes = draw(st.lists(note, max_size=30))
    onset, pitch, velocity = zip(*notes, strict=True) if notes else ((), (), ())
    return Song(
        make_notes(onset, [0.1] * len(onset), pitch, velocity),
        tempo_bpm=draw(st.integers(30, 300)),
        time_signature=metre,
        style=draw(st.sampled_from(["", "rock"])),
        fill=draw(st.sampled_from([FILL_UNKNOWN, FILL_NO, FILL_YES])),
        name=draw(st.sampled_from(["", "a song: with|signs # in it"])),
    )


@pytest.mark.parametrize("steps_per_beat", [2, 4, 10, 12])
@pytest.mark.parametrize("kit", [ROLAND_TD11, GENERAL_MIDI, ONE_DRUM], ids=lambda kit: kit.name)
def test_write_then_read_quantises(kit, steps_per_beat):
    @settings(max_examples=40, deadline=None)
    @given(songs(), st.integers(1, 5))
    def check(song, bars_per_line):
        text = write_tab(song, kit, steps_per_beat, bars_per_line)
        again = read_tab(text, kit)
        assert hits(again) == quantised(song, kit, steps_per_beat), text
        context = dataclasses.replace(song, notes=again.notes)
        assert again == context
        assert write_tab(again, kit, steps_per_beat, bars_per_line) == text

    check()


def test_written_rows():
    song = read_tab("style: rock\ntempo: 100\nBD|o-----o-|\nSD|--O-g-O-|\nHH|x-o-x-O-|\nHT|-------g|")
    assert write_tab(song, steps_per_beat=2) == (
        "style: rock\ntempo: 100\ntime: 4/4\n\nHH|x-o-x-O-|\nHT|-------g|\nSD|--O-g-O-|\nBD|o-----o-|\n"
    )


def test_open_hats_get_a_row_where_the_hi_hat_row_cannot_say_it():
    for tab in ("HH|x-x-|\nOH|x---|\n", "HH|x-x-|\nOH|-g--|\n"):
        assert write_tab(read_tab(tab), steps_per_beat=1).endswith(f"\n\n{tab}")
    assert write_tab(read_tab("OH|x-X-|"), steps_per_beat=1).endswith("\n\nHH|o-O-|\n")


@pytest.mark.parametrize("kit", [ROLAND_TD11, ONE_DRUM], ids=lambda kit: kit.name)
def test_an_empty_song_is_a_bar_of_rests(kit):
    text = write_tab(Song(make_notes([], [], [], [])), kit)
    assert f"{kit.symbols[0]}|----------------|\n" in text
    assert len(read_tab(text, kit).notes.pitch) == 0


def test_bars_per_line():
    text = write_tab(read_tab("SD|x---|x---|x---|"), steps_per_beat=1)
    assert text.endswith("\n\nSD|o---|o---|\n\nSD|o---|\n")


def test_a_block_leaves_out_what_rests_in_it_but_hi_hat_snare_and_kick():
    tab = "CC|X---|----|----|\nHH|x-x-|----|x-x-|\nLT|----|----|---g|\nSD|--o-|----|----|\nBD|o---|----|o---|\n"
    text = write_tab(read_tab(tab), steps_per_beat=1, bars_per_line=1, header=False)
    assert text == (
        "CC|X---|\nHH|x-x-|\nSD|--o-|\nBD|o---|\n"
        "\nHH|----|\nSD|----|\nBD|----|\n"
        "\nHH|x-x-|\nLT|---g|\nSD|----|\nBD|o---|\n"
    )
    assert hits(read_tab(text)) == hits(read_tab(tab))


def test_a_block_in_which_nothing_plays_still_takes_its_time():
    tab = "RC|x---|----|----|----|--X-|\nLT|-o--|----|----|----|----|\n"
    text = write_tab(read_tab(tab), steps_per_beat=1, header=False)
    assert text == "RC|x---|----|\nLT|-o--|----|\n\nLT|----|----|\n\nRC|--X-|\n"
    assert hits(read_tab(text)) == hits(read_tab(tab)) == [(0, 51, NORMAL), (1, 43, NORMAL), (18, 51, ACCENT)]


def test_the_header_can_be_left_out():
    song = read_tab("title: a\nstyle: rock\ntempo: 90\ntime: 3/4\nfill: yes\nHH|x-x-x-|\nSD|--o-o-|")
    text = write_tab(song, steps_per_beat=2)
    assert text == "title: a\nstyle: rock\ntempo: 90\ntime: 3/4\nfill: yes\n\nHH|x-x-x-|\nSD|--o-o-|\n"
    assert write_tab(song, steps_per_beat=2, header=False) == "HH|x-x-x-|\nSD|--o-o-|\n"


@pytest.mark.parametrize(("time", "steps"), [((7, 8), 1), ((4, 4), 0), ((5, 16), 2)])
def test_a_bar_must_be_a_whole_number_of_steps(time, steps):
    with pytest.raises(ValueError, match="whole steps per bar"):
        write_tab(Song(make_notes([0], [1], [38], [90]), time_signature=time), steps_per_beat=steps)


def test_rows_of_one_drum_join_and_the_louder_hit_stays():
    assert hits(read_tab("T3|Xg--|\nFT|xXx-|")) == [(0, 43, ACCENT), (1, 43, ACCENT), (2, 43, NORMAL)]
    song = read_tab("HH|O---|\nOH|g---|")
    assert hits(song) == [(0, 46, ACCENT)]
    assert song.notices == (Notice("hits meet a hit of the same drum: the louder one is kept", 1),)
    assert hits(read_tab("SD|x---|\nSS|x---|")) == [(0, 37, NORMAL), (0, 38, NORMAL)]


def test_the_header_says_what_was_asked_for_and_is_read_again():
    song = Song(make_notes([0.0, 1.0], [0.25] * 2, [36, 38], [90, 90]), tempo_bpm=96, style="rock", fill=FILL_NO)
    text = write_tab(song, fill_every=4, remark="density 6 · seed 3")
    assert "fill: every 4\n" in text
    assert "# asked for: density 6 · seed 3\n" in text
    assert hits(read_tab(text)) == hits(song)
    assert read_tab(text).fill == FILL_NO
    with pytest.raises(TabError, match="every 0"):
        read_tab("fill: every 0\nSD|o---|\n")


@pytest.mark.parametrize("steps_per_beat", range(1, 25))
@pytest.mark.parametrize("metre", METRES)
def test_every_grid_that_is_written_is_read_again(metre, steps_per_beat):
    onsets = np.arange(0, 8, 1 / steps_per_beat)
    song = Song(make_notes(onsets, onsets, [38] * len(onsets), [NORMAL] * len(onsets)), time_signature=metre)
    if song.beats_per_bar * steps_per_beat % 1:
        return
    text = write_tab(song, steps_per_beat=steps_per_beat)
    assert hits(read_tab(text)) == hits(song)
    assert ("steps: " in text) == (steps_per_beat not in (1, 2, 3, 4, 6, 8, 12, 16, 24))


def test_blocks_of_one_row_are_written_so_that_they_stay_apart():
    song = read_tab("LT|x---|----|\nRC|----|-x--|")
    text = write_tab(song, steps_per_beat=1, bars_per_line=1, header=False)
    assert text == "RC|----|\nLT|o---|\n\nRC|-x--|\nLT|----|\n"
    assert hits(read_tab(text)) == hits(song)


def test_what_swings_is_written_straight_and_read_back_swung():
    hits = [(beat + place, 42) for beat in range(8) for place in (0, 2 / 3, 5 / 6)] + [(1.01, 38), (3.02, 38)]
    onset, pitch = zip(*sorted(hits), strict=True)
    song = Song(make_notes(onset, [0.1] * len(hits), pitch, [80] * len(hits)))
    text = write_tab(song, swing=1.0)
    assert "swing: 0.667" in text
    assert "|x-xxx-xxx-xxx-xx|x-xxx-xxx-xxx-xx|" in text
    back = read_tab(text)
    np.testing.assert_allclose(back.notes.onset_beat, [round(beat * 6) / 6 for beat in onset], atol=1e-3)
    assert "swing" not in write_tab(
        dataclasses.replace(song, notes=make_notes([0, 1], [0.1] * 2, [38] * 2, [80] * 2)), swing=1.0
    )
    assert "swing" not in write_tab(song)
