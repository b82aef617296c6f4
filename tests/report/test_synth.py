"""The sounds of pages: audible, short, in tune."""

import io
import wave

import numpy as np
import pytest

from drumjax.music.kits import ROLAND_TD11
from drumjax.report.synth import SAMPLE_RATE, drum_sound, note_sound, to_wav


def centroid_hz(samples):
    """The mean of the spectrum."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(np.sum(power * np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)) / power.sum())


@pytest.mark.parametrize("name", ROLAND_TD11.names)
def test_drums_begin_at_once_and_fade_away(name):
    samples = drum_sound(name)
    assert np.isfinite(samples).all()
    assert 0.2 < np.abs(samples).max() <= 0.9
    assert np.abs(samples[: SAMPLE_RATE // 50]).max() > 0.3 * np.abs(samples).max()
    assert 0.05 < len(samples) / SAMPLE_RATE < 2.5
    assert abs(samples[-1]) < 0.01
    np.testing.assert_array_equal(samples, drum_sound(name))


def test_drums_are_told_apart():
    pitch = {name: centroid_hz(drum_sound(name)) for name in ROLAND_TD11.names}
    assert pitch["kick"] < pitch["low tom"] < pitch["mid tom"] < pitch["high tom"] < pitch["snare"] < pitch["ride"]
    assert pitch["closed hi-hat"] > 7000
    assert len(drum_sound("open hi-hat")) > 3 * len(drum_sound("closed hi-hat"))


@pytest.mark.parametrize("pitch", [21, 48, 69, 108])
def test_strings_are_in_tune(pitch):
    samples = note_sound(pitch)
    power = np.abs(np.fft.rfft(samples, 1 << 18))
    hz = 440 * 2 ** ((pitch - 69) / 12)
    near = np.abs(np.fft.rfftfreq(1 << 18, 1 / SAMPLE_RATE) / hz - 1) < 0.06
    found = np.fft.rfftfreq(1 << 18, 1 / SAMPLE_RATE)[near][np.argmax(power[near])]
    assert 12 * np.log2(found / hz) == pytest.approx(0, abs=0.1)


def test_wav_files_are_read_by_others():
    samples = drum_sound("snare")
    with wave.open(io.BytesIO(to_wav(samples))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, SAMPLE_RATE)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    np.testing.assert_allclose(data / 32767, samples, atol=1e-4)
