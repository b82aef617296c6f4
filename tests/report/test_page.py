"""Pages: what they hold, that they need nothing else, and what a browser makes of them."""

import base64
import io
import json
import re
import shutil
import time

import matplotlib.image
import numpy as np
import pytest
from bars import ROCK, TOMS, make_song

from drumjax.midi.reader import read_midi
from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.report.page import Page, Piece
from drumjax.report.roll_picture import draw_roll

SONG = make_song([ROCK, [*ROCK, *TOMS], ROCK, ROCK], tempo_bpm=240.0)
PIANO = Song(make_notes([0, 1, 1.5], [1, 0.5, 2], [60, 64, 67], [90, 60, 30]), is_drums=False)


def make_page(song=SONG, kit=ROLAND_TD11, bars=4) -> str:
    page = Page("Rock & <roll>", "two of them", kit)
    page.begin("Figures", "what they are")
    page.add_table([["", "nats"], ["counting <b>", "1.0"], ["hits, model", "0.5"]], ("model",))
    page.add_lines(["three files are broken"])
    page.add_piece(Piece(song, "000000", bars, "rock · 240 bpm"))
    page.add_piece(Piece(song, "a/b", bars))
    return page.write()


def data_of(page: str, name: str):
    return json.loads(re.search(rf'id="{name}">(.*?)</script>', page)[1])


def test_a_page_needs_no_other_file():
    page = make_page()
    urls = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')\s>]+)', page)
    assert urls
    assert all(url.startswith("data:") for url in urls)
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+|\"[A-Za-z0-9+/=]{200,}\"", "", page)


def test_text_is_text():
    page = make_page()
    assert "Rock &amp; &lt;roll&gt;" in page
    assert "<roll>" not in page
    assert "counting &lt;b&gt;" in page
    assert '<tr class="model"><td>hits, model' in page


def test_what_is_played_is_the_song():
    pieces = data_of(make_page(), "pieces")
    notes = pieces[0]["notes"]
    assert len(notes) == len(SONG.notes.pitch)
    assert pieces[0]["seconds"] == 4.0  # four bars at four beats a second
    seconds = SONG.notes.onset_beat / 4
    np.testing.assert_allclose(sorted(note[0] for note in notes), seconds, atol=1e-4)
    assert {note[1] for note in notes} == {"kick", "snare", "low tom", "mid tom", "high tom", "crash"}
    assert set(data_of(make_page(), "sounds")) == {note[1] for note in notes}


def test_louder_notes_are_louder_and_hi_hats_choke():
    song = make_song([[(0, 42, 30), (1, 46, 120)]])
    closed, opened = data_of(make_page(song, bars=1), "pieces")[0]["notes"]
    assert closed[2] < opened[2] < 1
    assert closed[5] == opened[5] != ""


def test_notes_have_their_pitch_and_end():
    page = make_page(PIANO, kit=None, bars=1)
    notes = data_of(page, "pieces")[0]["notes"]
    sounds = data_of(page, "sounds")
    assert [note[4] for note in notes] == [0.5, 0.25, 1.0]
    for note, pitch in zip(notes, (60, 64, 67), strict=True):
        assert note[1] in sounds
        base = int(note[1].split()[1])
        assert base + 12 * np.log2(note[3]) == pytest.approx(pitch, abs=1e-3)


def test_midi_files_can_be_taken_from_it(tmp_path):
    (name, data), (other, _) = re.findall(r'download="(.*?)" href="data:audio/midi;base64,(.*?)"', make_page())
    assert (name, other) == ("000000.mid", "a_b.mid")
    (tmp_path / "a.mid").write_bytes(base64.b64decode(data))
    song = read_midi(tmp_path / "a.mid")
    np.testing.assert_array_equal(song.notes.pitch, SONG.notes.pitch)
    assert song.tempo_bpm == 240


