"""Tabs as they are on the web: each is read whole, or a line says what is not clear."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drumjax.music.kits import GENERAL_MIDI, ONE_DRUM, ROLAND_TD11
from drumjax.music.notes import Song
from drumjax.music.tab import ACCENT, NORMAL, TabError, read_tab
from drumjax.music.tab_blocks import DOUBLE_SPACED, IN_TURN, PADDED, SPACERS, fits
from drumjax.music.tab_lines import EMPTY_SECTIONS, LEGENDS, PROSE, REMARKS, TIMES_IN_ALL
from drumjax.music.tab_marks import CHOKES, RUFFS


def played(song: Song) -> dict[int, list[float]]:
    """The onsets of each pitch, to a thousandth of a beat."""
    found: dict[int, list[float]] = {}
    for onset, pitch in zip(song.notes.onset_beat.tolist(), song.notes.pitch.tolist(), strict=True):
        found.setdefault(pitch, []).append(round(onset, 3))
    return found


def noticed(song: Song) -> dict[str, int]:
    return {notice.reason: notice.count for notice in song.notices}


BEAT = "HH|x-x-x-x-|\nSD|--o---o-|\nBD|o---o---|\n"
PLAYED = {36: [0, 2], 38: [1, 3], 42: [0, 1, 2, 3]}


def test_blanks_between_bar_lines_are_rests():
    song = read_tab("HH|            x-x-|x-x-x-x-x-x-x-x-|  \nBD   |            o   |o       o       |")
    assert played(song) == {36: [3, 4, 6], 42: [3, 3.5, *(4 + i / 2 for i in range(8))]}
    assert not song.notices


def test_rests_that_an_editor_cut_off_come_back():
    song = read_tab("HH|x-x-x-x-|\nSD|  o   o\nBD|o   o")
    assert played(song) == PLAYED
    assert noticed(song) == {PADDED: 2}
    assert not read_tab("HH|x-x-x-x-|\nBD|o   o       ").notices
    assert played(read_tab("HH|x-x-x-x-\nBD|o   o")) == {36: [0, 2], 42: [0, 1, 2, 3]}


@pytest.mark.parametrize("text", ["HH|x-x-x-x-|\nBD|o   o|", "HH|x x x x x\nSD|  o   o\nBD|o   o"])
def test_rests_are_not_made_up_where_a_cell_may_be_lost(text):
    with pytest.raises(TabError, match=r"line [23]: .* cells in bar 1"):
        read_tab(text)


@pytest.mark.parametrize(
    ("metre", "cells"),
    [
        ((4, 4), [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96]),
        ((3, 4), [1, 3, 6, 9, 12, 18, 24, 36, 48, 72]),
        ((6, 8), [1, 2, 3, 6, 9, 12, 18, 24, 36, 48, 72]),
        ((7, 8), [1, 7, 14, 21, 28, 42, 56, 84]),
        ((2, 2), [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96]),
    ],
)
def test_numbers_of_cells(metre, cells):
    assert [n for n in range(1, 100) if fits(n, metre)] == cells


@pytest.mark.parametrize("cells", [5, 7, 10, 14, 15, 20])
def test_a_number_of_cells_that_the_metre_cannot_have(cells):
    with pytest.raises(TabError, match=rf"line 2, column 9: {cells} cells in bar 2 of the row SD; a bar of 4/4"):
        read_tab(f"\nSD|x---|{'x' * cells}|")


def test_a_number_of_cells_that_is_announced():
    assert played(read_tab(f"steps: 5\nSD|{'x----' * 4}|x-x-|")) == {38: [0, 1, 2, 3, 4, 6]}
    with pytest.raises(TabError, match="28 cells"):
        read_tab(f"steps: 5\nSD|{'x------' * 4}|")


def test_spacers_of_guitar_style_are_left_out():
    song = read_tab("HH|-x-x-x-x-|-x-x-x-x-|\nSD|---o---o-|---o---o-|\nBD|-o---o---|-o---o---||")
    assert played(song)[38] == [1, 3, 5, 7]
    assert noticed(song) == {SPACERS: 2}


@pytest.mark.parametrize("text", ["HH|-x-x-x-x-|x-x-x-x--|", "HH|x-x-x-x--|", "HH|-x-x-x-x-|-x-x-x-x|"])
def test_a_spacer_that_not_all_bars_have_is_none(text):
    with pytest.raises(TabError, match="9 cells in bar 1"):
        read_tab(text)


def test_double_spaced_rows_are_one_block():
    rows = BEAT.replace("\n", "\n\n")
    song = read_tab(f"tempo: 90\n\n{rows}{rows}\n\n{rows}")
    assert played(song)[38] == [1, 3, 5, 7, 9, 11]
    assert noticed(song) == {DOUBLE_SPACED: 3}


def test_single_rows_that_are_blocks_stay_so():
    assert played(read_tab("SD|x-x-|\n\nSD|-x-x|\n\nSD|x---|")) == {38: [0, 2, 5, 7, 8]}
    song = read_tab("SD|x---|\n\n\nBD|x---|")
    assert played(song) == {36: [4], 38: [0]}
    assert noticed(song) == {IN_TURN: 2}
    assert not read_tab("SD|x---|\n\n\nSD|x---|").notices
    assert played(read_tab("[Intro]\nSD|x---|\n\n[Verse]\nBD|x---|")) == {36: [4], 38: [0]}


@pytest.mark.parametrize(
    "text", ["SD|x---|\n\nSD|x---|\n\nBD|x---|", "HH|x---|\n\nBD|x---|\n\nHH|x---|", "HH|x-|x-|\n\nBD|x-|"]
)
def test_single_rows_that_may_be_either(text):
    with pytest.raises(TabError, match=r"line \d: single rows between blank lines"):
        read_tab(text)


@pytest.mark.parametrize(
    "count", ["  |1 e & a 2 e & a |", "1e+a2e+a", "   1 . 2 . 3 . 4 .", "  |1-2-3-4-|", "Count|1+2+|"]
)
def test_counting_rows_have_no_notes(count):
    song = read_tab(f"{count}\n{BEAT}{count}\n\n{BEAT}")
    assert played(song)[38] == [1, 3, 5, 7]
    assert not song.notices


@pytest.mark.parametrize("times", ["x3", " (x3)", "  3x", "[x 3]", " x3.", "3 times"])
def test_rows_are_played_as_often_as_stands_behind_them(times):
    song = read_tab(BEAT.replace("x-|\n", f"x-|{times}\n", 1) + "\nSD|x---|")
    assert played(song)[38] == [1, 3, 5, 7, 9, 11, 12]
    assert not song.notices


def test_times_behind_several_rows_and_in_words():
    song = read_tab("HH|x-x-|x-x-| repeat 2x\nSD|--o-|--o-| repeat 2x\n  |1234|1234| (x2)")
    assert played(song)[38] == [2, 6, 10, 14]
    assert noticed(song) == {TIMES_IN_ALL: 2}


def test_repeat_signs():
    song = read_tab("HH|x---|:x-x-|xxxx:|\nSD|----|:--o-|----:|\nBD|o---| o---|----||")
    assert played(song) == {
        36: [0, 4, 12],
        38: [6, 14],
        42: [0, 4, 6, 8, 9, 10, 11, 12, 14, 16, 17, 18, 19],
    }
    assert played(read_tab("HH||:x---:|| x3")) == {42: [0, 4, 8]}
    assert played(read_tab("HH:|x---|-x--:|--x-|")) == {42: [0, 5, 8, 13, 18]}
    assert played(read_tab("HH|:x---|\n\nHH|-x--:|")) == {42: [0, 5, 8, 13]}


@pytest.mark.parametrize(
    "text",
    [
        "HH|x---| repeat",
        "HH|x---| repeat 1x",
        "HH|x---| x0",
        "HH|x---| x100",
        "HH|x---|x2\nSD|x---|x3",
        "HH|x---|  play this again",
        "HH|:x---|x---|",
        "HH|:x---|:x---:|",
        "HH|x---|\n\nHH|x---:|",
        "HH|x---:|x---:|",
        "HH|:x---:|x---|x2",
        "HH|:x---:|\nSD|x---:|",
        "HH|x---|  % |",
        "HH|x---|\nChorus x2\nHH|x---|",
        "HH|x---|\n[repeat verse]",
        "HH|x---|\n\nrepeat 3 times",
        "  |1 2 3 4 |x2\n\nHH|x---|",
        f"HH|{'x|' * 300}x99",
    ],
)
def test_repeats_that_are_not_clear(text):
    with pytest.raises(TabError, match=r"line \d: a repeat"):
        read_tab(text)


def test_two_toms_of_one_letter():
    song = read_tab("T|x---|\nt|-x--|\nF|--x-|")
    assert played(song) == {43: [2], 47: [1], 50: [0]}
    assert sum(noticed(song).values()) == 2


def test_ch_is_a_china_beside_a_hi_hat():
    assert played(read_tab("Ch|x---|\nHH|-x--|")) == {42: [1], 52: [0]}
    assert played(read_tab("Ch|x---|\nOH|-x--|")) == {42: [0], 46: [1]}


def test_an_instrument_that_the_kit_does_not_know_is_its_drum():
    assert played(read_tab("Sp|x---|\nFH|-x--|", GENERAL_MIDI)) == {44: [1], 55: [0]}
    with pytest.raises(TabError, match="unknown drum 'Sp'"):
        read_tab("Sp|x---|", ONE_DRUM)


def test_full_names_in_any_case():
    song = read_tab("Crash|x---|\nHi Hat|xxxx|\nFLOOR TOM|--x-|\nSnare|-x-x|\nBass drum|x-x-|")
    assert played(song) == {36: [0, 2], 38: [1, 3], 42: [0, 1, 2, 3], 43: [2], 49: [0]}


def test_marks_of_the_web():
    song = read_tab("CR|#-s-c---|\nRD|--b---B-|\nSN|--@-r---|\nHF|o-------|")
    assert played(song) == {37: [1], 38: [2, 2.25], 44: [0], 49: [0], 52: [2], 53: [1, 3], 55: [1]}
    assert noticed(song) == {CHOKES: 1, RUFFS: 1}
    assert song.notes.velocity[song.notes.pitch == 53].tolist() == [NORMAL, ACCENT]


@pytest.mark.parametrize("row", ["SD|b---|", "SD|#---|", "HH|@---|", "CC|~---|", "SD|*---|", "BD|s---|"])
def test_marks_that_mean_nothing_on_their_row(row):
    with pytest.raises(TabError, match=f"line 1, column 4: unknown mark '{row[3]}'".replace("*", r"\*")):
        read_tab(row)


@pytest.mark.parametrize("line", ["BPM: 122", "Tempo = 122", "122 bpm", "(122 BPM)", "tempo: ~122 bpm", "Tempo 122"])
def test_tempos(line):
    assert read_tab(f"{line}\n{BEAT}").tempo_bpm == 122


def test_times():
    for line in ("Time: 6/8", "time signature: 6 / 8", "6/8", "6/8 time", "Metre = 6/8"):
        assert read_tab(f"{line}\nHH|x-x-x-|").time_signature == (6, 8), line


def test_what_has_no_notes_is_skipped():
    song = read_tab(
        "Song: Back Road\nArtist: Them\nDrummer: she\nTabbed by: me\nhttp://example.com/tab?x=1\n-------\n"
        "C1 : left crash\nx = hit\no: open\nHH|-Hi-hat------|\n|-g-| Ghost note\n\nA tab of mine\nwith a fine beat\n\n"
        f"Intro\n{BEAT}\n[Verse 1]\n\n-- Chorus --\n{BEAT}BD - bass\n\n{BEAT}Outro:\n"
    )
    assert song.name == "Back Road"
    assert played(song)[38] == [1, 3, 5, 7, 9, 11]
    assert noticed(song) == {LEGENDS: 6, PROSE: 2, EMPTY_SECTIONS: 2}


def test_remarks_behind_the_bars():
    song = read_tab("HH|x-x-x-x-|  <- half open\nSD|--o---o-|")
    assert noticed(song) == {REMARKS: 1}
    assert played(song) == {38: [1, 3], 42: [0, 1, 2, 3]}


def test_strokes_in_a_last_bar_without_a_line_are_no_remark():
    song = read_tab("HH|x-x-x-x-|      xx\nSD|--o---o-|    oooo\nBD|o---o---|   Xo")
    assert played(song) == {36: [0, 2, 5.5, 6], 38: [1, 3, 6, 6.5, 7, 7.5], 42: [0, 1, 2, 3, 7, 7.5]}
    assert played(read_tab("HH|    x-x-|\nSD|    oooo\nBD|o---o---|"))[38] == [2, 2.5, 3, 3.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"tmpo: 100\n{BEAT}", ["line 1", "'tmpo'", "did you mean tempo"]),
        (f"time sgnature: 3/4\n{BEAT}", ["line 1", "did you mean time"]),
        (f"a fast one at 180 bpm\n{BEAT}", ["line 1", "a line above the rows"]),
        (f"tempo: 100\nbpm: 120\n{BEAT}", ["line 2", "a second tempo"]),
        (f"tempo: 100\n{BEAT}tempo: 140\n{BEAT}", ["line 5", "a tab has one tempo"]),
        (f"{BEAT}3/4\n{BEAT}", ["line 4", "a tab has one time"]),
        (f"{BEAT}that is all", ["line 4", "neither a header"]),
        ("HH x-x-x-x-\nSD --o---o-", ["line 1", "cells without bar lines"]),
        (f"SD: --o---o-\n{BEAT}", ["line 1", "cells without bar lines"]),
        (f"HH xxxxxxxx\n{BEAT}", ["line 1", "cells without bar lines"]),
        (f"HH - x - x - x -\n{BEAT}", ["line 1", "cells without bar lines"]),
        ("HH: x-x-|x-x-|", ["line 1", "'hh'"]),
        ("HH----|x---|", ["line 1", "unknown drum 'HH---"]),
        ("HH....|x---|", ["line 1", "unknown drum 'HH...."]),
        ("|x-x-|", ["line 1", "unknown drum ''"]),
        ("Thanks for looking.", ["no rows"]),
    ],
)
def test_what_is_not_clear_is_an_error(text, words):
    with pytest.raises(TabError) as error:
        read_tab(text)
    for word in words:
        assert word in str(error.value)


def test_a_header_after_the_rows_that_changes_nothing():
    assert read_tab(f"tempo: 100\n{BEAT}\ntempo: 100\n{BEAT}").num_bars == 2


ROWS = (
    "HH",
    "SD",
    "T",
    "t",
    "CH",
    "BD ",
    "|",
    "|",
    "|:",
    ":|",
    "x-x-",
    "----",
    "x",
    "-",
    " ",
    "o",
    "f",
    "%",
    "x4",
    "\t",
)
LINES = ("\n", "\n\n", "HH|x-x-|\n", "tempo: 100", "time: 3/4", "steps: 5", "swing: .6", "1 e & a", "[Verse]", "Chorus")
PIECES = st.sampled_from((*ROWS, *LINES, "\n", ":", "=", "#", "é"))


@pytest.mark.parametrize("kit", [ROLAND_TD11, ONE_DRUM], ids=lambda kit: kit.name)
def test_no_text_raises_anything_else(kit):
    @settings(max_examples=300, deadline=None)
    @given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=30).map("".join)))
    @example("HH|:|")
    @example("HH|::|\nSD|-|")
    @example("DR|:x|\nD|-|")
    def check(text):
        try:
            song = read_tab(text, kit)
        except TabError as error:
            assert len(str(error).splitlines()) <= 1  # noqa: PT017
        else:
            assert (song.notes.velocity >= 1).all()

    check()
