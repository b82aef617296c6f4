"""The sounds of pages: audible, short, in tune. They are made by a script, so a browser makes them here."""

import base64

import numpy as np
import pytest
from browsing import open_page

from drumjax.music.kits import ROLAND_TD11
from drumjax.music.notes import Song, make_notes
from drumjax.report.page import Page
from drumjax.report.piece import Piece

ENCODE = """
const bytes = new Uint8Array((%s).buffer);
let text = "";
for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
return btoa(text);
"""


@pytest.fixture(scope="module")
def synth(browser, tmp_path_factory):
    """(expression) -> the samples that it makes."""
    page = Page("", "", ROLAND_TD11)
    page.add_piece(Piece(Song(make_notes([0], [1], [36], [90])), "", 1))
    open_page(browser, tmp_path_factory.mktemp("synth") / "page.html", page.write())

    def call(expression: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(browser.execute_script(ENCODE % expression)), np.float32)

    call.rate = browser.execute_script("return SOUND_RATE")
    return call


def centroid_hz(samples, rate):
    """The mean of the spectrum."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(np.sum(power * np.fft.rfftfreq(len(samples), 1 / rate)) / power.sum())


def test_drums_begin_at_once_and_fade_away(synth):
    for name in ROLAND_TD11.names:
        samples = synth(f"drumSound('{name}')")
        assert np.isfinite(samples).all(), name
        assert 0.2 < np.abs(samples).max() <= 0.9, name
        assert np.abs(samples[: synth.rate // 50]).max() > 0.3 * np.abs(samples).max(), name
        assert 0.05 < len(samples) / synth.rate < 2.5, name
        assert abs(samples[-1]) < 0.01, name
    np.testing.assert_array_equal(synth("drumSound('snare')"), synth("drumSound('snare')"))


def test_drums_are_told_apart(synth):
    pitch = {name: centroid_hz(synth(f"drumSound('{name}')"), synth.rate) for name in ROLAND_TD11.names}
    assert pitch["kick"] < pitch["low tom"] < pitch["mid tom"] < pitch["high tom"] < pitch["snare"] < pitch["ride"]
    assert pitch["closed hi-hat"] > 7000
    assert len(synth("drumSound('open hi-hat')")) > 3 * len(synth("drumSound('closed hi-hat')"))


@pytest.mark.parametrize("pitch", [21, 48, 69, 108])
def test_strings_are_in_tune(pitch, synth):
    samples = synth(f"noteSound({pitch})")
    assert np.abs(samples).max() == pytest.approx(0.9, abs=1e-3)
    power = np.abs(np.fft.rfft(samples, 1 << 18))
    hz = 440 * 2 ** ((pitch - 69) / 12)
    near = np.abs(np.fft.rfftfreq(1 << 18, 1 / synth.rate) / hz - 1) < 0.06
    found = np.fft.rfftfreq(1 << 18, 1 / synth.rate)[near][np.argmax(power[near])]
    assert 12 * np.log2(found / hz) == pytest.approx(0, abs=0.1)
