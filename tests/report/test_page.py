"""Pages: what they hold, that they need nothing else, and what a browser makes of them."""

import base64
import io
import json
import re
import wave

import matplotlib.image
import numpy as np
import pytest
from bars import ROCK, TOMS, make_song
from browsing import COUNT_SOUNDS, complaints, open_page, wait_for

from drumjax.midi.reader import read_midi
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.report.page import Page
from drumjax.report.piece import MAX_BARS, Given, Piece
from drumjax.report.roll_picture import DPI, MARGIN_INCHES, draw_roll

SONG = make_song([ROCK, [*ROCK, *TOMS], ROCK, ROCK], tempo_bpm=240.0)
PIANO = Song(make_notes([0, 1, 1.5], [1, 0.5, 2], [60, 64, 67], [90, 60, 30]), is_drums=False)


def make_page(song=SONG, kit=ROLAND_TD11, bars=4, **known) -> str:
    page = Page("Rock & <roll>", "two of them", kit)
    page.begin("Figures", "what they are")
    page.add_table([["", "nats"], ["counting <b>", "1.0"], ["hits, model", "0.5"]], ("model",))
    page.add_lines(["three files are broken"])
    page.add_piece(Piece(song, "000000", bars, "rock · 240 bpm", **known))
    page.add_piece(Piece(song, "a/b </script>", bars))
    return page.write()


def make_comparison() -> str:
    """A piece of four bars beside two bars that were given."""
    page = Page("", "", ROLAND_TD11)
    given = page.add_given(Given("given", make_song([ROCK] * 2), 2))
    page.add_piece(Piece(SONG, "000000", 4, label="played", given=given, seam=2, fills=(3,)))
    return page.write()


def data_of(page: str):
    return json.loads(re.search(r'id="data">(.*?)</script>', page)[1])


def pieces_of(page: str):
    return data_of(page)["lists"][0]["pieces"]


def notes_of(page: str):
    return pieces_of(page)[0]["lane"]["notes"]


def test_a_page_needs_no_other_file():
    page = make_page()
    urls = re.findall(r'(?:src|href|url)[=(]["\']?([^"\')\s>]+)', page[: page.index("<script")])
    assert urls
    assert all(url.startswith("data:") for url in urls)
    assert all(piece["midi"].startswith("data:") for piece in pieces_of(page))
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+|http://www.w3.org/2000/svg", "", page)
    assert "fetch(" not in page


def test_text_is_text():
    page = make_page()
    assert "Rock &amp; &lt;roll&gt;" in page
    assert "<roll>" not in page
    assert "counting &lt;b&gt;" in page
    assert '<tr class="model"><td>hits, model' in page
    assert page.count("</script>") == 2  # that of the data and that of the script, none of a name
    assert pieces_of(page)[1]["name"] == "a/b </script>"


def test_a_page_without_pieces_has_no_script():
    page = Page("", "", ROLAND_TD11)
    page.add_lines(["nothing to hear"])
    assert len(page.write()) < 15_000


def test_what_is_played_is_the_song():
    page = make_page()
    piece = pieces_of(page)[0]
    assert (piece["bpm"], piece["bar"], piece["lane"]["bars"]) == (240, 4, 4)
    names = data_of(page)["kit"]["names"]
    found = sorted((beat, names[row], velocity) for beat, row, velocity in notes_of(page))
    classes = ROLAND_TD11.class_table()[SONG.notes.pitch]
    given = zip(SONG.notes.onset_beat.tolist(), (ROLAND_TD11.names[k] for k in classes), strict=True)
    assert found == sorted((beat, name, 90) for beat, name in given)


def test_notes_have_their_pitch_and_end():
    page = make_page(PIANO, kit=None, bars=1)
    assert notes_of(page) == [[0, 60, 90, 1], [1, 64, 60, 0.5], [1.5, 67, 30, 2]]
    assert data_of(page)["kit"] is None


def test_notes_that_are_not_shown_are_counted():
    song = make_song([[(0, 36), (1, 60), (2, 61)]])
    assert [note[0] for note in notes_of(make_page(song, bars=1))] == [0]
    assert pieces_of(make_page(song, bars=1))[0]["facts"].endswith(
        "2 notes are no drum of the kit: not shown, not heard"
    )
    late = make_song([*[[(0, 36)]] * MAX_BARS, [(1, 38)]])
    piece = pieces_of(make_page(late, bars=MAX_BARS + 1))[0]
    assert len(piece["lane"]["notes"]) == MAX_BARS
    assert piece["facts"].endswith(f"the first {MAX_BARS} bars: 1 notes come later")


def test_midi_files_can_be_taken_from_it(tmp_path):
    piece, other = pieces_of(make_page())
    assert (piece["file"], other["file"]) == ("000000", "a_b___script_")
    (tmp_path / "a.mid").write_bytes(base64.b64decode(piece["midi"].removeprefix("data:audio/midi;base64,")))
    song = read_midi(tmp_path / "a.mid")
    np.testing.assert_array_equal(song.notes.pitch, SONG.notes.pitch)
    assert song.tempo_bpm == 240
    assert pieces_of(make_page(midi=b"as it is"))[0]["midi"].endswith(base64.b64encode(b"as it is").decode())
    assert pieces_of(make_page(midi="000000.mid"))[0]["midi"] == "000000.mid"