def test_the_picture_shows_the_hits_where_time_is():
    """Of one loud hit, the darkest column lies where the cursor will be."""
    picture = draw_roll(make_song([[(2, 36, 127)]]), 1, ROLAND_TD11)
    image = matplotlib.image.imread(io.BytesIO(picture.png))[..., :3].mean(axis=2)
    assert image.shape == (picture.height, picture.width)
    inside = image[: -round(0.3 * 96)]
    column = np.argmin(inside.min(axis=0) + 0.5 * inside.mean(axis=0))
    left = picture.left + (picture.right - picture.left) * 0.12 / 4.12  # the margin before beat 0
    expected = (left + (picture.right - left) * 0.5) * picture.width
    assert column == pytest.approx(expected, abs=4)
    assert draw_roll(PIANO, 1).png.startswith(b"\x89PNG")
    assert draw_roll(make_song([[(0, 60)]]), 3, ROLAND_TD11).png  # nothing to show


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, with its console."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs a browser: chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        found = webdriver.Chrome(options=options, service=Service(driver))
    except WebDriverException as error:
        pytest.skip(f"the browser does not start: {str(error).splitlines()[0]}")
    yield found
    found.quit()


def wait_for(browser, condition: str):
    """The value of a JavaScript expression, as soon as it is true."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if value := browser.execute_script(f"return {condition}"):
            return value
        time.sleep(0.05)
    raise AssertionError(f"never {condition}: {browser.get_log('browser')}")


def open_page(browser, tmp_path, page, width=1200):
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    browser.set_window_size(width, 900)
    browser.get((tmp_path / "page.html").as_uri())


# Counts the sounds that are started, as `sounding`.
COUNT_SOUNDS = """
window.sounding = 0;
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (at) {
  window.sounding += this.buffer.getChannelData(0).some((x) => Math.abs(x) > 0.1);
  return start.call(this, at);
};
"""
CURSOR = "Number(document.querySelector('.cursor').style.transform.replace(/[^0-9.]/g, ''))"


def test_it_plays_the_cursor_moves_and_it_stops(browser, tmp_path):
    open_page(browser, tmp_path, make_page())
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
    browser.execute_script("play(document.querySelectorAll('.piece')[0], 3.8)")
    wait_for(browser, "playing !== null")
    wait_for(browser, "playing === null")
    button.click()
    wait_for(browser, "playing !== null")
    browser.find_elements("css selector", ".play")[1].click()
    wait_for(browser, "playing && playing.card.dataset.piece === '1'")
    assert browser.execute_script("return document.querySelectorAll('.playing').length") == 1
    assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def test_notes_of_an_instrument_sound_too(browser, tmp_path):
    open_page(browser, tmp_path, make_page(PIANO, kit=None, bars=2))
    browser.execute_script(COUNT_SOUNDS)
    browser.find_element("css selector", ".play").click()
    wait_for(browser, "playing && audio.state === 'running' && sounding > 2")
    first = wait_for(browser, CURSOR)
    assert wait_for(browser, f"{CURSOR} > {first} + 40 && {CURSOR}") > first
    assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def test_a_click_on_the_picture_plays_from_there_and_a_loop_goes_on(browser, tmp_path):
    open_page(browser, tmp_path, make_page())
    image = browser.find_element("css selector", ".roll img")
    actions = pytest.importorskip("selenium.webdriver.common.action_chains")
    actions.ActionChains(browser).move_to_element_with_offset(
        image, int(0.3 * image.size["width"]), 0
    ).click().perform()
    now = wait_for(browser, "playing && audio.currentTime - playing.start")
    assert 2.8 < now < 4.5  # four fifths of four seconds
    browser.find_element("css selector", ".loop").click()
    start = browser.execute_script("return playing.start")
    assert wait_for(browser, f"playing && playing.start > {start} && playing.start") == pytest.approx(start + 4)


def test_a_phone_needs_no_sideways_scrolling(browser, tmp_path):
    open_page(browser, tmp_path, make_page(bars=8), width=500)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(f"return {overflow}") <= 0
    assert browser.execute_script("return document.querySelector('.piece .scroll').scrollWidth") > 600