def test_a_picture_shows_the_hits_where_time_is():
    """Of one loud hit, the darkest column lies in the middle of the bar."""
    png = draw_roll(make_song([[(2, 36, 127)]]), 1, ROLAND_TD11)
    image = matplotlib.image.imread(io.BytesIO(png))[..., :3].mean(axis=2)
    inside = image[: -round(0.3 * DPI)]
    column = np.argmin(inside.min(axis=0) + 0.5 * inside.mean(axis=0))
    left, right = MARGIN_INCHES * DPI, image.shape[1] - 0.12 * DPI
    beat_0 = left + (right - left) * 0.12 / 4.12  # the margin before it
    assert column == pytest.approx(beat_0 + (right - beat_0) / 2, abs=4)
    assert draw_roll(PIANO, 1).startswith(b"\x89PNG")
    assert draw_roll(make_song([[(0, 60)]]), 3, ROLAND_TD11)  # nothing to show


CURSOR = "Number(document.querySelector('.cursor').style.transform.replace(/[^0-9.]/g, ''))"


def click_at(browser, selector: str, share: float) -> None:
    """Clicks at a share of the width of an element."""
    actions = pytest.importorskip("selenium.webdriver.common.action_chains")
    element = browser.find_element("css selector", selector)
    away = int((share - 0.5) * element.size["width"])
    actions.ActionChains(browser).move_to_element_with_offset(element, away, 0).click().perform()


def test_it_plays_the_cursor_moves_and_it_stops(browser, tmp_path):
    open_page(browser, tmp_path / "page.html", make_page())
    browser.execute_script(COUNT_SOUNDS)
    button = browser.find_element("css selector", ".play")
    button.click()
    wait_for(browser, "playing && audio.state === 'running' && sounding > 2")
    first = wait_for(browser, CURSOR)
    assert wait_for(browser, f"{CURSOR} > {first} + 40 && {CURSOR}") > first
    assert browser.execute_script("return document.querySelector('.piece').className") == "piece playing"
    button.click()
    assert browser.execute_script("return playing") is None
    assert "Play" in button.text
    # A piece that is left alone ends by itself, and another one takes over from one that plays.
    browser.execute_script("play([...shown][0], 15)")
    wait_for(browser, "playing !== null")
    wait_for(browser, "playing === null")
    button.click()
    wait_for(browser, "playing !== null")
    browser.find_elements("css selector", ".play")[1].click()
    wait_for(browser, "playing && playing.card === [...shown][1]")
    assert browser.execute_script("return document.querySelectorAll('.playing').length") == 1
    loaded = (
        "performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !/^data:/.test(name))"
    )
    assert browser.execute_script(f"return {loaded}") == []
    assert not complaints(browser)


def test_notes_of_an_instrument_sound_too(browser, tmp_path):
    open_page(browser, tmp_path / "page.html", make_page(PIANO, kit=None, bars=2))
    browser.execute_script(COUNT_SOUNDS)
    browser.find_element("css selector", ".play").click()
    wait_for(browser, "playing && audio.state === 'running' && sounding > 2")
    first = wait_for(browser, CURSOR)
    assert wait_for(browser, f"{CURSOR} > {first} + 20 && {CURSOR}") > first
    rates = browser.execute_script("return [60, 64, 67].map((pitch) => soundOf(pitch)[1])")
    assert 68 + 12 * np.log2(rates[2]) == pytest.approx(67)  # the sound of 68, slower
    assert rates[:2] == [1, 1]
    assert not complaints(browser)


def test_a_click_on_the_notes_plays_from_there_and_a_loop_goes_on(browser, tmp_path):
    open_page(browser, tmp_path / "page.html", make_page())
    click_at(browser, ".notes", 0.8)
    assert 11 < wait_for(browser, "playing && position()") < 15  # four fifths of 16 beats
    browser.find_element("css selector", ".loop").click()
    start = browser.execute_script("return playing.start")
    assert wait_for(browser, f"playing && playing.start > {start} && playing.start") == pytest.approx(start + 4)


def test_notes_are_drawn_where_they_sound_and_as_loud_as_they_are(browser, tmp_path):
    song = make_song([[(0, 36, 127), (2, 36, 10)]])
    open_page(browser, tmp_path / "page.html", make_page(song, bars=1))
    boxes = "[...document.querySelectorAll('.piece .note')].map((note) => note.getBBox())"
    soft, loud = browser.execute_script(f"return {boxes}.slice(0, 2).map((box) => [box.x + box.width / 2, box.width])")
    assert loud[1] > 2 * soft[1]
    beat = browser.execute_script("return [...shown][0].scale")
    assert soft[0] - loud[0] == pytest.approx(2 * beat, abs=0.2)
    paint = "[...document.querySelectorAll('.piece .note')].map((note) => getComputedStyle(note).fill)"
    assert len(set(browser.execute_script(f"return {paint}.slice(0, 2)"))) == 2
    assert len(browser.find_elements("css selector", ".legend .note")) == 6


def test_what_was_given_and_what_was_played_take_turns_without_losing_the_place(browser, tmp_path):
    open_page(browser, tmp_path / "page.html", make_comparison())
    names = [name.text for name in browser.find_elements("css selector", ".lane .name")]
    assert names == ["A given", "B played"]
    assert len(browser.find_elements("css selector", "rect.fill")) == 1  # what was given has no fills
    assert len(browser.find_elements("css selector", ".line.seam")) == 1
    signs = browser.find_element("css selector", ".legend").text
    assert "fill" in signs
    assert "given ends" in signs
    click_at(browser, ".lane:last-of-type .notes, .lane:nth-child(3) .notes", 0.3)
    before = wait_for(browser, "playing && position()")
    assert browser.execute_script("return playing.card.lane().label") == "played"
    browser.find_element("css selector", ".switch button").click()
    after, label = browser.execute_script("return [position(), playing.card.lane().label]")
    assert label == "given"
    assert before <= after < before + 4  # of 16 beats, four a second
    assert "quiet" in browser.find_elements("css selector", ".lane")[1].get_attribute("class")
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('.notes, .cursor')].map((e) => [e.getBoundingClientRect().left, "
        "e.getBoundingClientRect().top, e.getBoundingClientRect().bottom])"
    )
    assert boxes[0][0] == boxes[1][0]  # on the same axis
    assert boxes[2][1] <= boxes[0][1]
    assert boxes[2][2] >= boxes[1][2]  # one cursor for both
    assert not complaints(browser)


def set_tempo(browser, percent: int) -> None:
    browser.execute_script(
        "const field = document.querySelector('.tempo-field input'); field.value = arguments[0];"
        "field.dispatchEvent(new Event('input'))",
        percent,
    )


def test_the_tempo_changes_without_losing_the_place(browser, tmp_path):
    open_page(browser, tmp_path / "page.html", make_page())
    tempo = browser.find_element("css selector", ".tools .tempo")
    assert tempo.text == "240 bpm"
    browser.find_element("css selector", ".play").click()
    wait_for(browser, "playing && position() > 1")
    before = browser.execute_script("return position()")
    set_tempo(browser, 50)
    after, beat = browser.execute_script("return [position(), playing.beat]")
    assert tempo.text == "120 bpm"
    assert beat == 0.5
    assert before <= after < before + 4
    browser.find_element("css selector", ".tempo-field button").click()
    assert tempo.text == "240 bpm"


@pytest.mark.parametrize(("song", "kit"), [(SONG, ROLAND_TD11), (PIANO, None)])
def test_a_wav_file_has_the_sound_and_the_length(browser, tmp_path, song, kit):
    open_page(browser, tmp_path / "page.html", make_page(song, kit, bars=2))
    set_tempo(browser, 200)
    browser.execute_script(
        "HTMLAnchorElement.prototype.click = function () { window.saved = this.download; };"
        "renderWav([...shown][0]).then((bytes) => { window.wav = btoa([...new Uint8Array(bytes)]"
        ".map((byte) => String.fromCharCode(byte)).join('')); })"
    )
    with wave.open(io.BytesIO(base64.b64decode(wait_for(browser, "window.wav")))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 44100)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    seconds = 8 * 60 / (2 * song.tempo_bpm)
    assert len(samples) == pytest.approx((seconds + 2) * 44100, abs=2)
    beats = np.array_split(samples[: int(seconds * 44100)], 8)
    assert all(np.sqrt(np.mean(beat**2)) > 0.01 for beat in (beats if kit else beats[:3]))
    browser.find_element("css selector", ".wav").click()
    assert wait_for(browser, "window.saved") == "000000.wav"
    assert not complaints(browser)


def test_labels_stay_while_a_long_piece_scrolls(browser, tmp_path):
    song = make_song([ROCK] * 40, tempo_bpm=240.0)
    open_page(browser, tmp_path / "page.html", make_page(song, bars=40))
    view = "document.querySelector('.piece .scroll')"
    left = f"document.querySelector('svg.labels').getBoundingClientRect().left - {view}.getBoundingClientRect().left"
    browser.execute_script(f"{view}.scrollLeft = 1500")
    assert browser.execute_script(f"return [{view}.scrollLeft, {left}]") == [1500, 0]
    browser.find_element("css selector", ".play").click()  # a browser lets nothing sound before a click
    wait_for(browser, "playing !== null")
    browser.execute_script("play([...shown][0], 120)")
    wait_for(browser, f"{view}.scrollLeft > 2500")  # the cursor is kept in view


def test_a_phone_needs_no_sideways_scrolling(browser, tmp_path):
    open_page(browser, tmp_path / "page.html", make_page(bars=8), width=500)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(f"return {overflow}") <= 0
    assert browser.execute_script("return document.querySelector('.piece .scroll').scrollWidth") > 600
    assert browser.find_element("css selector", "svg.labels").text.split() == ["CC", "HT", "MT", "LT", "HH", "SD", "BD"]
